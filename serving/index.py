"""Builds the search index of a candidate: a LanceDB table for each searchable view and scope.

rows of a store -> documents -> vectors (carried over where the text is known) -> index/<view>.lance
"""

import hashlib
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import lancedb

from serving.candidate import Candidate
from serving.catalog import CATALOG_FILE, Catalog, CatalogView, IndexInfo, Store, TableBuild
from serving.chunking import CHUNKING
from serving.declarations import Declarations
from serving.documents import Document, document_keys, documents, row_hashes
from serving.embedder import Embedder
from serving.errors import NoSnapshot
from serving.index_table import (
    EXACT_UP_TO,
    Vectors,
    Written,
    kind_for,
    stored_chunks,
    stored_rows,
    stored_vectors,
    update_table,
    words_file,
    write_table,
)
from serving.layers import LIVE, SEQ
from serving.layout import DRAFT_FILE, INDEX, VECTORS, building_folder
from serving.snapshot_build import Progress
from serving.snapshot_store import current, write_durably
from serving.store_rows import StoreRows, open_store
from serving.vector_cache import embed_texts, forget
from serving.view_files import link

# Changes when equal documents would be stored differently, so that no old table is linked.
_FORMAT = "4"
FIRST = "it is the first"
# What was removed stays in linked files; past this share a table is written anew, and clean.
_MOST_REMOVED = 0.1
# Each tidied update adds files that a search has to open.
_MOST_UPDATES = 50
# Rows that are in no index are read one by one: 3,000 of them double a search's time.
_MOST_UNTIDY_ROWS = 1_000
# Each update that is not tidied leaves a version, which a full leak scan reads.
_MOST_UNTIDY = 20


@dataclass(frozen=True)
class _Published:
    """The index of the snapshot that answers now, of the same model."""

    folder: Path
    info: IndexInfo
    stores: dict[str, Store]


@dataclass(frozen=True)
class _Part:
    """One table to be built: all its documents, or where ``removed`` is given those that differ.

    ``known`` are the vectors of what is removed; without them the whole index is looked through.
    """

    table: str
    view: CatalogView
    layout: str
    because: str
    found: list[Document]
    removed: list[int | str] | None = None
    gone: int = 0
    known: Vectors | None = None


def build_index(
    candidate: Candidate,
    declarations: Declarations,
    embedder: Embedder,
    on_progress: Progress | None = None,
    *,
    is_fresh: bool = False,
    is_warm: bool = False,
) -> IndexInfo | None:
    """Write the index, then ``catalog.json``; None where no view is searched.

    It begins as a linked copy of the published one: unchanged tables stay as they are, in others
    the rows that differ are replaced. Texts that the same model has embedded are not embedded
    again. ``is_fresh`` takes their vectors, but shares no file. ``is_warm`` is for publishes that
    follow each other closely: few new rows are taken into the indexes by a later one.
    """
    catalog = candidate.catalog()
    info = _build(candidate, catalog, embedder, on_progress or _silent, is_fresh, is_warm)
    final = catalog.model_copy(
        update={"index": info, "contract_version": declarations.contract_version}
    )
    write_durably(candidate.folder / CATALOG_FILE, final.model_dump_json(indent=2))
    (candidate.folder / DRAFT_FILE).unlink(missing_ok=True)
    forget(_vectors_folder(candidate))
    return info


