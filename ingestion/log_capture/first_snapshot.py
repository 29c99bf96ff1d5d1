"""Reads a table, or chosen rows of it, as of an exported snapshot, as a cursor's load does.

exported snapshot -> repeatable read -> binary COPY -> Arrow
"""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
import sqlalchemy.exc as sa_exc

from ingestion.batch import Key
from ingestion.log_capture.publication import Captured
from ingestion.postgres_arrow import AdbcTableLoader
from ingestion.selection import chosen_rows


def snapshot_rows(
    engine: sa.Engine, table: Captured, snapshot: str, keys: Sequence[Key] | None = None
) -> Iterator[pa.Table]:
    """Yield the rows that the publication tells of, with its columns alone; None is every key."""
    reflected = _named(table) if keys is None else _typed(engine, table)

    def published(query: sa.Select[Any], _: sa.Table) -> sa.Select[Any]:
        if keys is not None:
            query = query.where(chosen_rows(reflected, table.key, keys))
        return query if table.row_filter is None else query.where(sa.text(table.row_filter))

    loader = AdbcTableLoader(engine, "pyarrow", reflected, {}, query_adapter_callback=published)
    is_empty = True
    for rows in loader.load_rows({"columns": table.columns, "snapshot": snapshot}):
        is_empty = False
        yield rows
    if is_empty:
        # So that raw has the table, and what reads raw does not fail.
        yield pa.schema([(column.name, column.arrow) for column in table.columns]).empty_table()


def _named(table: Captured) -> sa.Table:
    columns: list[sa.Column[Any]] = [sa.Column(column.name) for column in table.columns]
    return sa.Table(table.table, sa.MetaData(schema=table.schema), *columns)


def _typed(engine: sa.Engine, table: Captured) -> sa.Table:
    """The table with its types, by which texts are turned into keys that an index can find."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Did not recognize type", sa_exc.SAWarning)
        return sa.Table(table.table, sa.MetaData(schema=table.schema), autoload_with=engine)
