"""Since when a source fails, kept beside the warehouse until a load succeeds."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError


class Failure(BaseModel):
    """Loads that failed one after the other: since when, how many, and why the last one did."""

    model_config = ConfigDict(frozen=True)

    since: datetime
    loads: int
    reason: str

    @property
    def duration(self) -> str:
        """When that began, and how many loads ago."""
        times = "the last load" if self.loads == 1 else f"{self.loads:,} loads in a row"
        return f"failing since {self.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC ({times})"


def note_failure(home: Path, source: str, reason: str) -> Failure:
    """Note that a load failed now, and return it with those before it."""
    before = last_failure(home, source)
    failure = Failure(
        since=before.since if before else datetime.now(UTC),
        loads=before.loads + 1 if before else 1,
        reason=reason,
    )
    # A disk that is full must not hide that it is.
    with suppress(OSError):
        _file(home, source).write_text(failure.model_dump_json(), encoding="utf-8")
    return failure


def forget_failure(home: Path, source: str) -> None:
    """Note that a load succeeded."""
    _file(home, source).unlink(missing_ok=True)


def last_failure(home: Path, source: str) -> Failure | None:
    """How a source fails now; None where its last load succeeded, or died while it wrote this."""
    file = _file(home, source)
    try:
        return Failure.model_validate_json(file.read_bytes()) if file.exists() else None
    except ValidationError:
        return None


def _file(home: Path, source: str) -> Path:
    return home / "dlt" / f"{source}.failure"
