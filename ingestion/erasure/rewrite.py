"""Rewrites the warehouse into a new file, because deleted rows stay in the bytes of the old one.

warehouse.duckdb -> warehouse.duckdb.rewriting -> compared -> renamed over the old one
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ingestion.errors import RewriteFailed

_SUFFIX = ".rewriting"


@dataclass(frozen=True)
class Rewritten:
    """The warehouse's size in bytes before and after, and the seconds that it took."""

    bytes_before: int
    bytes_after: int
    seconds: float


def rewrite(warehouse: Path) -> Rewritten:
    """Copy what is live into a new file and put it in the old one's place, in one step.

    The caller holds the writer lock and has no connection open. Killed anywhere, the old file is
    whole or the new one is. RewriteFailed leaves the old one.
    """
    began = time.monotonic()
    before = warehouse.stat().st_size
    fresh = warehouse.with_name(warehouse.name + _SUFFIX)
    _discard(fresh)
    try:
        with duckdb.connect() as connection:
            # Rows written in the old file's log alone are copied too; it is empty after this.
            connection.execute(f"attach {_text(warehouse)} as old")
            connection.execute("checkpoint old")
            connection.execute(
                f"attach {_text(fresh)} as fresh (storage_version '{_form(connection)}')"
            )
            connection.execute("copy from database old to fresh")
            _compare(connection)
            connection.execute("checkpoint fresh")
            connection.execute("detach fresh")
            connection.execute("detach old")
    except duckdb.Error as error:
        _discard(fresh)
        # Not chained: what DuckDB says may hold the value of a cell.
        raise RewriteFailed(
            f"{warehouse.name} could not be rewritten ({type(error).__name__}); it is as it was, "
            "and deleted rows are still in its bytes"
        ) from None
    _sync(fresh)
    fresh.replace(warehouse)
    _sync(warehouse.parent)
    warehouse.with_name(warehouse.name + ".wal").unlink(missing_ok=True)
    return Rewritten(before, warehouse.stat().st_size, time.monotonic() - began)


def _form(connection: duckdb.DuckDBPyConnection) -> str:
    """The form of the old file: what an older one holds may not fit into a newer."""
    found = connection.execute(
        "select tags['storage_version'] from duckdb_databases() where database_name = 'old'"
    ).fetchone()
    assert found is not None
    # An older form is told as `v1.0.0+`.
    return str(found[0]).rstrip("+")


def _compare(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise RewriteFailed unless both have the same tables with the same numbers of rows."""
    counts = {name: _counts(connection, name) for name in ("old", "fresh")}
    if counts["old"] != counts["fresh"]:
        raise RewriteFailed("the copy of the warehouse differs from it; it is as it was")


def _counts(connection: duckdb.DuckDBPyConnection, database: str) -> dict[tuple[str, str], int]:
    tables = connection.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = ?", [database]
    ).fetchall()
    counts = {}
    for schema, table in tables:
        names = [database, schema, table]
        quoted = ".".join('"' + name.replace('"', '""') + '"' for name in names)
        row = connection.execute(f"select count(*) from {quoted}").fetchone()
        counts[schema, table] = int(row[0]) if row else 0
    return counts


def _discard(fresh: Path) -> None:
    for path in (fresh, fresh.with_name(fresh.name + ".wal")):
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
