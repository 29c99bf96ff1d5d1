"""Reads whole transactions from the slot, without moving it, into the spools of their tables.

pg_logical_slot_peek_binary_changes -> server-side cursor -> pgoutput -> TableSpool
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pyarrow as pa
from psycopg import sql

from ingestion.log_capture.columns import encode_row
from ingestion.log_capture.pgoutput import (
    UNCHANGED,
    Begin,
    Commit,
    Relation,
    RelationColumn,
    Row,
    Truncate,
    Update,
    decode,
)
from ingestion.log_capture.publication import Captured
from ingestion.log_capture.slot import Live, await_free, busy
from ingestion.log_capture.spool import TableSpool
from ingestion.postgres_types import PgColumn

MAX_CHANGES = 2_000_000
"""After so many messages a load ends at the next commit; the rest is the next round's."""
FETCH_ROWS = 2_000
FETCH_BYTES = 16 * 1024 * 1024

_INSERT, _UPDATE, _DELETE, _NEW = b"IUDN"
_ROW_AT = 6

_PEEK = """
    select data from pg_logical_slot_peek_binary_changes(
        %s, '0/0'::pg_lsn + %s::numeric, %s, 'proto_version', '1', 'publication_names', %s)
"""


@dataclass
class Progress:
    """How far the log was read: all transactions that commit before ``lsn``."""

    lsn: int
    is_drained: bool
    committed_at: datetime | None = None


@dataclass
class _Follower:
    """One table: where its changes go, and the position that raw already has."""

    spool: TableSpool
    from_lsn: int


