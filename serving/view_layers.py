"""Brings the published files of a view up to date without reading the rows that did not change.

changed rows (DELTA) + the last layer, copied -> layers/<scope>.duckdb, *.sqlite; bases are linked
"""

import hashlib
import shutil
from pathlib import Path

import duckdb

from serving.candidate import Candidate
from serving.catalog import CatalogView, Layer, Position, Store
from serving.changes import DELTA, take_changed, take_gone
from serving.declarations import DeclaredAgent
from serving.errors import PublishError
from serving.identifiers import literal, quoted
from serving.layering import Followed
from serving.layers import IN_BASE, LIVE, SEQ
from serving.layout import LAYERS
from serving.lookup_layer import known_keys, write_lookup_layer
from serving.view_files import PublishedFiles, cells_hash, link, passing

# A layer's blocks are small, so that few unchanged bytes are written with the changed ones.
_BLOCK_BYTES = 16_384


def follow_view(
    connection: duckdb.DuckDBPyConnection,
    candidate: Candidate,
    view: CatalogView,
    relation: str,
    previous: PublishedFiles,
    followed: Followed,
) -> Store | str:
    """Return the whole view as it is now, read by its changed keys; or why it was not enough.

    The relation's own number of rows is compared, so that a change that was not told is noticed.
    """
    if followed.since == followed.until:
        return link_store(candidate, previous, followed.whole, followed.until)
    try:
        changed = take_changed(connection, view, relation, followed.since.seq)
        _refuse_doubles(connection, view)
        known = followed.whole.layer.entries if followed.whole.layer else 0
        if known + changed > followed.most_entries:
            return "much of it has changed since it was last written whole"
        target = _prepare(connection, candidate, view, previous, followed.whole)
        store = _apply(
            connection, candidate, view, previous, followed.whole, target, followed.until
        )
        found = connection.execute(f"select count(*) from {relation}").fetchone()
    except duckdb.Error as error:
        # Not chained: what DuckDB says may hold the value of a cell.
        raise PublishError(
            f"{view.name}: its changes cannot be written ({type(error).__name__})"
        ) from None
    if found == (store.rows,):
        return store
    unlink_store(candidate, store)
    return "its rows are not as many as its changes make them"


def follow_scope(
    candidate: Candidate,
    agent: DeclaredAgent,
    view: CatalogView,
    whole: Store,
    previous: PublishedFiles,
    followed: Followed,
) -> Store:
    """Return an agent's part of a view, its filter evaluated on the changed rows alone.

    Of a key that the agent never saw nothing is kept, not even that it is gone.
    """
    before = followed.scopes[agent.name]
    if whole.layer is None or followed.since == followed.until:
        return link_store(candidate, previous, before, followed.until)
    spill = str(candidate.folder.with_name(candidate.snapshot_id + ".tmp"))
    with duckdb.connect(config={"temp_directory": spill}) as connection:
        connection.execute("set timezone = 'UTC'")
        file = candidate.folder / whole.layer.duckdb
        connection.execute(f"attach {literal(str(file))} as whole (read_only)")
        target = _prepare(connection, candidate, view, previous, before)
        connection.execute("set enable_external_access = false")
        columns = ", ".join(quoted(column.name) for column in view.columns)
        changed = f"whole.main.{quoted(view.name)} where {SEQ} > {followed.since.seq}"
        rows = connection.sql(f"select {columns} from {changed} and {LIVE}")
        with passing(agent, view):
            rows.filter(agent.rows[view.name]).create_view("passed")
            connection.execute(f"create temp table delta as select *, true as {LIVE} from passed")
        keys = f"(select {quoted(view.key)} from {changed})"
        if take_gone(connection, view, keys) == 0:
            connection.execute("detach target")
            target.unlink()
            return link_store(candidate, previous, before, followed.until)
        return _apply(connection, candidate, view, previous, before, target, followed.until)


def link_store(
    candidate: Candidate, previous: PublishedFiles, store: Store, position: Position
) -> Store:
    """Share all files of a store in which nothing has changed."""
    for name in store.files:
        _share(previous.folder / name, candidate.folder / name)
    return store.model_copy(update={"position": position})


def unlink_store(candidate: Candidate, store: Store) -> None:
    """Take a store's files out of a candidate."""
    for name in store.files:
        (candidate.folder / name).unlink()


