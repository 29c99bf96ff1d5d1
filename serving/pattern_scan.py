"""Searches every cell of a snapshot for personal data by its form.

view files, lookup files, index tables -> cells that could hold some (DuckDB) -> checked (Python)
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import lancedb
import pyarrow as pa

from serving.catalog import Catalog, CatalogView, Store
from serving.identifiers import literal, quoted
from serving.lookup_store import ROW_COLUMN
from serving.patterns import CANDIDATE, PatternClass, find_patterns

_BATCH_ROWS = 20_000
_TEXT_TYPES = ("VARCHAR", "JSON", "BLOB", "ENUM")
WITHHELD = "(withheld)"
_CACHED_TEXTS = 50_000

Finder = Callable[[str], Set[PatternClass]]


@dataclass(frozen=True, order=True)
class Leak:
    """Where a snapshot holds personal data; ``key`` names the row, never the value."""

    file: str
    view: str
    column: str
    pattern: PatternClass
    key: str


@dataclass(frozen=True)
class _Cell:
    """A cell that could hold something."""

    column: str
    key: str
    text: str


def scan_snapshot(folder: Path, catalog: Catalog) -> list[Leak]:
    """Return every place in a snapshot or a candidate where personal data shows, sorted."""
    leaks: set[Leak] = set()
    # The same texts lie in three stores and in every scope. The cache ends with the scan.
    find = lru_cache(maxsize=_CACHED_TEXTS)(find_patterns)
    with duckdb.connect() as connection:
        for view_name, store in catalog.all_stores().values():
            view = catalog.views[view_name]
            leaks.update(_leaks(find, store.duckdb, view, _view_cells(folder, view, store)))
            if store.lookup:
                cells = _lookup_cells(connection, folder / store.lookup, view)
                leaks.update(_leaks(find, store.lookup, view, cells))
            if catalog.index and store.index_table:
                file = f"{catalog.index.folder}/{store.index_table}.lance"
                index = folder / catalog.index.folder
                cells = _index_cells(connection, index, store.index_table)
                leaks.update(_leaks(find, file, view, cells))
    return sorted(leaks)


def _leaks(find: Finder, file: str, view: CatalogView, cells: Iterable[_Cell]) -> Iterator[Leak]:
    for cell in cells:
        for pattern in find(cell.text):
            yield Leak(file, view.name, cell.column, pattern, _told(cell.key))


def _told(key: str) -> str:
    """Return a row's key, unless the key itself is personal data."""
    return WITHHELD if find_patterns(key) else key


def _view_cells(folder: Path, view: CatalogView, store: Store) -> Iterator[_Cell]:
    with duckdb.connect(str(folder / store.duckdb), read_only=True) as connection:
        described = connection.execute(f"describe {quoted(view.name)}").fetchall()
        texts = [str(row[0]) for row in described if _is_text(str(row[1]))]
        yield from _candidates(connection, quoted(view.name), quoted(view.key), texts)
        comments = connection.execute(
            "select '(comment)', comment from duckdb_tables() where comment is not null "
            "union all select column_name, comment from duckdb_columns() "
            "where comment is not null and not internal"
        ).fetchall()
    yield from (_Cell(f"{column} (description)", "", text) for column, text in comments)


def _is_text(kind: str) -> bool:
    return any(name in kind for name in _TEXT_TYPES)


def _candidates(
    connection: duckdb.DuckDBPyConnection, relation: str, key: str, columns: list[str]
) -> Iterator[_Cell]:
    """Yield the cells of a relation that match the wide pattern."""
    for column in columns:
        text = f"{quoted(column)}::varchar"
        result = connection.execute(
            f"select {key}::varchar, {text} from {relation} "
            f"where regexp_matches({text}, {literal(CANDIDATE)})"
        )
        while batch := result.fetchmany(_BATCH_ROWS):
            yield from (_Cell(column, str(row_key), cell) for row_key, cell in batch)


def _lookup_cells(
    connection: duckdb.DuckDBPyConnection, path: Path, view: CatalogView
) -> Iterator[_Cell]:
    """Yield candidates among the strings of each row's JSON and among the lookup columns."""
    uri = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
    lookups = sqlite3.connect(uri, uri=True)
    try:
        result = lookups.execute("select * from rows")
        names = [str(column[0]) for column in result.description]
        while batch := result.fetchmany(_BATCH_ROWS):
            columns = [[_written(cell) for cell in cells] for cells in zip(*batch, strict=True)]
            rows = pa.table(dict(zip(names, columns, strict=True)))
            for cell in _arrow_candidates(connection, rows, view.key, names):
                if cell.column == ROW_COLUMN:
                    yield from _strings(cell)
                else:
                    yield cell
    finally:
        lookups.close()


def _written(cell: Any) -> str | None:
    return None if cell is None else str(cell)


def _strings(row: _Cell) -> Iterator[_Cell]:
    """Yield each text of a row's JSON, by the name of its column."""
    waiting: list[tuple[str, Any]] = list(json.loads(row.text).items())
    while waiting:
        column, value = waiting.pop()
        if isinstance(value, str):
            yield _Cell(column, row.key, value)
        elif isinstance(value, dict):
            waiting.extend((column, item) for pair in value.items() for item in pair)
        elif isinstance(value, list):
            waiting.extend((column, item) for item in value)


def _index_cells(
    connection: duckdb.DuckDBPyConnection, folder: Path, table: str
) -> Iterator[_Cell]:
    stored = lancedb.connect(folder).open_table(table)
    texts = [field.name for field in stored.schema if pa.types.is_string(field.type)]
    for batch in stored.search().select(texts).to_batches(_BATCH_ROWS):
        rows = pa.Table.from_batches([batch])
        yield from _arrow_candidates(connection, rows, "key_text", texts)


def _arrow_candidates(
    connection: duckdb.DuckDBPyConnection, rows: pa.Table, key: str, columns: list[str]
) -> list[_Cell]:
    connection.register("batch", rows)
    try:
        return list(_candidates(connection, "batch", quoted(key), columns))
    finally:
        connection.unregister("batch")
