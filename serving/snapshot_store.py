"""Which snapshots there are and which one answers: pointer, list, rollback, retention.

published/current.json -> snapshots/<id>/catalog.json
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from serving.catalog import CATALOG_FILE, Catalog
from serving.errors import NoSnapshot, PublishError, SnapshotExpired
from serving.layout import (
    LOCK_FILE,
    SNAPSHOT_ID,
    SNAPSHOTS,
    building_folder,
    pointer_path,
    published_folder,
    snapshot_folder,
)

# A reader opens a snapshot's files while it answers; its longest answer is far shorter than this.
MINIMUM_AGE = timedelta(minutes=10)
_LOCK_SECONDS = 120.0
_WITHDRAWN = ".withdrawn"
_LOOK_S = 0.05
# One publish asks for two of them several times.
_KEPT_CATALOGS = 4


class Pointer(BaseModel):
    """``current.json``; ``released`` tells when each earlier snapshot stopped to answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    snapshot_id: str
    promoted_at: datetime
    released: dict[str, datetime] = {}


@dataclass(frozen=True, kw_only=True)
class SnapshotInfo:
    """One line of ``grounded snapshots``; ``size_bytes`` counts shared files in full."""

    snapshot_id: str
    created_at: datetime
    is_current: bool
    views: int
    rows: int
    size_bytes: int
    chunks: int


@dataclass(frozen=True)
class Withdrawn:
    """The snapshots that were deleted, and those that somebody read to the end of the wait."""

    snapshot_ids: list[str]
    forced: list[str]


def current_id(home: Path) -> str:
    """Return the id of the snapshot that answers; NoSnapshot where nothing is published."""
    pointer = read_pointer(home)
    if pointer is None:
        raise NoSnapshot("nothing is published yet; run `grounded run`")
    return pointer.snapshot_id


def current(home: Path) -> tuple[Path, Catalog]:
    """Return the folder and the catalog of the snapshot that answers."""
    return open_snapshot(home, current_id(home))


def open_snapshot(home: Path, snapshot_id: str) -> tuple[Path, Catalog]:
    """Return folder and catalog of one snapshot; NoSnapshot where it has expired or never was."""
    folder = snapshot_folder(home, snapshot_id)
    catalog = folder / CATALOG_FILE
    if not SNAPSHOT_ID.fullmatch(snapshot_id) or not catalog.is_file():
        raise SnapshotExpired
    try:
        return folder, read_catalog(folder)
    except PublishError:
        # Deleted between the two looks.
        if not catalog.is_file():
            raise SnapshotExpired from None
        raise


def read_catalog(folder: Path) -> Catalog:
    """Return the catalog in this folder; PublishError where it is missing or does not parse."""
    try:
        with (folder / CATALOG_FILE).open("rb") as file:
            return _parsed(_Contents(file))
    except FileNotFoundError as error:
        raise PublishError(f"snapshot {folder.name} has no {CATALOG_FILE}") from error
    except ValidationError as error:
        raise PublishError(f"snapshot {folder.name}: {CATALOG_FILE} does not parse") from error


class _Contents:
    """An open file that equals another where it is the same and has not been written since."""

    def __init__(self, file: BinaryIO) -> None:
        stat = os.fstat(file.fileno())
        self._identity = (stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size)
        self.read = file.read

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Contents) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)


@lru_cache(maxsize=_KEPT_CATALOGS)
def _parsed(contents: _Contents) -> Catalog:
    return Catalog.model_validate_json(contents.read())


def read_pointer(home: Path) -> Pointer | None:
    """Return the pointer, None where nothing was ever promoted; PublishError for a damaged one."""
    path = pointer_path(home)
    try:
        return Pointer.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise PublishError(
            f"{path} does not parse: restore it, or remove it and publish by `grounded run`"
        ) from None


def list_snapshots(home: Path) -> list[SnapshotInfo]:
    """Return the promoted snapshots, newest first."""
    pointer = read_pointer(home)
    if pointer is None:
        return []
    known = {pointer.snapshot_id, *pointer.released}
    return [_info(home, name, pointer) for name in reversed(_ids(home)) if name in known]


def _info(home: Path, snapshot_id: str, pointer: Pointer) -> SnapshotInfo:
    folder, catalog = open_snapshot(home, snapshot_id)
    return SnapshotInfo(
        snapshot_id=snapshot_id,
        created_at=catalog.created_at,
        is_current=snapshot_id == pointer.snapshot_id,
        views=len(catalog.views),
        rows=sum(store.rows for store in catalog.stores.values()),
        size_bytes=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        chunks=sum(catalog.index.chunks[view] for view in catalog.stores if _indexed(catalog, view))
        if catalog.index
        else 0,
    )


def _indexed(catalog: Catalog, view: str) -> bool:
    return catalog.index is not None and view in catalog.index.chunks


def rollback(home: Path, snapshot_id: str | None = None) -> str:
    """Let an earlier snapshot answer again, by default the one before; return its id."""
    with publish_lock(home):
        pointer = read_pointer(home)
        if pointer is None:
            raise NoSnapshot("nothing is published yet; run `grounded run`")
        known = [name for name in _ids(home) if name in pointer.released]
        target = snapshot_id or next(
            (name for name in reversed(known) if name < pointer.snapshot_id), None
        )
        if target is None:
            raise NoSnapshot(
                "there is no earlier snapshot; `grounded snapshots` lists what there is"
            )
        if target == pointer.snapshot_id:
            return target
        if target not in known:
            raise NoSnapshot("no such snapshot; `grounded snapshots` lists what there is")
        open_snapshot(home, target)
        point_to(home, target)
        return target