def _build(
    candidate: Candidate,
    catalog: Catalog,
    embedder: Embedder,
    on_progress: Progress,
    is_fresh: bool,
    is_warm: bool,
) -> IndexInfo | None:
    stores = _searched(catalog)
    if not stores:
        return None
    published, because = _published(candidate.home, embedder)
    recipes = {table: _recipe(view, store, embedder) for table, (view, store) in stores.items()}
    folder = candidate.folder / INDEX
    folder.mkdir()
    built: dict[str, tuple[Written, TableBuild]] = {}
    parts: list[_Part] = []
    for table, (view, store) in stores.items():
        if published and not is_fresh and published.info.recipes.get(table) == recipes[table]:
            _link(published, folder, table)
            built[table] = _as_before(published.info, table)
        else:
            parts.append(_part(candidate, store, view, embedder, published, because, is_fresh))
    texts = {one.content_hash: one.embedded_text for part in parts for one in part.found}
    carried = _carried(parts, texts, published)
    fresh = embed_texts(
        {name: text for name, text in texts.items() if name not in carried},
        embedder,
        _vectors_folder(candidate),
        lambda done, total: on_progress("embed", done, total),
    )
    vectors = {**carried, **fresh}
    for number, part in enumerate(parts, start=1):
        built[part.table] = _write(candidate, part, vectors, embedder, published, is_warm)
        on_progress("index", number, len(parts))
    return IndexInfo(
        folder=INDEX,
        model=embedder.model,
        dimensions=embedder.dimensions,
        embedder=embedder.spec,
        chunks={table: written.chunks for table, (written, _) in built.items()},
        kinds={table: written.kind for table, (written, _) in built.items()},
        recipes=recipes,
        builds={table: build for table, (_, build) in built.items()},
        embedded=len(fresh),
        carried=len(carried),
    )


def _carried(parts: list[_Part], texts: dict[str, str], published: _Published | None) -> Vectors:
    """Return the vectors that need no embedding: of a small change, those of what it replaces."""
    carried = {
        name: vector
        for part in parts
        for name, vector in (part.known or {}).items()
        if name in texts
    }
    if published is None or all(part.known is not None for part in parts):
        return carried
    wanted = {name for name in texts if name not in carried}
    return carried | stored_vectors(published.folder, published.info, wanted)


def _part(
    candidate: Candidate,
    store: Store,
    view: CatalogView,
    embedder: Embedder,
    published: _Published | None,
    because: str,
    is_fresh: bool,
) -> _Part:
    """Say what has to be written of a table: the rows that differ where that is enough."""
    table = store.index_table
    assert table is not None
    layout = _layout(view, embedder)
    before = published.info.builds.get(table) if published else None
    with open_store(candidate.folder, view, store) as rows:
        if is_fresh:
            because = "no file may be shared with an earlier snapshot"
        elif published and before is None:
            because = "the table is new"
        elif before and before.layout != layout:
            because = "the search columns or the chunking changed"
        elif published and before:
            delta = _delta(rows, store, view, published, before)
            if isinstance(delta, _Part):
                return delta
            because = delta
        found = list(documents(rows.connection, view))
        return _Part(table, view, layout, because, found)


def _delta(
    rows: StoreRows,
    store: Store,
    view: CatalogView,
    published: _Published,
    before: TableBuild,
) -> _Part | str:
    """Return the rows that differ from the published table, or why it has to be written anew."""
    table = store.index_table
    assert table is not None
    chunks = published.info.chunks[table]
    if not chunks:
        return "the table was empty"
    if before.updates >= _MOST_UPDATES:
        return f"it has been updated {before.updates} times"
    since = _told_since(store, published.stores.get(table))
    if since is not None:
        part = _told(rows, table, view, published, before, since)
    else:
        part = _compared(rows, table, view, published, before)
    if part.gone > _MOST_REMOVED * chunks:
        return "a tenth of it changed since it was last written"
    if kind_for(chunks + len(part.found)) != published.info.kinds[table]:
        return "its size asks for another kind of index"
    return part


def _told_since(store: Store, before: Store | None) -> int | None:
    """Return after which change the entries of a layer are all that differs; None if unknown."""
    if before is None or before.position is None or store.position is None or store.layer is None:
        return None
    same = before.position.generation == store.position.generation
    is_told = same and before.written_in == store.written_in
    return before.position.seq if is_told else None


def _told(
    rows: StoreRows,
    table: str,
    view: CatalogView,
    published: _Published,
    before: TableBuild,
    since: int,
) -> _Part:
    """Take the keys that a layer names; no other row is read."""
    entries = f"{rows.layer} where {SEQ} > {since}"
    keys = document_keys(rows.connection, view, entries)
    found = list(documents(rows.connection, view, f"{entries} and {LIVE}"))
    old, known = stored_chunks(published.folder, table, keys, published.info.dimensions)
    gone = before.removed + old
    return _Part(table, view, before.layout, before.because, found, keys, gone, known)


