"""Writes the files of one view: its table for SQL, for every scope, and its lookups.

agents.<view> -> views/<view>.duckdb -> views/<view>.<agent>.duckdb, *.sqlite
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
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
    """The files of the snapshot that answers now, by content hash."""

    folder: Path
    stores: dict[str, Store]


def published_files(home: Path) -> PublishedFiles | None:
    """Return what can be shared, None where nothing is published."""
    try:
        folder, catalog = current(home)
    except NoSnapshot:
        return None
    stores = {store.content_hash: store for _, store in catalog.all_stores().values()}
    return PublishedFiles(folder, stores)


def write_view(
    connection: duckdb.DuckDBPyConnection,
    candidate: Candidate,
    declared: DeclaredView,
    view: CatalogView,
    previous: PublishedFiles | None,
) -> Store:
    """Write all rows of a view, or share the published file where nothing in it has changed."""
    schema, _, table = declared.relation.partition(".")
    relation = f"{quoted(schema)}.{quoted(table)}"
    try:
        count, content_hash = _content(connection, view, relation)
        store = _store(view, view.name, count, content_hash)
        target = candidate.folder / store.duckdb
        same = previous.stores.get(content_hash) if previous else None
        if previous and same:
            _link(previous.folder / same.duckdb, target)
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
        try:
            # One condition, never two statements or a second column: filter() parses it alone.
            rows = connection.sql(f"select * from whole.main.{quoted(view.name)}")
            rows.filter(agent.rows[view.name]).create_view("passed")
            _fill(connection, view, "passed")
        except duckdb.Error as error:
            # Not chained: what DuckDB says may hold the value of a cell.
            raise PublishError(
                f"agent {agent.name}: the row filter on {view.name} is no condition over "
                f"its columns ({type(error).__name__}); "
                f"mend meta.agent.rows.{view.name} of its exposure"
            ) from None
        count, content_hash = _content(connection, view, f"target.main.{quoted(view.name)}")
        connection.execute("detach target")
    store = _store(view, scope, count, content_hash)
    same = previous.stores.get(content_hash) if previous else None
    if previous and same:
        target.unlink()
        _link(previous.folder / same.duckdb, target)
    return store


def write_lookup(
    candidate: Candidate, view: CatalogView, store: Store, previous: PublishedFiles | None
) -> None:
    """Write the lookups of one store, or share the published ones."""
    if store.lookup is None:
        return
    target = candidate.folder / store.lookup
    same = previous.stores.get(store.content_hash) if previous else None
    if previous and same and same.lookup:
        _link(previous.folder / same.lookup, target)
    else:
        build_lookup(candidate.folder / store.duckdb, target, view)


def _store(view: CatalogView, scope: str, rows: int, content_hash: str) -> Store:
    return Store(
        duckdb=f"{VIEWS}/{scope}.duckdb",
        lookup=f"{VIEWS}/{scope}.sqlite",
        index_table=scope if view.search else None,
        rows=rows,
        content_hash=content_hash,
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
    cells = [
        f"coalesce(length({name}::varchar) || ':' || {name}::varchar, '-')"
        for name in (quoted(column.name) for column in view.columns)
    ]
    key = quoted(view.key)
    found = connection.execute(
        f"select count(*), count({key}), count(distinct {key}), "
        f"coalesce(sha256(string_agg(md5({' || '.join(cells)}), '' order by {key})), '') "
        f"from {relation}"
    ).fetchone()
    assert found is not None
    rows, present, distinct, cells_hash = found
    if not rows == present == distinct:
        raise PublishError(
            f"{view.name}: its key {view.key} is not unique or not complete "
            f"({rows} rows, {present} with a key, {distinct} different keys)"
        )
    shape = view.model_dump_json(include={"name", "description", "columns", "key", "lookups"})
    whole = "\n".join([_FORMAT, duckdb.__version__, shape, str(rows), cells_hash])
    return rows, hashlib.sha256(whole.encode()).hexdigest()


def _link(source: Path, target: Path) -> None:
    """Share one file between snapshots, or copy it where the file system cannot share."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _attach(connection: duckdb.DuckDBPyConnection, path: Path, name: str, mode: str) -> None:
    connection.execute(f"attach {literal(str(path))} as {name} ({mode})")