def point_to(home: Path, snapshot_id: str) -> None:
    """Replace the pointer atomically and durably; the caller holds the publish lock."""
    now = datetime.now(UTC)
    before = read_pointer(home)
    released = dict(before.released) if before else {}
    if before:
        released[before.snapshot_id] = now
    released.pop(snapshot_id, None)
    present = set(_ids(home))
    pointer = Pointer(
        snapshot_id=snapshot_id,
        promoted_at=now,
        released={name: at for name, at in released.items() if name in present},
    )
    write_durably(pointer_path(home), pointer.model_dump_json(indent=2))


def expire(
    home: Path,
    keep: int = 5,
    minimum_age: timedelta = MINIMUM_AGE,
    spacing: timedelta = timedelta(0),
) -> list[str]:
    """Delete all but the newest ``keep`` snapshots and return the ids of the deleted.

    The current one stays, and so does one that answered less than ``minimum_age`` ago, of those
    one in each ``spacing``; and one that any process reads or has pinned: the lock of a process
    that died is gone with it.
    """
    with publish_lock(home):
        pointer = read_pointer(home)
        if pointer is None:
            return []
        youngest = datetime.now(UTC) - minimum_age
        kept = {pointer.snapshot_id, *(_ids(home)[-keep:] if keep > 0 else ())}
        young = {name: at for name, at in sorted(pointer.released.items()) if at > youngest}
        kept |= _spaced(young, spacing)
        return [name for name in _ids(home) if name not in kept and _removed_unread(home, name)]


def _spaced(released: Mapping[str, datetime], spacing: timedelta) -> set[str]:
    """Return the first of each stretch of time, all where there is no spacing."""
    if not spacing:
        return set(released)
    first: dict[int, str] = {}
    for name, at in released.items():
        first.setdefault(int(at.timestamp() // spacing.total_seconds()), name)
    return set(first.values())


def remove_orphans(home: Path) -> None:
    """Delete snapshots that were never promoted: a kill between rename and pointer leaves one."""
    pointer = read_pointer(home)
    known = {pointer.snapshot_id, *pointer.released} if pointer else set()
    for name in _ids(home):
        if name not in known:
            _remove(home, name)


def withdraw(home: Path, snapshot_ids: Sequence[str], patience_s: float) -> Withdrawn:
    """Delete snapshots although they are young or pinned, so that no byte of them stays.

    They are out of sight at once: nobody can open them. Then their readers are waited for, all
    together for at most ``patience_s``; files of those still being read are emptied in place, so
    that their readers fail and their bytes are gone. The current snapshot is refused.
    """
    with publish_lock(home):
        pointer = read_pointer(home)
        if pointer is not None and pointer.snapshot_id in snapshot_ids:
            raise PublishError(f"snapshot {pointer.snapshot_id} answers now and cannot be deleted")
        doomed = [
            _hide(home, name) for name in snapshot_ids if snapshot_folder(home, name).is_dir()
        ]
    # What an earlier, killed withdrawal had hidden belongs to it too.
    hidden = {*doomed, *building_folder(home).glob(f"*{_WITHDRAWN}")}
    until = time.monotonic() + patience_s
    forced = []
    for folder in sorted(hidden):
        if not _unread(folder, until):
            forced.append(folder.name.removesuffix(_WITHDRAWN))
            for file in folder.rglob("*"):
                if file.is_file():
                    os.truncate(file, 0)
        shutil.rmtree(folder)
    return Withdrawn([folder.name.removesuffix(_WITHDRAWN) for folder in sorted(hidden)], forced)


def _hide(home: Path, snapshot_id: str) -> Path:
    doomed = building_folder(home) / f"{snapshot_id}{_WITHDRAWN}"
    doomed.parent.mkdir(parents=True, exist_ok=True)
    snapshot_folder(home, snapshot_id).rename(doomed)
    return doomed


def _unread(folder: Path, until: float) -> bool:
    """Wait until nobody holds a snapshot; False where somebody still does at the end."""
    catalog = folder / CATALOG_FILE
    if not catalog.is_file():
        return True
    with catalog.open("rb") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    return False
                time.sleep(_LOOK_S)
            else:
                return True


def _removed_unread(home: Path, snapshot_id: str) -> bool:
    """Delete a snapshot, or leave it where somebody holds it; a reader who comes now is refused."""
    path = snapshot_folder(home, snapshot_id) / CATALOG_FILE
    # Without its catalog nobody can open it.
    with path.open("rb") if path.is_file() else nullcontext() as catalog:
        try:
            if catalog is not None:
                fcntl.flock(catalog, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        _remove(home, snapshot_id)
        return True


def _remove(home: Path, snapshot_id: str) -> None:
    # First out of sight in one step, so that a kill leaves no half snapshot among the whole ones.
    doomed = building_folder(home) / f"{snapshot_id}.expired"
    doomed.parent.mkdir(parents=True, exist_ok=True)
    snapshot_folder(home, snapshot_id).rename(doomed)
    shutil.rmtree(doomed)


def snapshot_ids(home: Path) -> list[str]:
    """Return the ids of all snapshot folders, oldest first, promoted or not."""
    return _ids(home)


def _ids(home: Path) -> list[str]:
    folder = published_folder(home) / SNAPSHOTS
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if SNAPSHOT_ID.fullmatch(entry.name))


@contextmanager
def publish_lock(home: Path) -> Iterator[None]:
    """Let one process at a time change the pointer or the set of snapshots."""
    path = published_folder(home) / LOCK_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path, timeout=_LOCK_SECONDS):
            yield
    except Timeout as error:
        raise PublishError(
            f"another process has held {LOCK_FILE} for {_LOCK_SECONDS:.0f} s; "
            "try again when it ends"
        ) from error


def write_durably(path: Path, text: str) -> None:
    """Write a whole file or none of it, also when the power fails."""
    draft = path.with_name(f"{path.name}.new")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