def _compared(
    rows: StoreRows,
    table: str,
    view: CatalogView,
    published: _Published,
    before: TableBuild,
) -> _Part:
    """Compare every row by its hash."""
    old = stored_rows(published.folder, table)
    new = row_hashes(rows.connection, view)
    removed = [key for key, row_hash in old.items() if new.get(key) != row_hash]
    gone = before.removed + published.info.chunks[table] * len(removed) // len(old)
    changed = {key for key, row_hash in new.items() if old.get(key) != row_hash}
    is_few = gone <= _MOST_REMOVED * published.info.chunks[table]
    found = list(documents(rows.connection, view, keys=changed)) if changed and is_few else []
    return _Part(table, view, before.layout, before.because, found, removed, gone)


def _write(
    candidate: Candidate,
    part: _Part,
    vectors: Vectors,
    embedder: Embedder,
    published: _Published | None,
    is_warm: bool,
) -> tuple[Written, TableBuild]:
    folder, dimensions = candidate.folder / INDEX, embedder.dimensions
    if part.removed is None or published is None:
        written = write_table(folder, part.table, part.view, part.found, vectors, dimensions)
        build = TableBuild(
            layout=part.layout,
            written_in=candidate.snapshot_id,
            because=part.because,
            probes=written.probes,
            recall=written.recall,
        )
        return written, build
    _link(published, folder, part.table)
    written, before = _as_before(published.info, part.table)
    rows, times = before.untidy_rows + len(part.found), before.untidy + 1
    is_tidied = not is_warm or rows > _MOST_UNTIDY_ROWS or times > _MOST_UNTIDY
    chunks = update_table(
        folder,
        part.table,
        part.view,
        part.removed,
        part.found,
        vectors,
        dimensions,
        is_tidied=is_tidied,
    )
    update = {"removed": part.gone, "untidy": times, "untidy_rows": rows}
    if is_tidied:
        update |= {"updates": before.updates + 1, "untidy": 0, "untidy_rows": 0}
    return replace(written, chunks=chunks), before.model_copy(update=update)


def _as_before(info: IndexInfo, table: str) -> tuple[Written, TableBuild]:
    build = info.builds[table]
    written = Written(info.chunks[table], info.kinds[table], build.probes, build.recall)
    return written, build


def _searched(catalog: Catalog) -> dict[str, tuple[CatalogView, Store]]:
    return {
        store.index_table: (catalog.views[view], store)
        for view, store in catalog.all_stores().values()
        if store.index_table
    }


def _published(home: Path, embedder: Embedder) -> tuple[_Published | None, str]:
    """Return the index that can be taken over, or why none can."""
    try:
        folder, catalog = current(home)
    except NoSnapshot:
        return None, FIRST
    info = catalog.index
    if info is None:
        return None, FIRST
    if (info.model, info.dimensions) != (embedder.model, embedder.dimensions):
        return None, f"the model changed from {info.model} to {embedder.model}"
    stores = {
        store.index_table: store for _, store in catalog.all_stores().values() if store.index_table
    }
    return _Published(folder / info.folder, info, stores), ""


def _recipe(view: CatalogView, store: Store, embedder: Embedder) -> str:
    """Return a hash over all that decides what a table holds."""
    return _hash(store.content_hash, _layout(view, embedder))


def _layout(view: CatalogView, embedder: Embedder) -> str:
    """Return a hash over all but the rows."""
    search = view.search.model_dump_json() if view.search else ""
    model = (embedder.model, str(embedder.dimensions))
    return _hash(_FORMAT, lancedb.__version__, search, view.key, CHUNKING, *model, str(EXACT_UP_TO))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _link(published: _Published, folder: Path, table: str) -> None:
    link_folder(published.folder / f"{table}.lance", folder / f"{table}.lance")
    words = words_file(table)
    link(published.folder / words, folder / words)


def link_folder(source: Path, target: Path) -> None:
    """Copy a folder by hard links; LanceDB never writes into a file that exists."""
    try:
        shutil.copytree(source, target, copy_function=os.link)
    except (OSError, shutil.Error):
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)


def _vectors_folder(candidate: Candidate) -> Path:
    return building_folder(candidate.home) / VECTORS


def _silent(step: str, done: int, total: int) -> None:
    """Tell nobody."""
