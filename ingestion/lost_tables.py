"""Finds raw tables that were dropped while their cursor or position in the log stayed.

dlt's schema + the warehouse -> RawTableLost -> the table is loaded from the start

Without it later loads would make the table anew and bring its changes alone.
"""

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import dlt
import duckdb
from dlt.common.schema.typing import TSchemaTables
from dlt.common.schema.utils import has_table_seen_data

from ingestion.errors import RawTableLost, WarehouseBusy
from ingestion.warehouse import tables_of, writing


def loaded_tables(tables: TSchemaTables) -> set[str]:
    """Those of the tables that dlt knows that earlier loads have made."""
    return {name for name, table in tables.items() if has_table_seen_data(table)}


def refuse_lost(source: str, wanted: Collection[str], existing: set[str]) -> None:
    """Raise RawTableLost where one of these tables is not among those of raw."""
    lost = set(wanted) - existing
    if lost:
        raise RawTableLost(source, sorted(lost))


def look_for_lost(home: Path, source: str, wanted: Collection[str]) -> None:
    """Raise RawTableLost before anything is read, unless somebody writes to the warehouse now."""
    with (
        suppress(WarehouseBusy),
        writing(home, wait_s=0.0) as path,
        duckdb.connect(str(path)) as held,
    ):
        refuse_lost(source, wanted, tables_of(held, source))


def let_make_again(held: duckdb.DuckDBPyConnection, source: str, pipeline: dlt.Pipeline) -> None:
    """Let dlt make tables that it has made before: it makes none for a shape that it has noted."""
    noted = "select 1 from information_schema.tables where table_schema = ? and table_name = ?"
    versions = pipeline.default_schema.version_table_name
    if held.execute(noted, [source, versions]).fetchone():
        held.execute(
            f'delete from "{source}"."{versions}" where version_hash = ?',
            [pipeline.default_schema.version_hash],
        )


def forget_shape(pipeline: dlt.Pipeline, tables: Collection[str]) -> None:
    """Let tables that are gone come back with whatever types their source has now."""
    schema = pipeline.default_schema
    schema.drop_tables([name for name in tables if name in schema.tables])
    pipeline.schemas.save_schema(schema)
