"""Reopens a finished candidate and checks that it is what its catalog says.

Beside a verified snapshot, what both share is told by identity: the rest alone is read.
"""

from pathlib import Path

import lancedb
from lancedb.expr import col

from serving.candidate import Candidate
from serving.catalog import CATALOG_FILE, Catalog, CatalogView, IndexInfo, Store
from serving.errors import PublishError
from serving.index_table import words_file
from serving.layout import PRIVACY_FILE
from serving.snapshot_store import read_catalog
from serving.store_verify import Changes, check_changes, check_store
from serving.verified import ALL_KNOWN, Verified


def verify(candidate: Candidate, verified: Verified | None = None) -> Catalog:
    """Return the catalog of a sound candidate; PublishError names the file that is not."""
    folder = candidate.folder
    catalog = read_catalog(folder)
    if catalog.snapshot_id != candidate.snapshot_id:
        raise PublishError(f"{CATALOG_FILE} is of another snapshot")
    _check_files(folder, catalog)
    for name, store in catalog.all_stores().values():
        known = verified.known_up_to(folder, store) if verified else None
        if verified is None or known is None or _is_new(catalog, store):
            _check_whole(folder, catalog, catalog.views[name], store)
        else:
            _check_changes(folder, catalog, catalog.views[name], store, known, verified)
    return catalog


def _check_files(folder: Path, catalog: Catalog) -> None:
    stores = [store for _, store in catalog.all_stores().values()]
    known = {CATALOG_FILE, *(name for store in stores for name in store.files)}
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


def _check_whole(folder: Path, catalog: Catalog, view: CatalogView, store: Store) -> None:
    searched = check_store(folder, view, store)
    if catalog.index is not None and store.index_table:
        keys = set(_chunk_keys(folder, catalog.index, store.index_table))
        where = f"{catalog.index.folder}/{store.index_table}"
        if keys - searched.keys():
            raise PublishError(f"{where} holds rows that the view does not")
        _refuse_missing(where, searched, keys)


def _check_changes(
    folder: Path,
    catalog: Catalog,
    view: CatalogView,
    store: Store,
    known: int,
    verified: Verified,
) -> None:
    changes = Changes({}, set())
    if known != ALL_KNOWN:
        changes = check_changes(folder, view, store, known)
    table = store.index_table
    if catalog.index is None or table is None:
        return
    where = f"{catalog.index.folder}/{table}"
    words = f"{catalog.index.folder}/{words_file(table)}"
    if not verified.has(folder, [f"{where}.lance", words]):
        keys = set(_chunk_keys(folder, catalog.index, table, [*changes.searched, *changes.gone]))
        if keys & changes.gone:
            raise PublishError(f"{where} holds rows that the view does not")
        _refuse_missing(where, changes.searched, keys)


def _is_new(catalog: Catalog, store: Store) -> bool:
    """Whether a store's index was written whole, so that all of its rows are asked for."""
    build = catalog.index.builds.get(store.index_table or "") if catalog.index else None
    return build is not None and build.written_in == catalog.snapshot_id


def _refuse_missing(where: str, searched: dict[str, bool], keys: set[str]) -> None:
    if {key for key, has_text in searched.items() if has_text} - keys:
        raise PublishError(f"{where} lacks rows of the view")


def _chunk_keys(
    folder: Path, index: IndexInfo, table: str, asked: list[str] | None = None
) -> list[str]:
    """Return the key of each chunk, or of those of some keys; the number of all is compared."""
    where = f"{index.folder}/{table}"
    try:
        stored = lancedb.connect(folder / index.folder).open_table(table)
        count = stored.count_rows()
        search = stored.search().select(["key_text"])
        if asked:
            search = search.where(col("key_text").isin(asked))
        keys: list[str] = [] if asked == [] else search.to_arrow()["key_text"].to_pylist()
    except (ValueError, OSError, RuntimeError) as error:
        raise PublishError(f"{where} does not open") from error
    if count != index.chunks[table]:
        raise PublishError(f"{where} has {count} chunks, the catalog says {index.chunks[table]}")
    return keys
