"""Compares the pseudonyms of snapshots: after a rotation none of the old key's may be left.

views, lookups and index of the old -> 128-bit tails -> in a cell of the new one, or in none
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import duckdb
import lancedb
import pyarrow as pa

from serving.catalog import Catalog
from serving.identifiers import literal, quoted
from serving.snapshot_store import open_snapshot

# The keyed hash in a pseudonym, whatever its prefix; content hashes are longer or stand alone.
_TAIL = "_([0-9a-f]{32})(?:[^0-9a-f]|$)"
_BATCH_ROWS = 10_000
PSEUDONYM = "pseudonym"


@dataclass(frozen=True)
class Comparison:
    """How many pseudonyms the old snapshots and the new one have, and where they share some.

    ``shared`` maps files of the new one to the number of old pseudonyms in each.
    """

    old: int
    new: int
    shared: dict[str, int]


def compare_pseudonyms(home: Path, new: str, old: Iterable[str]) -> Comparison:
    """Look for every pseudonym of old snapshots in every cell of the new one's stores.

    NoSnapshot where one of them is gone.
    """
    with duckdb.connect() as connection:
        for table in ("old_tails", "new_tails"):
            connection.execute(f"create table {table} (file varchar, tail varchar)")
        for snapshot_id in old:
            _take_views(connection, "old_tails", *open_snapshot(home, snapshot_id), masked=True)
        folder, catalog = open_snapshot(home, new)
        _take_views(connection, "new_tails", folder, catalog, masked=False)
        _take_lookups(connection, folder, catalog)
        _take_index(connection, folder, catalog)
        shared = connection.execute(
            "select file, count(distinct tail) from new_tails semi join old_tails using (tail)"
            " group by file order by file"
        ).fetchall()
        return Comparison(
            old=_count(connection, "old_tails"),
            new=_count(connection, "new_tails"),
            shared={str(file): int(count) for file, count in shared},
        )


def _take_views(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    folder: Path,
    catalog: Catalog,
    *,
    masked: bool,
) -> None:
    """Take from every column, or only from those that are declared as pseudonyms."""
    for view, store in catalog.all_stores().values():
        columns = [
            quoted(column.name)
            for column in catalog.views[view].columns
            if not masked or column.mask == PSEUDONYM
        ]
        for file in (store.duckdb, *([store.layer.duckdb] if store.layer else [])):
            connection.execute(f"attach {literal(str(folder / file))} as store (read_only)")
            _take(connection, table, file, f"store.main.{quoted(view)}", columns)
            connection.execute("detach store")


def _take_index(connection: duckdb.DuckDBPyConnection, folder: Path, catalog: Catalog) -> None:
    if catalog.index is None:
        return
    database = lancedb.connect(folder / catalog.index.folder)
    for name in catalog.index.chunks:
        rows = database.open_table(name).to_arrow().drop_columns(["vector"])
        columns = [quoted(column) for column in rows.column_names]
        connection.register("batch", rows)
        _take(connection, "new_tails", f"{catalog.index.folder}/{name}.lance", "batch", columns)
        connection.unregister("batch")


def _take_lookups(connection: duckdb.DuckDBPyConnection, folder: Path, catalog: Catalog) -> None:
    for _, store in catalog.all_stores().values():
        files = [store.lookup, store.layer.lookup if store.layer else None]
        for file in files:
            if file is not None and (folder / file).is_file():
                _take_lookup(connection, "new_tails", folder, file)


def _take_lookup(
    connection: duckdb.DuckDBPyConnection, table: str, folder: Path, file: str
) -> None:
    path = quote(str((folder / file).resolve()))
    lookup = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    try:
        tables = lookup.execute("select name from sqlite_master where type = 'table'").fetchall()
        for (name,) in tables:
            cursor = lookup.execute(f"select * from {quoted(name)}")
            while rows := cursor.fetchmany(_BATCH_ROWS):
                lines = [" ".join(str(value) for value in row) for row in rows]
                connection.register("batch", pa.table({"line": pa.array(lines, pa.string())}))
                _take(connection, table, file, "batch", ["line"])
                connection.unregister("batch")
    finally:
        lookup.close()


def _take(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    file: str,
    relation: str,
    columns: list[str],
) -> None:
    for column in columns:
        connection.execute(
            f"insert into {table} select distinct ?, unnest(regexp_extract_all("
            f"cast({column} as varchar), {literal(_TAIL)}, 1)) from {relation}",
            [file],
        )


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    found = connection.execute(f"select count(distinct tail) from {table}").fetchone()
    assert found is not None
    return int(found[0])
