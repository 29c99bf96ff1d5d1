"""Candidates: snapshots that are being built, each held by the process that builds it.

published/building/<id>/ and <id>.lock -> promoted, discarded, or swept after a kill
"""

import secrets
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from serving.catalog import Catalog
from serving.errors import PublishError
from serving.layout import (
    DRAFT_FILE,
    SNAPSHOT_ID,
    SNAPSHOTS,
    VIEWS,
    building_folder,
    published_folder,
)
from serving.snapshot_store import publish_lock, read_catalog

_ID_TIME = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Candidate:
    """A snapshot that is being built; its lock tells other publishers that it is alive."""

    home: Path
    snapshot_id: str
    lock: FileLock = field(repr=False, compare=False)

    @property
    def folder(self) -> Path:
        """The folder under ``building/``."""
        return building_folder(self.home) / self.snapshot_id

    def catalog(self) -> Catalog:
        """Return the catalog: the draft until the index is built, then the final one."""
        draft = self.folder / DRAFT_FILE
        if draft.is_file():
            return Catalog.model_validate_json(draft.read_bytes())
        return read_catalog(self.folder)


def new_candidate(home: Path) -> Candidate:
    """Return an empty candidate under a new id; what killed publishers left is swept first."""
    with publish_lock(home):
        sweep(home)
        snapshot_id = _new_id(home)
        lock = _candidate_lock(home, snapshot_id)
        building_folder(home).mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
        candidate = Candidate(home, snapshot_id, lock)
        (candidate.folder / VIEWS).mkdir(parents=True)
    return candidate


def open_candidate(home: Path, snapshot_id: str) -> Candidate:
    """Return a candidate that another step has begun; PublishError where it was swept."""
    candidate = Candidate(home, snapshot_id, _candidate_lock(home, snapshot_id))
    if not candidate.folder.is_dir():
        raise PublishError(f"candidate {snapshot_id} is gone; run the publish again")
    try:
        candidate.lock.acquire(timeout=0)
    except Timeout as error:
        raise PublishError(f"candidate {snapshot_id} is in use by another process") from error
    return candidate


def discard(candidate: Candidate) -> None:
    """Delete a candidate that will not be promoted, and all that its making left."""
    for suffix in ("", ".tmp", ".expired"):
        leftover = candidate.folder.with_name(candidate.folder.name + suffix)
        shutil.rmtree(leftover, ignore_errors=True)
    candidate.lock.release()
    Path(candidate.lock.lock_file).unlink(missing_ok=True)


def sweep(home: Path) -> list[str]:
    """Delete what killed publishers left behind and return the names; live ones hold a lock."""
    folder = building_folder(home)
    return [name for name in sorted(_ids_in(folder)) if _swept(home, name)]


def _ids_in(folder: Path) -> set[str]:
    """Return the ids that names in a folder begin with: of candidates, their locks, leftovers."""
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return {found[0] for name in names if (found := SNAPSHOT_ID.match(name))}


def _swept(home: Path, snapshot_id: str) -> bool:
    candidate = Candidate(home, snapshot_id, _candidate_lock(home, snapshot_id))
    try:
        candidate.lock.acquire(timeout=0)
    except Timeout:
        return False
    discard(candidate)
    return True


def _candidate_lock(home: Path, snapshot_id: str) -> FileLock:
    # Not bound to the thread: Dagster may run the steps of one run on several.
    return FileLock(building_folder(home) / f"{snapshot_id}.lock", thread_local=False)


def _new_id(home: Path) -> str:
    """Return an id above all others, also when the clock was set back."""
    now = datetime.now(UTC)
    ids = _ids_in(published_folder(home) / SNAPSHOTS) | _ids_in(building_folder(home))
    if ids:
        now = max(now, _time_of(max(ids)) + timedelta(microseconds=1))
    return f"{now.strftime(_ID_TIME)}-{now.microsecond:05x}{secrets.token_hex(1)[0]}"


def _time_of(snapshot_id: str) -> datetime:
    """Return when an id was given; five digits of its last part are the microseconds."""
    second, _, rest = snapshot_id.partition("-")
    microsecond = min(int(rest[:5], 16), 999_999)
    return datetime.strptime(second, _ID_TIME).replace(tzinfo=UTC, microsecond=microsecond)
