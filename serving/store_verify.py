"""Reads a store's files and compares them with the catalog: tables, columns, rows, groups.

base, layer, lookups -> which rows have text to search, for the index to be compared with
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from serving.catalog import CatalogView, Layer, Store
from serving.chunking import has_text
from serving.errors import PublishError
from serving.identifiers import quoted
from serving.layers import IN_BASE, LIVE, SEQ
from serving.lookup_layer import count_entries, known_keys
from serving.lookup_store import count_rows
from serving.store_rows import StoreRows, open_store

_BATCH_ROWS = 5_000
_LAYER_COLUMNS = [(SEQ, "BIGINT"), (LIVE, "BOOLEAN"), (IN_BASE, "BOOLEAN")]


@dataclass(frozen=True)
class Changes:
    """The keys of changed rows, as text, with whether there is text to search; and those gone."""

    searched: dict[str, bool]
    gone: set[str]


def check_store(folder: Path, view: CatalogView, store: Store) -> dict[str, bool]:
    """Read a store as a whole; return for each key, as text, whether its row has text to search.

    Of a view that is not searched, no key is returned.

    PublishError names the file that is not what the catalog says.
    """
    with _opened(folder, view, store) as opened:
        connection = opened.connection
        _check_table(connection, opened.databases[0], view, store.duckdb, [])
        rows = _count(connection, f"select count(*) from {opened.base}")
        if rows != store.base_rows:
            raise PublishError(
                f"{store.duckdb} has {rows} rows, the catalog says {store.base_rows}"
            )
        if store.layer is not None:
            _check_layer(opened, view, store, store.layer)
            _check_hidden(opened, view, store.layer)
        _check_groups(connection, view, quoted(view.name))
        whole = f"from {quoted(view.name)}"
        keys = _count(connection, f"select count(distinct {quoted(view.key)}::varchar) {whole}")
        searched = _searched(connection, view, whole)
    if keys != store.rows:
        raise PublishError(f"{store.duckdb} has {keys} keys in {store.rows} rows")
    _check_lookup(folder, store)
    return searched


def check_changes(folder: Path, view: CatalogView, store: Store, since: int) -> Changes:
    """Read of a store whose base is known the layer's entries after a change."""
    if store.layer is None:
        return Changes({}, set())
    with _opened(folder, view, store) as opened:
        connection = opened.connection
        _check_layer(opened, view, store, store.layer)
        entries = f"from {opened.layer} where {SEQ} > {since}"
        _check_told(connection, folder, view, store, entries)
        _check_groups(connection, view, f"({entries} and {LIVE})")
        searched = _searched(connection, view, f"{entries} and {LIVE}")
        gone = connection.execute(
            f"select {quoted(view.key)}::varchar {entries} and not {LIVE}"
        ).fetchall()
    _check_layer_lookup(folder, store.layer)
    return Changes(searched, {str(key) for (key,) in gone})


@contextmanager
def _opened(folder: Path, view: CatalogView, store: Store) -> Iterator[StoreRows]:
    try:
        with open_store(folder, view, store) as opened:
            yield opened
    except duckdb.Error as error:
        raise PublishError(f"{store.duckdb} does not open") from error


def _check_table(
    connection: DuckDBPyConnection,
    database: str,
    view: CatalogView,
    file: str,
    further: list[tuple[str, str]],
) -> None:
    """Refuse a file that holds anything but the view's one table, with these columns."""
    tables = connection.execute(
        "select table_name from duckdb_tables() where database_name = ?", [database]
    ).fetchall()
    if tables != [(view.name,)]:
        raise PublishError(f"{file} holds other tables than {view.name}")
    table = f"{database}.main.{quoted(view.name)}"
    described = connection.execute(f"describe {table}").fetchall()
    expected = [*((column.name, column.type) for column in view.columns), *further]
    if [(str(row[0]), str(row[1])) for row in described] != expected:
        raise PublishError(f"{file}: columns differ from the catalog's")


def _check_layer(opened: StoreRows, view: CatalogView, store: Store, layer: Layer) -> None:
    """Compare a layer with what the catalog says of it; each key has one entry."""
    _check_table(opened.connection, opened.databases[1], view, layer.duckdb, _LAYER_COLUMNS)
    counted = opened.connection.execute(
        f"select count(*), count(distinct {quoted(view.key)}), count(*) filter ({LIVE}), "
        f"count(*) filter ({IN_BASE}), max({SEQ}) from {opened.layer}"
    ).fetchone()
    told = (layer.entries, layer.entries, layer.live, layer.replaced)
    last = store.position.seq if store.position else -1
    if counted is None or counted[:4] != told or counted[4] > last:
        raise PublishError(f"{layer.duckdb} does not hold the entries that the catalog says")


def _check_hidden(opened: StoreRows, view: CatalogView, layer: Layer) -> None:
    """Look in the base for each key of the layer: an entry hides a row or says that none is."""
    key = quoted(view.key)
    wrong = _count(
        opened.connection,
        f"select count(*) from {opened.layer} as entry left join {opened.base} as base "
        f"using ({key}) where entry.{IN_BASE} <> (base.{key} is not null)",
    )
    if wrong:
        raise PublishError(f"{layer.duckdb} hides other rows than its base has")


def _check_told(
    connection: DuckDBPyConnection, folder: Path, view: CatalogView, store: Store, entries: str
) -> None:
    """The same for some entries, by the base's lookups."""
    assert store.lookup is not None
    assert store.layer is not None
    found = connection.execute(f"select {quoted(view.key)}, {IN_BASE} {entries}").fetchall()
    known = known_keys(folder / store.lookup, view, [key for key, _ in found])
    if known != [in_base for _, in_base in found]:
        raise PublishError(f"{store.layer.duckdb} hides other rows than its base has")


def _check_groups(connection: DuckDBPyConnection, view: CatalogView, rows: str) -> None:
    """Refuse rows that stand for fewer people than the view declares."""
    if view.min_group is None:
        return
    count = quoted(view.min_group.count)
    found = connection.execute(
        f"select count(*) from {rows} where {count} is null or {count} < ?",
        [view.min_group.size],
    ).fetchone()
    if found != (0,):
        raise PublishError(
            f"{view.name} has groups of fewer than {view.min_group.size} people, though it "
            f"declares min_group on {view.min_group.count}; put {{{{ min_group(...) }}}} behind "
            "the group by of its model"
        )


def _searched(connection: DuckDBPyConnection, view: CatalogView, rows: str) -> dict[str, bool]:
    search = view.search
    if search is None:
        return {}
    title = quoted(search.title) if search.title else "null"
    texts = [quoted(name) for name in search.text if name != search.title]
    body = f"concat_ws(chr(10), {', '.join(texts)})" if texts else "null"
    result = connection.execute(
        f"select {quoted(view.key)}::varchar, {title}::varchar, {body} {rows}"
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
    if rows != store.base_rows:
        raise PublishError(f"{store.lookup} has {rows} rows, the catalog says {store.base_rows}")
    if store.layer is not None:
        _check_layer_lookup(folder, store.layer)


def _check_layer_lookup(folder: Path, layer: Layer) -> None:
    try:
        entries, live = count_entries(folder / layer.lookup)
    except sqlite3.Error as error:
        raise PublishError(f"{layer.lookup} does not open") from error
    if (entries, live) != (layer.entries, layer.live):
        raise PublishError(f"{layer.lookup} does not hold the entries that the catalog says")


def _count(connection: DuckDBPyConnection, sql: str) -> int:
    found = connection.execute(sql).fetchone()
    assert found is not None
    return int(found[0])
