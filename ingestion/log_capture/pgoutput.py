"""Decodes pgoutput, the messages of PostgreSQL's logical decoding, protocol version 1; pure.

bytes of one message -> decode -> Begin | Relation | Insert | Update | Delete | Truncate | ...
"""

from datetime import UTC, datetime, timedelta
from enum import Enum
from struct import Struct
from typing import NamedTuple

_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_BEGIN = Struct(">QqI")
_COMMIT = Struct(">BQQq")
_COLUMN = Struct(">Ii")
_U32 = Struct(">I")
_U16 = Struct(">H")
_U64 = Struct(">Q")
_NULL, _UNCHANGED, _TEXT, _BINARY = b"nutb"


class Unchanged(Enum):
    """The type of UNCHANGED."""

    UNCHANGED = "unchanged"


UNCHANGED = Unchanged.UNCHANGED
"""A TOASTed value that an update left as it was, so that the log does not hold it."""

Value = bytes | None | Unchanged
Row = list[Value]


class Begin(NamedTuple):
    """A transaction begins; ``commit_lsn`` is where its commit record starts."""

    commit_lsn: int
    committed_at: datetime
    xid: int


class Commit(NamedTuple):
    """A transaction is complete; ``end_lsn`` is where its commit record ends."""

    commit_lsn: int
    end_lsn: int
    committed_at: datetime


class Origin(NamedTuple):
    """The transaction came from another server."""

    commit_lsn: int
    name: str


class RelationColumn(NamedTuple):
    """A column as the log names it."""

    name: str
    type_oid: int
    modifier: int
    is_key: bool


class Relation(NamedTuple):
    """The shape of the rows of a table from here on."""

    oid: int
    schema: str
    name: str
    identity: str
    columns: tuple[RelationColumn, ...]


class Type(NamedTuple):
    """A type that is not built in."""

    oid: int
    schema: str
    name: str


class Insert(NamedTuple):
    """A new row."""

    relation: int
    new: Row


class Update(NamedTuple):
    """A changed row; ``old`` is its key where that changed, or the whole row (identity full)."""

    relation: int
    old: Row | None
    new: Row


class Delete(NamedTuple):
    """A row is gone; ``old`` holds its key, or the whole row (identity full)."""

    relation: int
    old: Row


class Truncate(NamedTuple):
    """All rows of these tables are gone."""

    relations: tuple[int, ...]
    options: int


class LogicalMessage(NamedTuple):
    """What an application wrote into the log itself."""

    is_transactional: bool
    lsn: int
    prefix: str
    content: bytes


Message = (
    Begin | Commit | Origin | Relation | Type | Insert | Update | Delete | Truncate | LogicalMessage
)


class NotPgoutput(ValueError):
    """The bytes are no message of protocol version 1; ``kind`` is their first letter."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"not a pgoutput message of protocol 1: {kind!r}")


def decode(data: bytes) -> Message:
    """Return the message; NotPgoutput for anything else than protocol version 1."""
    kind = data[:1]
    if kind == b"I":
        return Insert(_U32.unpack_from(data, 1)[0], _row(data, 6)[0])
    if kind == b"U":
        return _update(data)
    if kind == b"D":
        return Delete(_U32.unpack_from(data, 1)[0], _row(data, 6)[0])
    return _rare(kind, data)


def _rare(kind: bytes, data: bytes) -> Message:
    if kind == b"B":
        lsn, microseconds, xid = _BEGIN.unpack_from(data, 1)
        return Begin(lsn, _instant(microseconds), xid)
    if kind == b"C":
        _, lsn, end_lsn, microseconds = _COMMIT.unpack_from(data, 1)
        return Commit(lsn, end_lsn, _instant(microseconds))
    if kind == b"R":
        return _relation(data)
    if kind == b"T":
        count = _U32.unpack_from(data, 1)[0]
        oids = tuple(_U32.unpack_from(data, 6 + 4 * index)[0] for index in range(count))
        return Truncate(oids, data[5])
    if kind == b"Y":
        schema, offset = _string(data, 5)
        return Type(_U32.unpack_from(data, 1)[0], schema, _string(data, offset)[0])
    if kind == b"O":
        return Origin(_U64.unpack_from(data, 1)[0], _string(data, 9)[0])
    if kind == b"M":
        prefix, offset = _string(data, 10)
        length = _U32.unpack_from(data, offset)[0]
        content = data[offset + 4 : offset + 4 + length]
        return LogicalMessage(bool(data[1] & 1), _U64.unpack_from(data, 2)[0], prefix, content)
    raise NotPgoutput(kind.decode("latin-1"))


def _update(data: bytes) -> Update:
    old = None
    offset = 5
    if data[offset : offset + 1] in (b"K", b"O"):
        old, offset = _row(data, offset + 1)
    return Update(_U32.unpack_from(data, 1)[0], old, _row(data, offset + 1)[0])


def _row(data: bytes, offset: int) -> tuple[Row, int]:
    """Read a row; the hot loop of a load: 1 us a column."""
    length_at = _U32.unpack_from
    count = _U16.unpack_from(data, offset)[0]
    offset += 2
    values: Row = []
    append = values.append
    for _ in range(count):
        kind = data[offset]
        if kind == _TEXT or kind == _BINARY:
            start = offset + 5
            offset = start + length_at(data, offset + 1)[0]
            append(data[start:offset])
        else:
            offset += 1
            append(None if kind == _NULL else UNCHANGED)
    return values, offset


def _relation(data: bytes) -> Relation:
    schema, offset = _string(data, 5)
    name, offset = _string(data, offset)
    identity = chr(data[offset])
    count = _U16.unpack_from(data, offset + 1)[0]
    offset += 3
    columns = []
    for _ in range(count):
        is_key = bool(data[offset] & 1)
        column, offset = _string(data, offset + 1)
        type_oid, modifier = _COLUMN.unpack_from(data, offset)
        offset += _COLUMN.size
        columns.append(RelationColumn(column, type_oid, modifier, is_key))
    return Relation(_U32.unpack_from(data, 1)[0], schema, name, identity, tuple(columns))


def _string(data: bytes, offset: int) -> tuple[str, int]:
    end = data.index(0, offset)
    return data[offset:end].decode("utf-8"), end + 1


def _instant(microseconds: int) -> datetime:
    return _POSTGRES_EPOCH + timedelta(microseconds=microseconds)
