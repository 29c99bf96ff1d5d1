"""Publishes: builds a candidate beside the snapshot that answers, checks it and promotes it.

export_views -> build_index -> verify -> promote
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from serving.candidate import Candidate, discard, open_candidate, sweep
from serving.declarations import Declarations
from serving.embedder import Embedder
from serving.errors import PublishError
from serving.index import build_index
from serving.layout import building_folder, published_folder, snapshot_folder
from serving.snapshot_build import Progress, export_views
from serving.snapshot_store import (
    MINIMUM_AGE,
    Pointer,
    SnapshotInfo,
    current,
    current_id,
    expire,
    list_snapshots,
    open_snapshot,
    point_to,
    publish_lock,
    read_catalog,
    read_pointer,
    remove_orphans,
    rollback,
    sync,
)
from serving.snapshot_verify import verify

__all__ = [
    "MINIMUM_AGE",
    "Candidate",
    "Pointer",
    "Progress",
    "SnapshotInfo",
    "build",
    "build_index",
    "current",
    "current_id",
    "discard",
    "expire",
    "export_views",
    "list_snapshots",
    "open_candidate",
    "open_snapshot",
    "promote",
    "rollback",
    "sweep",
    "verify",
]

_SYNCED_AT_ONCE = 8


def build(
    home: Path,
    declarations: Declarations,
    *,
    embedder: Embedder,
    on_progress: Progress | None = None,
) -> Candidate:
    """Write a whole candidate; the caller holds the warehouse's writer lock, then verifies it."""
    candidate = export_views(home, declarations, on_progress)
    try:
        build_index(candidate, declarations, embedder, on_progress)
    except BaseException:
        discard(candidate)
        raise
    return candidate


def promote(home: Path, candidate: Candidate) -> str:
    """Let a verified candidate answer from now on and return its id.

    Killed anywhere, the old snapshot answers or the new one does; PublishError where a newer
    snapshot was promoted meanwhile.
    """
    read_catalog(candidate.folder)
    _sync_tree(candidate.folder)
    with publish_lock(home):
        pointer = read_pointer(home)
        newest = max([pointer.snapshot_id, *pointer.released]) if pointer else ""
        if newest > candidate.snapshot_id:
            discard(candidate)
            raise PublishError("a newer snapshot was promoted meanwhile; nothing is lost")
        remove_orphans(home)
        target = snapshot_folder(home, candidate.snapshot_id)
        target.parent.mkdir(parents=True, exist_ok=True)
        candidate.folder.rename(target)
        sync(target.parent)
        sync(building_folder(home))
        point_to(home, candidate.snapshot_id)
        sync(published_folder(home))
    discard(candidate)
    return candidate.snapshot_id


def _sync_tree(folder: Path) -> None:
    """Make files and names durable, together: the file system writes its journal once for many."""
    paths = [path for path in (folder, *folder.rglob("*")) if _is_own(path)]
    with ThreadPoolExecutor(_SYNCED_AT_ONCE) as pool:
        list(pool.map(sync, paths))


def _is_own(path: Path) -> bool:
    """Whether it is new: what another snapshot has a link to was made durable with that one."""
    return path.is_dir() or path.stat().st_nlink == 1
