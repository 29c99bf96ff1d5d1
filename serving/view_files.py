"""Writes the files of one view: its table for SQL, for every scope, and its lookups.

agents.<view> -> views/<view>.duckdb -> views/<view>.<agent>.duckdb, *.sqlite
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from serving.candidate import Candidate
from serving.catalog import CatalogView, Store
from serving.declarations import DeclaredAgent, DeclaredView
from serving.errors import NoSnapshot, PublishError
from serving.identifiers import literal, quoted
from serving.layout import VIEWS
from serving.lookup_store import build_lookup
from serving.snapshot_store import current

# Changes when the files of equal rows would differ, so that no old file is linked.
_FORMAT = "2"


@dataclass(frozen=True)
class PublishedFiles:
    """The files of the snapshot that answers now.

    ``stores`` are those without a layer, by content hash; ``by_view`` all of a view, by agent, the
    view before any filter under an empty name; ``loads`` the last load of each raw table.
    """

    folder: Path
    stores: dict[str, Store]
    by_view: dict[str, dict[str, Store]] = field(default_factory=dict)
    loads: dict[str, str] = field(default_factory=dict)


def published_files(home: Path) -> PublishedFiles | None:
    """Return what can be shared, None where nothing is published."""
    try:
        folder, catalog = current(home)
    except NoSnapshot:
        return None
    stores = {
        store.content_hash: store
        for _, store in catalog.all_stores().values()
        if store.layer is None
    }
    by_view = {name: {"": store} for name, store in catalog.stores.items()}
    for agent in catalog.agents.values():
        for name in agent.row_filtered:
            by_view[name][agent.name] = agent.stores[name]
    sources = [source for view in catalog.views.values() for source in view.sources]
    loads = {source.table: source.load_id for source in sources if source.load_id is not None}
    return PublishedFiles(folder, stores, by_view, loads)


def write_view(
    connection: duckdb.DuckDBPyConnection,
    candidate: Candidate,
    declared: DeclaredView,
    view: CatalogView,
    previous: PublishedFiles | None,
) -> Store:
    """Write all rows of a view, or share the published file where nothing in it has changed."""
    relation = relation_of(declared)
    try:
        count, content_hash = _content(connection, view, relation)
        store = _store(candidate, view, view.name, count, content_hash)
        target = candidate.folder / store.duckdb
        same = previous.stores.get(content_hash) if previous else None
        if previous and same:
            link(previous.folder / same.duckdb, target)
            return store
        _attach(connection, target, "target", "read_write")
        _fill(connection, view, relation)
        connection.execute("detach target")
    except duckdb.Error as error:
        # Not chained: what DuckDB says may hold the value of a cell.
        raise PublishError(
            f"{view.name}: its file cannot be written ({type(error).__name__})"
        ) from None
    return store


def relation_of(declared: DeclaredView) -> str:
    """Return a view's table in the warehouse as SQL."""
    schema, _, table = declared.relation.partition(".")
    return f"{quoted(schema)}.{quoted(table)}"


def write_filtered_view(
    candidate: Candidate,
    agent: DeclaredAgent,
    view: CatalogView,
    whole: Store,
    previous: PublishedFiles | None,
) -> Store:
    """Write the rows that pass an agent's filter, reading the view's own file and nothing else.

    A row for which the filter is NULL does not pass.
    """
    scope = f"{view.name}.{agent.name}"
    target = candidate.folder / VIEWS / f"{scope}.duckdb"
    spill = str(candidate.folder.with_name(candidate.snapshot_id + ".tmp"))
    with duckdb.connect(config={"temp_directory": spill}) as connection:
        connection.execute("set timezone = 'UTC'")
        _attach(connection, candidate.folder / whole.duckdb, "whole", "read_only")
        _attach(connection, target, "target", "read_write")
        connection.execute("set enable_external_access = false")
        with passing(agent, view):
            # One condition, never two statements or a second column: filter() parses it alone.
            rows = connection.sql(f"select * from whole.main.{quoted(view.name)}")
            rows.filter(agent.rows[view.name]).create_view("passed")
            _fill(connection, view, "passed")
        count, content_hash = _content(connection, view, f"target.main.{quoted(view.name)}")
        connection.execute("detach target")
    store = _store(candidate, view, scope, count, content_hash, agent.rows[view.name])
    same = previous.stores.get(content_hash) if previous else None
    if previous and same:
        target.unlink()
        link(previous.folder / same.duckdb, target)
    return store


