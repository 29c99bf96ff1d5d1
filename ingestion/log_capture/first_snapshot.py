"""Reads a whole table as of an exported snapshot, by the same way as a cursor's load.

exported snapshot -> repeatable read -> binary COPY -> Arrow
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from ingestion.log_capture.publication import Captured
from ingestion.postgres_arrow import AdbcTableLoader


def snapshot_rows(engine: sa.Engine, table: Captured, snapshot: str) -> Iterator[pa.Table]:
    """Yield the rows that the publication tells of, with its columns alone."""
    reflected = sa.Table(
        table.table,
        sa.MetaData(schema=table.schema),
        *(sa.Column(column.name) for column in table.columns),
    )

    def published(query: sa.Select[Any], _: sa.Table) -> sa.Select[Any]:
        return query if table.row_filter is None else query.where(sa.text(table.row_filter))

    loader = AdbcTableLoader(engine, "pyarrow", reflected, {}, query_adapter_callback=published)
    is_empty = True
    for rows in loader.load_rows({"columns": table.columns, "snapshot": snapshot}):
        is_empty = False
        yield rows
    if is_empty:
        # So that raw has the table, and what reads raw does not fail.
        yield pa.schema([(column.name, column.arrow) for column in table.columns]).empty_table()
