"""Changes over to another privacy key, so that the old one opens nothing that is published.

new key -> all models -> a snapshot that shares no file -> compared -> older snapshots deleted

What is done is written down before the next step begins; a killed rotation is finished by the same
command. From its first step on every process that still has the old key is refused.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from ingestion.erasure.keys import retire
from ingestion.erasure.relations import erasure_folder
from orchestration.errors import RotationError, SettingsError
from orchestration.key_store import (
    demo_key,
    key_id,
    record_id,
    recorded_id,
    secrets_folder,
    write_secret,
)
from orchestration.resources import (
    KEY_VARIABLE,
    OLD_KEY_VARIABLE,
    Settings,
    privacy_key,
    retired_privacy_key,
    uses_demo_key,
)
from orchestration.run import rebuild
from orchestration.run_log import Progress
from serving.candidate import sweep
from serving.privacy.pseudonyms import Comparison, compare_pseudonyms
from serving.snapshot_store import read_pointer, snapshot_ids, withdraw

PATIENCE_S = 60.0
_JOURNAL = "rotation.json"
_NEXT_DEMO_KEY = "privacy_key.next"


class _Journal(BaseModel):
    """A rotation on its way; ids of keys, never keys."""

    model_config = ConfigDict(extra="forbid")

    key_id: str
    before: str | None
    published: str | None = None


@dataclass(frozen=True)
class Rotation:
    """What a rotation did; snapshots are None where nothing was published before."""

    snapshot_id: str | None
    old_pseudonyms: int
    new_pseudonyms: int
    withdrawn: list[str]
    forced: list[str]


def rotate(settings: Settings, progress: Progress, patience_s: float = PATIENCE_S) -> Rotation:
    """Finish the rotation that was interrupted, or begin one.

    SettingsError says which key to set; RotationError why nothing new was published.
    """
    home = settings.home
    with _alone(home):
        journal = _read(home) or _begin(settings)
        _switch(settings, journal)
        if journal.before is None:
            _end(home)
            return Rotation(None, 0, 0, [], [])
        if journal.published is None or journal.published != _current(home):
            journal = _republish(settings, journal, progress)
        assert journal.published is not None
        older = [name for name in snapshot_ids(home) if name != journal.published]
        progress.note(f"looking for pseudonyms of {len(older)} older snapshots in the new one")
        compared = compare_pseudonyms(home, journal.published, older)
        if compared.shared:
            _write(home, journal.model_copy(update={"published": None}))
            raise RotationError(_still_there(journal.published, compared))
        progress.note(f"deleting {len(older)} older snapshots, once nobody reads them")
        sweep(home)
        gone = withdraw(home, older, patience_s)
        _end(home)
        return Rotation(
            journal.published, compared.old, compared.new, gone.snapshot_ids, gone.forced
        )


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    try:
        with FileLock(secrets_folder(home) / "rotation.lock", timeout=0):
            yield
    except Timeout as error:
        raise RotationError("another process is rotating the key here; wait for it") from error


def _begin(settings: Settings) -> _Journal:
    home = settings.home
    if uses_demo_key(settings):
        old: str | None = demo_key(home)
        new = secrets.token_hex(32)
    else:
        new = privacy_key(settings)
        old = _old_key(home, new)
    if old is not None:
        retire(home, old)
    if uses_demo_key(settings):
        write_secret(secrets_folder(home) / _NEXT_DEMO_KEY, new)
    journal = _Journal(key_id=key_id(new), before=_current(home))
    _write(home, journal)
    return journal


def _old_key(home: Path, new: str) -> str | None:
    """Return the key before, which is needed only for the marks of people who were erased."""
    recorded = recorded_id(home)
    if recorded == key_id(new):
        raise SettingsError(
            f"{KEY_VARIABLE} is the key that is in use. To rotate it, set it to a new one where it "
            "comes from, for example the output of `openssl rand -hex 32`, and type this again"
        )
    old = retired_privacy_key()
    if not erasure_folder(home).is_dir():
        return old
    if old is None or key_id(old) != recorded:
        raise SettingsError(
            "people were erased here, and the marks that keep them out need the key before: set "
            f"{OLD_KEY_VARIABLE} to it for this one command"
        )
    return old


def _switch(settings: Settings, journal: _Journal) -> None:
    home = settings.home
    following = secrets_folder(home) / _NEXT_DEMO_KEY
    if uses_demo_key(settings) and following.exists():
        following.replace(following.with_name("privacy_key"))
    if key_id(privacy_key(settings)) != journal.key_id:
        raise SettingsError(
            f"a rotation to another key is under way; set {KEY_VARIABLE} to the key that it began "
            "with and type this again"
        )
    record_id(home, journal.key_id)


def _republish(settings: Settings, journal: _Journal, progress: Progress) -> _Journal:
    home, before = settings.home, _current(settings.home)
    failures = rebuild(settings, progress)
    published = _current(home)
    if failures or published is None or published == before:
        raise RotationError(
            "the key is changed, but what is published still has pseudonyms of the old one: "
            f"{'; '.join(failures) or 'nothing new was published'}. Mend that, then type the same "
            "command again: it goes on from here"
        )
    journal = journal.model_copy(update={"published": published})
    _write(home, journal)
    return journal


def _still_there(published: str, compared: Comparison) -> str:
    places = ", ".join(f"{file} ({count:,})" for file, count in compared.shared.items())
    return (
        f"snapshot {published} still has pseudonyms of an older snapshot in {places}; nothing was "
        "deleted. A model that keeps rows between builds does that: drop its table, then type the "
        "same command again"
    )


def _current(home: Path) -> str | None:
    pointer = read_pointer(home)
    return pointer.snapshot_id if pointer else None


def _read(home: Path) -> _Journal | None:
    path = secrets_folder(home) / _JOURNAL
    if not path.is_file():
        return None
    try:
        return _Journal.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise RotationError(f"{path.name} does not parse; nothing was changed") from error


def _write(home: Path, journal: _Journal) -> None:
    write_secret(secrets_folder(home) / _JOURNAL, journal.model_dump_json())


def _end(home: Path) -> None:
    (secrets_folder(home) / _JOURNAL).unlink()