def _prepare(
    connection: duckdb.DuckDBPyConnection,
    candidate: Candidate,
    view: CatalogView,
    previous: PublishedFiles,
    before: Store,
) -> Path:
    """Attach the layer that is to be written as ``target``: a copy of the last one, or empty."""
    target = candidate.folder / LAYERS / Path(before.duckdb).name
    target.parent.mkdir(exist_ok=True)
    if before.layer is not None:
        shutil.copyfile(previous.folder / before.layer.duckdb, target)
        connection.execute(f"attach {literal(str(target))} as target (read_write)")
        return target
    connection.execute(
        f"attach {literal(str(target))} as target (read_write, block_size {_BLOCK_BYTES})"
    )
    columns = [f"{quoted(column.name)} {column.type}" for column in view.columns]
    ours = [f"{SEQ} bigint", f"{LIVE} boolean", f"{IN_BASE} boolean"]
    table = f"target.main.{quoted(view.name)}"
    connection.execute(f"create table {table} ({', '.join([*columns, *ours])})")
    return target


def _apply(
    connection: duckdb.DuckDBPyConnection,
    candidate: Candidate,
    view: CatalogView,
    previous: PublishedFiles,
    before: Store,
    target: Path,
    position: Position,
) -> Store:
    """Write ``DELTA`` into the attached layer and its lookups; return the store as it is then."""
    assert before.lookup is not None
    key, table = quoted(view.key), f"target.main.{quoted(view.name)}"
    base = previous.folder / before.lookup
    _mark(connection, view, base, table)
    columns = ", ".join(quoted(column.name) for column in view.columns)
    live = connection.execute(f"select {columns} from {DELTA} where {LIVE} order by {key}")
    rows = live.fetchall()
    gone = connection.execute(f"select {key} from {DELTA} where not {LIVE}").fetchall()
    names = [*(column.name for column in view.columns), LIVE]
    delta_hash = cells_hash(connection, names, view.key, DELTA)
    connection.execute("begin")
    connection.execute(f"delete from {table} where {key} in (select {key} from {DELTA})")
    connection.execute(
        f"insert into {table} by name select *, {position.seq} as {SEQ} from {DELTA}"
    )
    connection.execute("commit")
    connection.execute("checkpoint target")
    entries, living, replaced = _counts(connection, table)
    connection.execute("detach target")
    if not (rows or gone):
        target.unlink()
        return link_store(candidate, previous, before, position)
    layer = Layer(
        duckdb=f"{LAYERS}/{target.name}",
        lookup=f"{LAYERS}/{Path(before.lookup).name}",
        entries=entries,
        live=living,
        replaced=replaced,
    )
    if before.layer is not None:
        shutil.copyfile(previous.folder / before.layer.lookup, candidate.folder / layer.lookup)
    write_lookup_layer(
        candidate.folder / layer.lookup,
        view,
        rows=rows,
        gone=(one for (one,) in gone),
        seq=position.seq,
    )
    for name in (before.duckdb, before.lookup):
        link(previous.folder / name, candidate.folder / name)
    chained = f"{before.content_hash}\n{delta_hash}".encode()
    return before.model_copy(
        update={
            "rows": before.base_rows - replaced + living,
            "content_hash": hashlib.sha256(chained).hexdigest(),
            "position": position,
            "layer": layer,
        }
    )


def _mark(connection: duckdb.DuckDBPyConnection, view: CatalogView, base: Path, table: str) -> None:
    """Tell in ``DELTA`` which keys the base has, and leave out those that nothing has."""
    key = quoted(view.key)
    found = connection.execute(f"select rowid, {key} from {DELTA} order by {key}").fetchall()
    known = known_keys(base, view, [one for _, one in found])
    numbers = [number for (number, _), is_known in zip(found, known, strict=True) if is_known]
    connection.execute(f"alter table {DELTA} add column {IN_BASE} boolean default false")
    connection.execute(
        f"update {DELTA} set {IN_BASE} = true where rowid in (select unnest(?::bigint[]))",
        [numbers],
    )
    connection.execute(
        f"delete from {DELTA} where not {LIVE} and not {IN_BASE} "
        f"and {key} not in (select {key} from {table})"
    )


def _counts(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[int, int, int]:
    found = connection.execute(
        f"select count(*), count(*) filter ({LIVE}), count(*) filter ({IN_BASE}) from {table}"
    ).fetchone()
    assert found is not None
    return int(found[0]), int(found[1]), int(found[2])


def _refuse_doubles(connection: duckdb.DuckDBPyConnection, view: CatalogView) -> None:
    found = connection.execute(
        f"select count(*), count(distinct {quoted(view.key)}) from {DELTA}"
    ).fetchone()
    assert found is not None
    if found[0] != found[1]:
        raise PublishError(
            f"{view.name}: its key {view.key} is not unique "
            f"({found[0]} changed rows, {found[1]} different keys)"
        )


def _share(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    link(source, target)
