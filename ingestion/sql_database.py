"""Sources of kind ``sql_database``, on dlt's ``sql_table``.

sql_table -> quarantine -> cursor -> stamp -> raw table
"""

import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import dlt
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
import sqlalchemy.exc as sa_exc
from dlt.extract import DltResource
from dlt.sources.sql_database import sql_table

from ingestion.batch import Batch
from ingestion.connection import Connection
from ingestion.cursor import advance, lower_bound
from ingestion.databases import as_declared, loadable, naive_instants, open_engine, readable
from ingestion.postgres_arrow import AdbcTableLoader, read_columns, without_unfit
from ingestion.postgres_types import PgColumn, hints
from ingestion.quarantine import setting_aside
from ingestion.row_model import RowModel
from ingestion.selection import chosen_rows
from ingestion.spec import SqlDatabaseSource, SqlTableSpec

CHUNK_ROWS = 50_000


def sql_resources(
    spec: SqlDatabaseSource, connection: Connection, batch: Batch
) -> list[DltResource]:
    """Return one dlt resource a table; connects to reflect the tables."""
    engine = open_engine(connection.url.get_secret_value())
    is_postgres = engine.dialect.name == "postgresql"
    with engine.connect() as live:
        present = _present(live)
        columns = {
            name: read_columns(live, spec.db_schema, table.source_table or name)
            for name, table in spec.tables.items()
            if is_postgres
        }
    return [
        _table(name, table, spec, engine, batch, present, columns.get(name))
        for name, table in spec.tables.items()
    ]


def _table(
    name: str,
    table: SqlTableSpec,
    spec: SqlDatabaseSource,
    engine: sa.Engine,
    batch: Batch,
    present: datetime,
    columns: list[PgColumn] | None,
) -> DltResource:
    metadata = sa.MetaData(schema=spec.db_schema)
    if columns and name not in batch.selection:
        # dlt would ask for types, keys and indexes too, in a tenth of a second.
        sa.Table(table.source_table or name, metadata, *(sa.Column(c.name) for c in columns))
    resource = _reflected(
        credentials=engine,
        table=table.source_table or name,
        metadata=metadata,
        chunk_size=CHUNK_ROWS,
        backend="pyarrow",
        reflection_level="full" if columns is None else "minimal",
        table_adapter_callback=as_declared,
        type_adapter_callback=loadable if columns is None else None,
        query_adapter_callback=_wanted(name, table, batch, is_postgres=columns is not None),
        table_loader_class=None if columns is None else AdbcTableLoader,
        backend_kwargs=None if columns is None else {"columns": columns},
        write_disposition="merge",
        primary_key=table.primary_key,
    )
    reflected = next(iter(metadata.tables.values()))
    known = naive_instants(reflected) if columns is None else hints(columns)
    resource.apply_hints(table_name=name, columns=known)
    resource.add_map(_checked(name, table, batch))
    # Chosen rows say nothing of the others that changed before them.
    if table.cursor is not None and name not in batch.selection:
        resource.add_map(_remembered(name, table.cursor.column, present))
    resource.add_map(batch.stamp)
    return resource.with_name(name)


def _reflected(**options: Any) -> DltResource:
    """dlt's resource; a type that SQLAlchemy does not know is read as text, with no warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Did not recognize type", sa_exc.SAWarning)
        return sql_table(**options)


def _wanted(
    name: str, table: SqlTableSpec, batch: Batch, *, is_postgres: bool
) -> Callable[..., Any]:
    """Return the adapter of a table's query: chosen rows, every row, or those after the cursor."""
    chosen, cursor = batch.selection.get(name), table.cursor

    def adapt(query: sa.Select[Any], source: sa.Table) -> sa.Select[Any]:
        query = query if is_postgres else readable(query, source)
        if chosen is not None and chosen.keys is not None:
            return query.where(chosen_rows(source, table.primary_key, chosen.keys))
        if cursor is None or batch.reads_all(name) or batch.begin(name):
            batch.whole.add(name)
            return query
        start = lower_bound(dlt.current.resource_state(name), cursor.overlap)
        if start is None:
            return query
        column = source.c[cursor.column]
        # A row without a cursor value can change unseen, so it is read every time.
        return query.where(sa.or_(column >= start, column.is_(None)))

    return adapt


def _checked(name: str, table: SqlTableSpec, batch: Batch) -> Callable[[pa.Table], pa.Table]:
    model = RowModel(table.row, table.primary_key)
    key = table.primary_key

    def check(rows: pa.Table) -> pa.Table:
        batch.read[name] += rows.num_rows
        if name in batch.whole or name in batch.selection:
            batch.see(name, rows.select(key))
        set_aside = setting_aside(batch, name)
        return model.filter_arrow(without_unfit(rows, key, set_aside), set_aside)

    return check


def _remembered(name: str, column: str, present: datetime) -> Callable[[pa.Table], pa.Table]:
    def remember(rows: pa.Table) -> pa.Table:
        highest = pc.max(rows[column]).as_py()
        advance(dlt.current.resource_state(name), highest, present)
        return rows

    return remember


def _present(live: sa.Connection) -> datetime:
    """The source's own clock, in UTC."""
    now: datetime | str = live.execute(sa.select(sa.func.current_timestamp())).scalar_one()
    now = datetime.fromisoformat(now) if isinstance(now, str) else now
    return now.astimezone(UTC) if now.tzinfo else now.replace(tzinfo=UTC)
