"""What a running erasure has done, so that a killed one can be finished; one at a time.

<home>/erasure/journal.json   the person's values in it are sealed; gone when the receipt is written
"""

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from cryptography.fernet import Fernet
from pydantic import BaseModel, ConfigDict

from ingestion.erasure.keys import ErasureKey
from ingestion.erasure.person import Value
from ingestion.erasure.relations import erasure_folder
from serving.snapshot_store import sync, write_durably

Step = Literal["marked", "erased", "rewritten", "rebuilt", "audited", "withdrawn", "cleaned"]


class Sealed(BaseModel):
    """What the later steps look for: never written but sealed."""

    key: list[str]
    values: list[tuple[str, str]] = []
    pseudonyms: list[str] = []

    @property
    def searched(self) -> list[Value]:
        """The values that can be told from anything else."""
        return [Value(privacy, text) for privacy, text in self.values]


class Journal(BaseModel):
    """One erasure on its way; ``facts`` become parts of its receipt."""

    model_config = ConfigDict(extra="forbid")

    erasure_id: str
    subject: str
    key_mark: str
    key_id: str
    reason: str
    asked_by: str
    asked_at: str
    sealed: str
    done: list[Step] = []
    facts: dict[str, Any] = {}

    def finish(self, home: Path, *steps: Step, **facts: Any) -> None:
        """Remember durably that steps are done; what is known already is not written again."""
        if steps or facts != {name: self.facts.get(name) for name in facts}:
            self.done += steps
            self.facts |= facts
            write_journal(home, self)

    def repeat(self, home: Path, *steps: Step) -> None:
        """Remember that steps must be done again."""
        self.done = [step for step in self.done if step not in steps]
        write_journal(home, self)


def seal(key: ErasureKey, content: Sealed) -> str:
    """Encrypt by the erasure key."""
    return _fernet(key).encrypt(content.model_dump_json().encode()).decode()


def unseal(keys: Iterable[ErasureKey], journal: Journal) -> Sealed:
    """Decrypt a journal's sealed part by the key that made it; KeyError where it is unknown."""
    by_id = {key.key_id: key for key in keys}
    plain = _fernet(by_id[journal.key_id]).decrypt(journal.sealed.encode())
    return Sealed.model_validate(json.loads(plain))


def _fernet(key: ErasureKey) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(key.secret[:32]))


def journal_path(home: Path) -> Path:
    """The journal's file."""
    return erasure_folder(home) / "journal.json"


def read_journal(home: Path) -> Journal | None:
    """The erasure that was interrupted, None where none was."""
    path = journal_path(home)
    return Journal.model_validate_json(path.read_bytes()) if path.exists() else None


def write_journal(home: Path, journal: Journal) -> None:
    """Write it whole or not at all."""
    journal_path(home).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_durably(journal_path(home), journal.model_dump_json(indent=2))


def remove_journal(home: Path) -> None:
    """The erasure is done and its receipt is durable."""
    journal_path(home).unlink(missing_ok=True)
    sync(erasure_folder(home))