class ChangeReader:
    """Follows the log for the tables of one source."""

    def __init__(self, live: Live, folder: Path) -> None:
        self._live = live
        self._folder = folder
        self._wanted: dict[tuple[str, str], _Follower] = {}
        self._relations: dict[int, tuple[_Follower | None, Relation]] = {}
        self._unshaped: set[int] = set()
        self._sequence = 0
        self._messages = 0
        self._transaction = Begin(0, datetime.min.replace(tzinfo=UTC), 0)
        self._last: Commit | None = None

    def follow(self, table: Captured, from_lsn: int) -> TableSpool:
        """Spool the table's changes in transactions that commit at ``from_lsn`` or later."""
        spool = TableSpool(self._folder / table.name, table.key, self._at_source)
        self._wanted[(table.schema, table.table)] = _Follower(spool, from_lsn)
        return spool

    def read(self, slot: str, publication: str, upto: int, most: int = MAX_CHANGES) -> Progress:
        """Spool every whole transaction that commits before ``upto``, or the first ``most``."""
        await_free(self._live, slot)
        try:
            with self._live.transaction():
                for data in self._peek(slot, publication, upto, most):
                    self._messages += 1
                    self._apply(data)
        except psycopg.errors.ObjectInUse:
            raise busy(slot) from None
        for follower in self._wanted.values():
            follower.spool.flush()
        if self._messages < most or self._last is None:
            return Progress(upto, is_drained=True)
        return Progress(self._last.end_lsn, False, self._last.committed_at)

    def _peek(self, slot: str, publication: str, upto: int, most: int) -> Iterator[bytes]:
        parameters: list[object] = [slot, upto, most, _identifier(self._live, publication)]
        with self._live.cursor(name="grounded_changes") as cursor:
            cursor.execute(_PEEK, parameters, binary=True)
            # Values may be 10 MB each, so the size of a fetch follows that of the last one.
            count = 100
            while rows := cursor.fetchmany(count):
                size = 0
                for (data,) in rows:
                    assert isinstance(data, bytes)
                    size += len(data)
                    yield data
                each = size // len(rows) + 1
                count = max(1, min(FETCH_ROWS, FETCH_BYTES // each, count * 4))

    def _apply(self, data: bytes) -> None:
        """Spool a change; a plain insert or update goes as it is, its row begins at byte 6."""
        kind = data[0]
        if kind == _INSERT or (kind == _UPDATE and data[_ROW_AT - 1] == _NEW):
            follower = self._follower(int.from_bytes(data[1:5], "big"))
            if follower is not None:
                follower.spool.put(self._next(), data, _ROW_AT)
        elif kind == _DELETE:
            follower = self._follower(int.from_bytes(data[1:5], "big"))
            if follower is not None:
                at = self._transaction.committed_at
                follower.spool.remove(self._next(), data, _ROW_AT, at)
        else:
            self._apply_rare(data)

    def _apply_rare(self, data: bytes) -> None:
        message = decode(data)
        if isinstance(message, Update):
            follower = self._follower(message.relation)
            if follower is not None:
                self._update(follower.spool, message, data)
        elif isinstance(message, Begin):
            self._transaction = message
        elif isinstance(message, Commit):
            self._last = message
        elif isinstance(message, Relation):
            self._relation(message)
        elif isinstance(message, Truncate):
            for relation in message.relations:
                follower = self._follower(relation)
                if follower is not None:
                    follower.spool.truncate(self._next(), self._transaction.committed_at)

    def _update(self, spool: TableSpool, message: Update, data: bytes) -> None:
        """An update that tells its old row: the key changed, or the identity is full."""
        new, old = message.new, message.old
        assert old is not None
        if UNCHANGED in new:
            new = _completed(new, old)
        row = encode_row(new)
        if spool.key_of(old) == spool.key_of(new):
            spool.put(self._next(), row, 0)
            return
        # In this order: what the new row left alone is looked for before its number, and must not
        # find the tombstone there.
        spool.put(self._next(), row, 0, old)
        spool.remove(self._next(), data, _ROW_AT, self._transaction.committed_at)

    def _follower(self, relation: int) -> _Follower | None:
        follower, shape = self._relations[relation]
        if follower is None or self._transaction.commit_lsn < follower.from_lsn:
            return None
        if relation in self._unshaped:
            self._unshaped.remove(relation)
            follower.spool.reshape([self._column(column) for column in shape.columns])
        return follower

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def _relation(self, shape: Relation) -> None:
        """Note a table's shape for its next change that raw does not have yet."""
        self._relations[shape.oid] = self._wanted.get((shape.schema, shape.name)), shape
        self._unshaped.add(shape.oid)

    def _column(self, column: RelationColumn) -> PgColumn:
        row = self._live.execute(
            "select format_type(%s::oid, %s::int), "
            "exists (select from pg_type where oid = %s::oid and typtype = 'd')",
            [column.type_oid, column.modifier, column.type_oid],
        ).fetchone()
        printed, is_domain = row if row else ("text", False)
        return PgColumn(
            column.name, column.type_oid, column.modifier, str(printed), bool(is_domain)
        )

    def _at_source(self, column: PgColumn, values: pa.Array) -> pa.Array:
        """Cast on the server, because only it knows how its users' types are cast."""
        distinct = values.unique().drop_null()
        if not len(distinct):
            return values
        found = self._cast(column, column.type_name, distinct.to_pylist())
        if found is None:
            # A type that has changed since no longer reads the text of then.
            found = self._cast(column, "text[]", distinct.to_pylist())
        if found is None:
            return values
        plain: Mapping[object, object] = dict(zip(distinct.to_pylist(), found, strict=True))
        return pa.array([plain.get(value) for value in values.to_pylist()], pa.string())

    def _cast(self, column: PgColumn, kind: str, texts: list[str]) -> list[object] | None:
        expression = f"to_json(value::{kind})::text" if column.is_array else f"value::{kind}::text"
        query = (
            f"select {expression} from unnest(%s::text[]) with ordinality as given(value, place) "
            "order by place"
        )
        try:
            with self._live.transaction():
                return [row[0] for row in self._live.execute(query.encode(), [texts]).fetchall()]
        except (psycopg.DataError, psycopg.ProgrammingError):
            return None


def _completed(new: Row, old: Row) -> Row:
    """With replica identity full the old row holds what the update left alone."""
    return [
        before if value is UNCHANGED and before is not None else value
        for value, before in zip(new, old, strict=True)
    ]


def _identifier(live: Live, name: str) -> str:
    return sql.Identifier(name).as_string(live)
