"""The audit log: every call, answered or refused, chained by hashes before its answer leaves.

call -> <home>/audit/<UTC day>.jsonl, head   see chain.py

What may tell of a person can be erased: arguments, trace, purpose and the hash of the rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from serving import chain
from serving.chain import GENESIS, HEAD_FILE, ChainedLog, VerifyReport
from serving.errors import ServingError

__all__ = [
    "GENESIS",
    "HEAD_FILE",
    "AuditLog",
    "Entry",
    "Erasable",
    "VerifyReport",
    "audit_folder",
    "calls",
    "expire",
    "find_call",
    "latest",
    "verify",
]


# Of an id, which is random: enough to mean one call.
FEWEST_LETTERS = 8


def audit_folder(home: Path) -> Path:
    """The folder of the log's files."""
    return home / "audit"


@dataclass(kw_only=True)
class Erasable:
    """What is kept of one call until a person whom it may name is erased; already masked.

    ``rows_sha256`` covers the rows of the answer in any order, so that a replay can be compared.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    trace: str | None = None
    purpose: str | None = None
    rows_sha256: str | None = None


@dataclass(kw_only=True)
class Entry:
    """What is kept of one call for good; not frozen, as that costs 4 us of each call.

    ``bytes`` are those of the rows as JSON. ``asked_at`` is the instant for which ages are told.
    ``arguments_masked`` says that the arguments are not quite those that were sent.
    """

    query_id: str
    agent: str | None
    surface: str
    tool: str
    tables: list[str] = field(default_factory=list)
    columns: dict[str, list[str]] = field(default_factory=dict)
    rows: int = 0
    bytes: int = 0
    elapsed_ms: float = 0.0
    asked_at: datetime | None = None
    snapshot_id: str | None = None
    freshness: str | None = None
    stale_tables: list[str] = field(default_factory=list)
    cache: str | None = None
    verdict: str = "answered"
    code: str | None = None
    error_type: str | None = None
    arguments_masked: bool = False
    erasable: Erasable = field(default_factory=Erasable)


class AuditLog:
    """Appends to one home's log; any number of threads and processes may do so at once."""

    def __init__(self, home: Path) -> None:
        self._log = ChainedLog(audit_folder(home))

    def append(self, entry: Entry) -> None:
        """Write one line; when this returns, a kill of this process no longer loses it."""
        record = dict(vars(entry))
        erasable: Erasable = record.pop("erasable")
        self._log.append(record, vars(erasable))

    def close(self) -> None:
        """Let go of the files."""
        self._log.close()


def verify(home: Path, anchor: str | None = None) -> VerifyReport:
    """Walk the whole chain; every edited, missing or moved record is a problem in words.

    ``anchor`` is the ``SEQ:HASH`` of an earlier report: that record must still be as it was.
    """
    return chain.verify(audit_folder(home), anchor)


def calls(home: Path) -> Iterator[dict[str, Any]]:
    """Yield the calls that check, oldest first, as they were written."""
    return (record for record in chain.records(audit_folder(home)) if "query_id" in record)


def latest(
    home: Path, most: int, wanted: Callable[[dict[str, Any]], bool] = lambda call: True
) -> list[dict[str, Any]]:
    """Return the last calls that are ``wanted``, oldest first."""
    return chain.newest(
        audit_folder(home), lambda record: "query_id" in record and wanted(record), most
    )


def find_call(home: Path, query_id: str) -> dict[str, Any]:
    """Return one call by its id, or by the first letters of it; ServingError where none is meant.

    Without a whole id the call is the last one that it fits.
    """
    found = chain.newest(
        audit_folder(home),
        lambda record: str(record.get("query_id", "")).startswith(query_id),
        most=1,
        holding=query_id.encode("utf-8", "replace"),
    )
    if len(query_id) < FEWEST_LETTERS or not found:
        raise ServingError(
            "the log has no such call: it never was, or its day has expired; "
            "`grounded audit` lists the last ones"
        )
    return found[0]


def expire(home: Path, keep: timedelta) -> list[str]:
    """Remove the days that ended longer ago than ``keep``, under a checkpoint; return them.

    ServingError where the log is not intact.
    """
    return chain.expire(audit_folder(home), (datetime.now(UTC) - keep).date().isoformat())
