"""One table of a database beside its raw table: what of it can be compared, and what differs."""

from datetime import datetime
from pathlib import Path

import duckdb
import sqlalchemy as sa

from ingestion.batch import DELETED_AT, Key
from ingestion.erasure.withhold import withholding
from ingestion.errors import UnloadableTable
from ingestion.names import raw_name
from ingestion.quarantine import list_quarantine
from ingestion.row_hash import HashedColumn, kind_of, range_digits
from ingestion.row_listing import Compared, Row, key_as_read, text_of
from ingestion.spec import ReconcileSpec, SqlDatabaseSource
from ingestion.values import key_parts
from ingestion.vanished import quoted
from ingestion.warehouse import reading, writing


class Comparison:
    """One table on its way through a comparison."""

    def __init__(
        self,
        source: str,
        spec: SqlDatabaseSource,
        home: Path,
        name: str,
        engine: sa.Engine,
        since: datetime,
    ) -> None:
        self.source, self.spec, self.home, self.name = source, spec, home, name
        self.engine, self.since = engine, since
        self.declared = spec.tables[name]
        self.limits = self.declared.reconcile or ReconcileSpec()
        self.reflected = sa.Table(
            self.declared.source_table or name,
            sa.MetaData(schema=spec.db_schema),
            autoload_with=engine,
            resolve_fks=False,
        )
        self.raw_types, self.raw_rows = self._raw_shape()
        self.compared = self._compared()

    def _raw_shape(self) -> tuple[dict[str, str], int]:
        table = f"{quoted(self.source)}.{quoted(self.name)}"
        with writing(self.home) as path, reading(path) as live:
            try:
                described = live.execute(f"describe {table}").fetchall()
            except duckdb.CatalogException:
                # A table that has never had a row is not in raw.
                return {}, 0
            counted = live.execute(f"select count(*) from {table} where {DELETED_AT} is null")
            return {row[0]: row[1] for row in described}, (counted.fetchone() or (0,))[0]

    def _compared(self) -> Compared:
        columns = {}
        for column in self.reflected.columns:
            kind = kind_of(column.type, self.raw_types.get(raw_name(column.name), ""))
            if kind is not None:
                columns[column.name] = HashedColumn(column.name, kind)
        lacking = [name for name in self.declared.primary_key if name not in columns]
        if lacking and self.raw_types:
            raise UnloadableTable(
                f"{self.source}.{self.name} cannot be compared by its key column {lacking[0]}, "
                f"whose text differs between databases"
            )
        key = tuple(columns[name] for name in self.declared.primary_key if name in columns)
        cursor = self.declared.cursor
        return Compared(
            key=key,
            columns=tuple(columns.values()),
            cursor=columns.get(cursor.column) if cursor else None,
            digits=range_digits(self.raw_rows),
        )


def differences(
    comparison: Comparison, at_source: dict[Key, Row], in_raw: dict[Key, Row], until: datetime
) -> tuple[list[Key], list[Key], list[Key]]:
    """Return the keys missing, extra and different; rows that changed meanwhile are none.

    ``until`` is the source's clock after both sides were read.
    """
    aside = {
        key_parts(row.row_key, len(comparison.compared.key))
        for row in list_quarantine(comparison.home, {comparison.source: comparison.spec})[
            comparison.source
        ]
        if row.table_name == comparison.name and not row.is_keyless
    }
    readers = [key_as_read(column) for column in comparison.compared.key]

    erased = withholding(comparison.home, comparison.source)

    def is_erased(key: Key) -> bool:
        texts = [read(part) for read, part in zip(readers, key, strict=True)]
        return erased is not None and erased.has_key(comparison.name, texts)

    def settled(row: Row) -> bool:
        return not _changed_meanwhile(comparison, row, until)

    def waits(key: Key) -> bool:
        return tuple(read(part) for read, part in zip(readers, key, strict=True)) in aside

    missing = [
        key
        for key, row in at_source.items()
        if key not in in_raw and settled(row) and not waits(key) and not is_erased(key)
    ]
    extra = [key for key, row in in_raw.items() if key not in at_source and settled(row)]
    different = [
        key
        for key, row in at_source.items()
        if key in in_raw
        and in_raw[key].hash != row.hash
        and settled(row)
        and not waits(key)
        and not is_erased(key)
    ]
    return missing, extra, different


def _changed_meanwhile(comparison: Comparison, row: Row, until: datetime) -> bool:
    """Whether a row changed between the load that the comparison follows and its reading.

    A cursor beyond ``until`` is of a writer whose clock is ahead, and tells nothing about that.
    """
    cursor = comparison.compared.cursor
    if cursor is None or row.cursor is None or cursor.kind not in ("instant", "date"):
        return False
    window = (comparison.since, until)
    bounds = window if cursor.kind == "instant" else tuple(instant.date() for instant in window)
    after, last = (int(text_of(bound) or 0) for bound in bounds)
    return after < int(row.cursor) <= last
