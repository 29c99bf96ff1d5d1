"""The marks of erased people: keyed hashes by domain, in one file outside the warehouse.

<home>/erasure/marks.jsonl   a line an erasure, domain and key; no plain value

The file outlives the warehouse, so that a first load from nothing cannot bring anybody back.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ValidationError

from ingestion.erasure.keys import ErasureKey, known_keys
from ingestion.erasure.relations import erasure_folder
from ingestion.errors import MissingErasureKey

MARKS_FILE = "marks.jsonl"


@dataclass(frozen=True)
class Marks:
    """Marks by domain and key id, with the keys that made them; ``present`` makes new ones."""

    keys: Mapping[str, ErasureKey]
    by_domain: dict[str, dict[str, set[str]]] = field(default_factory=dict)

    @property
    def present(self) -> ErasureKey:
        """The key of new marks."""
        return list(self.keys.values())[-1]

    def of(self, domain: str) -> dict[str, set[str]]:
        """The marks of one domain by the id of the key that made them."""
        return self.by_domain.get(domain, {})

    def has(self, domain: str, parts: list[str]) -> bool:
        """Whether these normalised values are marked in a domain."""
        return any(
            self.keys[key_id].mark(domain, parts) in found
            for key_id, found in self.of(domain).items()
        )

    def of_present_key(self) -> dict[str, set[str]]:
        """The marks that the present key made, by domain."""
        own = self.present.key_id
        return {domain: found.get(own, set()) for domain, found in self.by_domain.items()}

    def add(self, domain: str, marks: set[str]) -> set[str]:
        """Take in marks of the present key; return those that are new."""
        known = self.by_domain.setdefault(domain, {}).setdefault(self.present.key_id, set())
        new = marks - known
        known |= new
        return new


def read_marks(home: Path) -> Marks | None:
    """Return all marks, None where nobody was erased.

    MissingErasureKey where a key that made some of them is not known: nothing may be loaded then,
    because the filter would let the erased in.
    """
    path = erasure_folder(home) / MARKS_FILE
    if not path.exists():
        return None
    found: dict[str, dict[str, set[str]]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        read = _parsed(line)
        if read is not None:
            of_domain = found.setdefault(read.domain, {})
            of_domain.setdefault(read.key_id, set()).update(read.marks)
    keys = known_keys(home)
    unknown = {key_id for domain in found.values() for key_id in domain} - keys.keys()
    if unknown:
        raise MissingErasureKey(
            "people were erased under a privacy key that is not set here, so nothing is loaded: "
            "they would come back. Set GROUNDED_PRIVACY_KEY to that key and load with `grounded`"
        )
    return Marks(keys, found)


def append_marks(home: Path, key: ErasureKey, marks: Mapping[str, set[str]]) -> None:
    """Make marks durable before anything depends on them."""
    lines = [
        _Line(domain=domain, key_id=key.key_id, marks=sorted(found)).model_dump_json()
        for domain, found in sorted(marks.items())
        if found
    ]
    if not lines:
        return
    folder = erasure_folder(home)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(folder / "marks.lock"):
        path = folder / MARKS_FILE
        with path.open("a", encoding="utf-8") as file:
            # A line that a kill left torn is closed off.
            file.write("\n" + "\n".join(lines) + "\n")
            file.flush()
            os.fsync(file.fileno())


class _Line(BaseModel):
    domain: str
    key_id: str
    marks: list[str]


def _parsed(line: str) -> _Line | None:
    """One line; None for an empty or torn one, whose writer was killed before it went on."""
    try:
        return _Line.model_validate_json(line)
    except ValidationError:
        return None
