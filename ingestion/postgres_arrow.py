"""Reads a PostgreSQL table as Arrow through ADBC: binary COPY, no Python row in between.

sql_table (dlt) -> compiled select -> ADBC -> Arrow batches
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from dlt.sources.sql_database import BaseTableLoader

from ingestion.postgres_numeric import from_binary
from ingestion.postgres_types import PgColumn, from_text, out_of_range, session_options
from ingestion.regroup import regrouped
from ingestion.row_model import SetAside
from ingestion.values import key_text

BATCH_BYTES = 16 * 1024 * 1024
UNFIT = "_unfit"
"""A column for the reason why a row cannot be loaded; only where there is such a row."""

_COLUMNS = sa.text("""
    select attname, atttypid::bigint as type_oid, atttypmod,
        format_type(atttypid, atttypmod) as type_name
    from pg_attribute
    where attrelid = to_regclass(:name) and attnum > 0 and not attisdropped
    order by attnum
""")


class AdbcTableLoader(BaseTableLoader):
    """dlt's table loader for PostgreSQL; yields one Arrow table a batch.

    ``backend_kwargs`` are the table's ``columns`` and, to read as of an exported snapshot, its
    ``snapshot``.
    """

    def load_rows(self, backend_kwargs: dict[str, Any] | None = None) -> Iterator[pa.Table]:
        """Yield the rows of the compiled query."""
        options = backend_kwargs or {}
        columns: list[PgColumn] = options["columns"]
        select = self.make_query()
        assert isinstance(select, sa.Select)
        readable = select.with_only_columns(*map(_readable, columns), maintain_column_froms=True)
        statement = self.compile_query(readable)
        with adbc.connect(address(self.engine.url)) as connection, connection.cursor() as cursor:
            cursor.adbc_statement.set_options(
                **{"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)}
            )
            if options.get("snapshot"):
                cursor.execute("set transaction isolation level repeatable read, read only")
                cursor.execute(f"set transaction snapshot '{options['snapshot']}'")
            cursor.execute(statement)
            read = cursor.fetch_record_batch()
            rows = (plain(pa.Table.from_batches([batch]), columns) for batch in read)
            yield from _ahead(regrouped(rows))


def _ahead(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Read one table while the one before is written: a quarter less time for an extraction."""
    with ThreadPoolExecutor(1, "grounded-read-ahead") as worker:
        coming = worker.submit(next, tables, None)
        while (rows := coming.result()) is not None:
            coming = worker.submit(next, tables, None)
            yield rows


def read_columns(live: sa.Connection, schema: str | None, table: str) -> list[PgColumn]:
    """Return a table's columns as the catalog has them; none where there is no such table."""
    quote = live.dialect.identifier_preparer.quote_identifier
    name = ".".join(quote(part) for part in (schema, table) if part)
    return [
        PgColumn(row.attname, row.type_oid, row.atttypmod, row.type_name)
        for row in live.execute(_COLUMNS, {"name": name})
    ]


def plain(rows: pa.Table, columns: list[PgColumn]) -> pa.Table:
    """Turn numerics into DECIMAL(p, s), and mark rows that raw cannot hold."""
    unfit: dict[str, pa.ChunkedArray] = {}
    for index, column in enumerate(columns):
        values, mask = rows.column(index), None
        if column.short_decimal is not None:
            values, mask = from_binary(values, column.short_decimal)
        elif isinstance(values.type, pa.BaseExtensionType):
            values, mask = from_text(values.cast(values.type.storage_type), column.arrow)
        else:
            mask = out_of_range(values)
            if mask is not None:
                values = pc.if_else(mask, pa.scalar(None, values.type), values)
        if mask is not None:
            unfit[column.name] = mask
        rows = rows.set_column(index, column.name, values)
    return mark_unfit(rows, unfit).replace_schema_metadata(None)


def mark_unfit(rows: pa.Table, masks: Mapping[str, pa.ChunkedArray]) -> pa.Table:
    """Say in the column UNFIT what was replaced by NULL because raw has no place for it."""
    named: Any = None
    for name, mask in masks.items():
        told = pa.scalar(f"{name}: not in the range of its type")
        here = pc.if_else(pc.fill_null(mask, False), told, pa.scalar(None, pa.string()))
        named = here if named is None else pc.coalesce(named, here)
    return rows if named is None else rows.append_column(UNFIT, named)


def without_unfit(rows: pa.Table, key: list[str], set_aside: SetAside) -> pa.Table:
    """Set aside the marked rows: NaN or infinity in a DECIMAL, a date that is infinite or BC.

    Only their key is read: Python cannot hold such values either.
    """
    if UNFIT not in rows.column_names:
        return rows
    for row in rows.filter(pc.is_valid(rows[UNFIT])).select([*key, UNFIT]).to_pylist():
        reason = row.pop(UNFIT)
        set_aside(key_text([row[part] for part in key]), reason, row)
    return rows.filter(pc.is_null(rows[UNFIT])).drop_columns([UNFIT])


def address(url: sa.URL) -> str:
    """libpq's address, with our settings of a session.

    SQLAlchemy would write a space as +, which libpq does not read as one.
    """
    given = url.query.get("options")
    options = given if isinstance(given, str) else ""
    if session_options() not in options:
        options = f"{options} {session_options()}"
    rest = url.difference_update_query(["options"]).set(drivername="postgresql")
    joint = "&" if rest.query else "?"
    plain_address = rest.render_as_string(hide_password=False)
    return f"{plain_address}{joint}client_encoding=UTF8&options={quote(options, safe='')}"


def _readable(column: PgColumn) -> sa.ColumnElement[Any]:
    if column.short_decimal is not None:
        return sa.func.pg_catalog.numeric_send(sa.column(column.name)).label(column.name)
    if column.is_native:
        return sa.column(column.name)
    quoted: sa.ColumnClause[Any] = sa.column(column.name)
    value = sa.func.to_json(quoted) if column.is_array else quoted
    return sa.cast(value, sa.Text).label(column.name)
