"""Removes what was made from a person's rows: models, dlt's staging, pseudonyms, runs' history."""

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import duckdb

from ingestion.vanished import quoted
from orchestration.erasure.residue import Needles
from orchestration.run import open_instance
from serving.catalog import CatalogView, Store
from serving.snapshot_store import open_snapshot
from serving.store_rows import store_rows

_PSEUDONYM = "pseudonym"


def drop_derived(connection: duckdb.DuckDBPyConnection, manifest: Path) -> None:
    """Drop every relation in the schemas of dbt's models, those that no model makes any more too.

    dbt makes them again from raw.
    """
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"].values()
    schemas = sorted({node["schema"] for node in nodes if node["resource_type"] != "test"})
    for schema, name, kind in connection.execute(
        "select table_schema, table_name, table_type from information_schema.tables "
        "where table_catalog = current_database() and table_schema in (select unnest(?)) "
        "order by table_type desc",
        [schemas],
    ).fetchall():
        what = "view" if kind == "VIEW" else "table"
        connection.execute(f"drop {what} if exists {quoted(schema)}.{quoted(name)} cascade")


def empty_staging(connection: duckdb.DuckDBPyConnection, sources: Iterable[str]) -> None:
    """Empty the tables in which dlt keeps the rows of its last merge."""
    found = connection.execute(
        "select schema_name, table_name from duckdb_tables() "
        "where database_name = current_database() and schema_name in (select unnest(?)) "
        "and not starts_with(table_name, '_dlt_')",
        [[f"{source}_staging" for source in sources]],
    ).fetchall()
    for schema, table in found:
        connection.execute(f"delete from {quoted(schema)}.{quoted(table)}")


def vanished_pseudonyms(home: Path, earlier: str, later: str) -> list[str]:
    """Return the pseudonyms that one snapshot has and a later one has not."""
    old_folder, old = open_snapshot(home, earlier)
    new_folder, new = open_snapshot(home, later)
    found: set[str] = set()
    for name, view in old.views.items():
        keys = [c.name for c in view.columns if (c.mask or "").startswith(_PSEUDONYM)]
        if not keys or name not in new.stores:
            continue
        known = {column.name for column in new.views[name].columns}
        for key in sorted(set(keys) & known):
            before = _column(old_folder, view, old.stores[name], key)
            found |= before - _column(new_folder, new.views[name], new.stores[name], key)
    return sorted(found)


def _column(folder: Path, view: CatalogView, store: Store, column: str) -> set[str]:
    with store_rows(folder, view, store) as connection:
        rows = connection.execute(
            f"select distinct {quoted(column)}::varchar from {quoted(view.name)}"
        ).fetchall()
    return {row[0] for row in rows if row[0] is not None}


def runs_telling(home: Path, needles: Needles) -> set[str]:
    """Return the orchestrator's runs whose events tell of the person: they hold previews."""
    return {run for path in _stores(home) for run in _runs_telling(path, needles)}


def erase_runs(home: Path, runs: set[str]) -> None:
    """Delete runs with their events, and rewrite SQLite's files: deleted rows stay in the bytes."""
    if not runs:
        return
    with open_instance(home) as instance:
        for run_id in sorted(runs):
            if instance.has_run(run_id):
                instance.delete_run(run_id)
            instance.event_log_storage.delete_events(run_id)
    for path in _stores(home):
        _rewrite(path)


def _stores(home: Path) -> list[Path]:
    return sorted(path for path in (home / "dagster").rglob("*.db") if path.is_file())


def _runs_telling(path: Path, needles: Needles) -> set[str]:
    connection = sqlite3.connect(path)
    found: set[str] = set()
    try:
        tables = connection.execute("select name from sqlite_master where type = 'table'")
        for (table,) in tables.fetchall():
            cursor = connection.execute(f"select * from {quoted(table)}")
            columns = [column[0] for column in cursor.description]
            if "run_id" not in columns:
                continue
            place = columns.index("run_id")
            for row in cursor:
                if row[place] and any(
                    needles.in_text(cell) for cell in row if isinstance(cell, str)
                ):
                    found.add(row[place])
    finally:
        connection.close()
    return found


def _rewrite(path: Path) -> None:
    connection = sqlite3.connect(path, timeout=60)
    try:
        connection.execute("vacuum")
        connection.execute("pragma wal_checkpoint(truncate)")
    finally:
        connection.close()