@contextmanager
def passing(agent: DeclaredAgent, view: CatalogView) -> Iterator[None]:
    """Tell of a fault that it is the agent's filter's."""
    try:
        yield
    except duckdb.Error as error:
        # Not chained: what DuckDB says may hold the value of a cell.
        raise PublishError(
            f"agent {agent.name}: the row filter on {view.name} is no condition over "
            f"its columns ({type(error).__name__}); "
            f"mend meta.agent.rows.{view.name} of its exposure"
        ) from None


def write_lookup(
    candidate: Candidate, view: CatalogView, store: Store, previous: PublishedFiles | None
) -> None:
    """Write the lookups of one store, or share the published ones."""
    if store.lookup is None:
        return
    target = candidate.folder / store.lookup
    same = previous.stores.get(store.content_hash) if previous else None
    if previous and same and same.lookup:
        link(previous.folder / same.lookup, target)
    else:
        build_lookup(candidate.folder / store.duckdb, target, view)


def shape_of(view: CatalogView, condition: str = "") -> str:
    """Return a hash over all but the rows that decides what the files of a store hold."""
    shape = view.model_dump_json(include={"name", "description", "columns", "key", "lookups"})
    whole = "\n".join([_FORMAT, duckdb.__version__, shape, condition])
    return hashlib.sha256(whole.encode()).hexdigest()


def _store(
    candidate: Candidate,
    view: CatalogView,
    scope: str,
    rows: int,
    content_hash: str,
    condition: str = "",
) -> Store:
    return Store(
        duckdb=f"{VIEWS}/{scope}.duckdb",
        lookup=f"{VIEWS}/{scope}.sqlite",
        index_table=scope if view.search else None,
        rows=rows,
        content_hash=content_hash,
        shape=shape_of(view, condition),
        written_in=candidate.snapshot_id,
    )


def _fill(connection: duckdb.DuckDBPyConnection, view: CatalogView, relation: str) -> None:
    """Write the view's one table, with its comments, into the attached file."""
    columns = ", ".join(quoted(column.name) for column in view.columns)
    table = f"target.main.{quoted(view.name)}"
    connection.execute(
        f"create table {table} as select {columns} from {relation} order by {quoted(view.key)}"
    )
    connection.execute(f"comment on table {table} is {literal(view.description)}")
    for column in view.columns:
        connection.execute(
            f"comment on column {table}.{quoted(column.name)} is {literal(column.description)}"
        )
    connection.execute("checkpoint target")


def _content(
    connection: duckdb.DuckDBPyConnection, view: CatalogView, relation: str
) -> tuple[int, str]:
    """Return the number of rows and a hash over everything that the view's files hold."""
    key = quoted(view.key)
    found = connection.execute(
        f"select count(*), count({key}), count(distinct {key}) from {relation}"
    ).fetchone()
    assert found is not None
    rows, present, distinct = found
    if not rows == present == distinct:
        raise PublishError(
            f"{view.name}: its key {view.key} is not unique or not complete "
            f"({rows} rows, {present} with a key, {distinct} different keys)"
        )
    names = [column.name for column in view.columns]
    whole = [shape_of(view), str(rows), cells_hash(connection, names, view.key, relation)]
    return rows, hashlib.sha256("\n".join(whole).encode()).hexdigest()


def cells_hash(
    connection: duckdb.DuckDBPyConnection, columns: Sequence[str], key: str, relation: str
) -> str:
    """Return a hash over these cells of all rows, in the order of the key."""
    cells = [
        f"coalesce(length({name}::varchar) || ':' || {name}::varchar, '-')"
        for name in map(quoted, columns)
    ]
    found = connection.execute(
        f"select coalesce(sha256(string_agg(md5({' || '.join(cells)}), '' order by {quoted(key)}))"
        f", '') from {relation}"
    ).fetchone()
    assert found is not None
    return str(found[0])


def link(source: Path, target: Path) -> None:
    """Share one file between snapshots, or copy it where the file system cannot share."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _attach(connection: duckdb.DuckDBPyConnection, path: Path, name: str, mode: str) -> None:
    connection.execute(f"attach {literal(str(path))} as {name} ({mode})")
