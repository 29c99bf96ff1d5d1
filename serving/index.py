"""Builds the search index of a candidate: a LanceDB table for each searchable view and scope.

view file -> documents -> vectors (carried over where the text is known) -> index/<view>.lance
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import lancedb

from serving.candidate import Candidate
from serving.catalog import CATALOG_FILE, Catalog, CatalogView, IndexInfo, Store
from serving.chunking import CHUNKING
from serving.declarations import Declarations
from serving.documents import documents
from serving.embedder import Embedder
from serving.errors import NoSnapshot
from serving.index_table import EXACT_UP_TO, Vectors, stored_vectors, write_table
from serving.layout import DRAFT_FILE, INDEX
from serving.snapshot_build import Progress
from serving.snapshot_store import current, write_durably

# Changes when equal documents would be stored differently, so that no old table is linked.
_FORMAT = "2"


@dataclass(frozen=True)
class _Published:
    """The index of the snapshot that answers now."""

    folder: Path
    info: IndexInfo


def build_index(
    candidate: Candidate,
    declarations: Declarations,
    embedder: Embedder,
    on_progress: Progress | None = None,
    *,
    is_fresh: bool = False,
) -> IndexInfo | None:
    """Write the index, then ``catalog.json``; None where no view is searched.

    Texts that the published snapshot has embedded by the same model are not embedded again;
    ``is_fresh`` takes these vectors, but shares no file.
    """
    catalog = candidate.catalog()
    info = _build(candidate, catalog, embedder, on_progress, is_fresh)
    final = catalog.model_copy(
        update={"index": info, "contract_version": declarations.contract_version}
    )
    write_durably(candidate.folder / CATALOG_FILE, final.model_dump_json(indent=2))
    (candidate.folder / DRAFT_FILE).unlink(missing_ok=True)
    return info


def _build(
    candidate: Candidate,
    catalog: Catalog,
    embedder: Embedder,
    on_progress: Progress | None,
    is_fresh: bool,
) -> IndexInfo | None:
    stores = _searched(catalog)
    if not stores:
        return None
    published = _published(candidate.home, embedder)
    recipes = {table: _recipe(view, store, embedder) for table, (view, store) in stores.items()}
    unchanged = [
        name for name in stores if not is_fresh and _is_unchanged(name, recipes[name], published)
    ]
    changed = {
        table: list(documents(candidate.folder / store.duckdb, view))
        for table, (view, store) in stores.items()
        if table not in unchanged
    }
    folder = candidate.folder / INDEX
    folder.mkdir()
    chunks = {table: len(found) for table, found in changed.items()}
    kinds: dict[str, str] = {}
    if published:
        for table in unchanged:
            link_folder(published.folder / f"{table}.lance", folder / f"{table}.lance")
            chunks[table] = published.info.chunks[table]
            kinds[table] = published.info.kinds[table]
    texts = {one.content_hash: one.embedded_text for found in changed.values() for one in found}
    carried = stored_vectors(published.folder, published.info, texts) if published else {}
    fresh = _embed({h: t for h, t in texts.items() if h not in carried}, embedder, on_progress)
    vectors = {**carried, **fresh}
    for number, (table, found) in enumerate(changed.items(), start=1):
        kinds[table] = write_table(folder, table, stores[table][0], found, vectors, embedder)
        if on_progress:
            on_progress("index", number, len(changed))
    return IndexInfo(
        folder=INDEX,
        model=embedder.model,
        dimensions=embedder.dimensions,
        chunks=chunks,
        kinds=kinds,
        recipes=recipes,
        embedded=len(fresh),
        carried=len(carried),
    )


def _searched(catalog: Catalog) -> dict[str, tuple[CatalogView, Store]]:
    return {
        store.index_table: (catalog.views[view], store)
        for view, store in catalog.all_stores().values()
        if store.index_table
    }


def _published(home: Path, embedder: Embedder) -> _Published | None:
    try:
        folder, catalog = current(home)
    except NoSnapshot:
        return None
    info = catalog.index
    if info is None or (info.model, info.dimensions) != (embedder.model, embedder.dimensions):
        return None
    return _Published(folder / info.folder, info)


def _recipe(view: CatalogView, store: Store, embedder: Embedder) -> str:
    """Return a hash over all that decides what a table holds."""
    parts = [
        _FORMAT,
        lancedb.__version__,
        store.content_hash,
        view.search.model_dump_json() if view.search else "",
        CHUNKING,
        embedder.model,
        str(embedder.dimensions),
        str(EXACT_UP_TO),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _is_unchanged(table: str, recipe: str, published: _Published | None) -> bool:
    return published is not None and published.info.recipes.get(table) == recipe


def link_folder(source: Path, target: Path) -> None:
    """Copy a folder by hard links; LanceDB never writes into a file that exists."""
    try:
        shutil.copytree(source, target, copy_function=os.link)
    except (OSError, shutil.Error):
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)


def _embed(texts: dict[str, str], embedder: Embedder, on_progress: Progress | None) -> Vectors:
    def tell(done: int, total: int) -> None:
        if on_progress:
            on_progress("embed", done, total)

    if not texts:
        return {}
    return dict(zip(texts, embedder.embed(list(texts.values()), tell), strict=True))
