"""Reopens a finished candidate and checks that it is what its catalog says."""

import sqlite3
from pathlib import Path

import duckdb
import lancedb

from serving.candidate import Candidate
from serving.catalog import CATALOG_FILE, Catalog, CatalogView, IndexInfo, Store
from serving.chunking import has_text
from serving.errors import PublishError
from serving.identifiers import quoted
from serving.index_table import words_file
from serving.layout import PRIVACY_FILE
from serving.lookup_store import count_rows
from serving.snapshot_store import read_catalog

_BATCH_ROWS = 5_000


def verify(candidate: Candidate) -> Catalog:
    """Return the catalog of a sound candidate; PublishError names the file that is not."""
    folder = candidate.folder
    catalog = read_catalog(folder)
    if catalog.snapshot_id != candidate.snapshot_id:
        raise PublishError(f"{CATALOG_FILE} is of another snapshot")
    _check_files(folder, catalog)
    for view, store in catalog.all_stores().values():
        keys = _check_view(folder, catalog.views[view], store)
        _check_lookup(folder, store)
        if catalog.index is not None and store.index_table:
            _check_index(folder, catalog.index, store, keys)
    return catalog


def _check_files(folder: Path, catalog: Catalog) -> None:
    stores = [store for _, store in catalog.all_stores().values()]
    known = {CATALOG_FILE, *(store.duckdb for store in stores)}
    known |= {store.lookup for store in stores if store.lookup}
    tables = set(catalog.index.chunks) if catalog.index else set()
    if catalog.index:
        known |= {f"{catalog.index.folder}/{words_file(table)}" for table in tables}
    for file in folder.rglob("*"):
        name = file.relative_to(folder).as_posix()
        if not file.is_file() or name in known or name == PRIVACY_FILE:
            continue
        parts = name.split("/")
        index = catalog.index.folder if catalog.index else None
        if len(parts) > 2 and parts[0] == index and parts[1].removesuffix(".lance") in tables:
            continue
        raise PublishError(f"{name} does not belong into a snapshot")
    missing = sorted(name for name in known if not (folder / name).is_file())
    if missing:
        raise PublishError(f"the snapshot lacks {', '.join(missing)}")


def _check_view(folder: Path, view: CatalogView, store: Store) -> dict[str, bool]:
    """Return for each key, as text, whether its row has text to search."""
    expected = [(column.name, column.type) for column in view.columns]
    try:
        with duckdb.connect(str(folder / store.duckdb), read_only=True) as connection:
            connection.execute("set timezone = 'UTC'")
            tables = connection.execute("select table_name from duckdb_tables()").fetchall()
            if tables != [(view.name,)]:
                raise PublishError(f"{store.duckdb} holds other tables than {view.name}")
            described = connection.execute(f"describe {quoted(view.name)}").fetchall()
            found = [(str(row[0]), str(row[1])) for row in described]
            if found != expected:
                raise PublishError(f"{store.duckdb}: columns differ from the catalog's")
            _check_groups(connection, view)
            searched = _searched_rows(connection, view)
    except duckdb.Error as error:
        raise PublishError(f"{store.duckdb} does not open") from error
    if len(searched) != store.rows:
        raise PublishError(
            f"{store.duckdb} has {len(searched)} rows, the catalog says {store.rows}"
        )
    return searched


def _check_groups(connection: duckdb.DuckDBPyConnection, view: CatalogView) -> None:
    """Refuse rows that stand for fewer people than the view declares."""
    if view.min_group is None:
        return
    count = quoted(view.min_group.count)
    found = connection.execute(
        f"select count(*) from {quoted(view.name)} where {count} is null or {count} < ?",
        [view.min_group.size],
    ).fetchone()
    if found != (0,):
        raise PublishError(
            f"{view.name} has groups of fewer than {view.min_group.size} people, though it "
            f"declares min_group on {view.min_group.count}; put {{{{ min_group(...) }}}} behind "
            "the group by of its model"
        )


def _searched_rows(connection: duckdb.DuckDBPyConnection, view: CatalogView) -> dict[str, bool]:
    search = view.search
    title = quoted(search.title) if search and search.title else "null"
    texts = [quoted(name) for name in search.text if name != search.title] if search else []
    body = f"concat_ws(chr(10), {', '.join(texts)})" if texts else "null"
    result = connection.execute(
        f"select {quoted(view.key)}::varchar, {title}::varchar, {body} from {quoted(view.name)}"
    )
    found: dict[str, bool] = {}
    while batch := result.fetchmany(_BATCH_ROWS):
        found.update((str(key), has_text(title, text)) for key, title, text in batch)
    return found


def _check_lookup(folder: Path, store: Store) -> None:
    if store.lookup is None:
        return
    try:
        rows = count_rows(folder / store.lookup)
    except sqlite3.Error as error:
        raise PublishError(f"{store.lookup} does not open") from error
    if rows != store.rows:
        raise PublishError(f"{store.lookup} has {rows} rows, the catalog says {store.rows}")


def _check_index(folder: Path, index: IndexInfo, store: Store, searched: dict[str, bool]) -> None:
    table = store.index_table
    assert table is not None
    where = f"{index.folder}/{table}"
    try:
        stored = lancedb.connect(folder / index.folder).open_table(table)
        keys = stored.search().select(["key_text"]).to_arrow()["key_text"].to_pylist()
    except (ValueError, OSError, RuntimeError) as error:
        raise PublishError(f"{where} does not open") from error
    if len(keys) != index.chunks[table]:
        raise PublishError(
            f"{where} has {len(keys)} chunks, the catalog says {index.chunks[table]}"
        )
    if set(keys) - searched.keys():
        raise PublishError(f"{where} holds rows that the view does not")
    if {key for key, has_text in searched.items() if has_text} - set(keys):
        raise PublishError(f"{where} lacks rows of the view")
