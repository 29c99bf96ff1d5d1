"""The audit log: every call, answered or refused, chained by hashes before its answer leaves.

call -> <home>/audit/<UTC day>.jsonl, head   see chain.py

What may tell of a person can be erased: arguments, trace, purpose and the hash of the rows.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NotRequired, TypedDict

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


class Erasable(TypedDict, total=False):
    """What is kept of one call until a person whom it may name is erased; already masked.

    ``rows_sha256`` covers the rows of the answer in any order, so that a replay can be compared.
    """

    arguments: Mapping[str, Any]
    trace: str | None
    purpose: str | None
    rows_sha256: str | None


class Entry(TypedDict):
    """What is kept of one call for good; a dictionary, as an object costs 4 us of each call.

    ``bytes`` are those of the rows as JSON. ``asked_at`` is the instant for which ages are told.
    ``arguments_masked`` says that the arguments are not quite those that were sent.
    """

    query_id: str
    agent: str | None
    surface: str
    tool: str
    tables: NotRequired[list[str]]
    columns: NotRequired[dict[str, list[str]]]
    rows: NotRequired[int]
    bytes: NotRequired[int]
    elapsed_ms: NotRequired[float]
    asked_at: NotRequired[datetime | None]
    snapshot_id: NotRequired[str | None]
    freshness: NotRequired[str | None]
    stale_tables: NotRequired[list[str]]
    cache: NotRequired[str | None]
    verdict: NotRequired[str]
    code: NotRequired[str | None]
    error_type: NotRequired[str | None]
    arguments_masked: NotRequired[bool]
    erasable: NotRequired[Erasable]


_UNTOLD: dict[str, Any] = {
    "query_id": "", "agent": None, "surface": "", "tool": "", "tables": [], "columns": {},
    "rows": 0, "bytes": 0, "elapsed_ms": 0.0, "asked_at": None, "snapshot_id": None,
    "freshness": None, "stale_tables": [], "cache": None, "verdict": "answered", "code": None,
    "error_type": None, "arguments_masked": False,
}  # fmt: skip
_UNTOLD_ERASABLE: Erasable = {
    "arguments": {}, "trace": None, "purpose": None, "rows_sha256": None,
}  # fmt: skip


class AuditLog:
    """Appends to one home's log; any number of threads and processes may do so at once."""

    def __init__(self, home: Path) -> None:
        self._log = ChainedLog(audit_folder(home))

    def append(self, entry: Entry) -> None:
        """Write one line; when this returns, a kill of this process no longer loses it."""
        record = {**_UNTOLD, **entry}
        erasable: Erasable = record.pop("erasable", {})
        self._log.append(record, {**_UNTOLD_ERASABLE, **erasable})

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
