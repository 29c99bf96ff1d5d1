"""The audit log: every call, answered or refused, chained by hashes before its answer leaves.

call -> <home>/audit/<UTC day>.jsonl, head   see chain.py
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving import chain
from serving.chain import GENESIS, HEAD_FILE, ChainedLog, VerifyReport

__all__ = ["GENESIS", "HEAD_FILE", "AuditLog", "Entry", "VerifyReport", "audit_folder", "verify"]


def audit_folder(home: Path) -> Path:
    """The folder of the log's files."""
    return home / "audit"


@dataclass(frozen=True)
class Entry:
    """What is kept of one call; ``arguments`` are masked by the caller of ``append``."""

    query_id: str
    agent: str | None
    surface: str
    tool: str
    arguments: dict[str, Any]
    tables: list[str]
    columns: dict[str, list[str]]
    rows: int
    elapsed_ms: float
    snapshot_id: str | None
    freshness: str | None
    verdict: str
    code: str | None
    error_type: str | None = None


class AuditLog:
    """Appends to one home's log; any number of threads and processes may do so at once."""

    def __init__(self, home: Path) -> None:
        self._log = ChainedLog(audit_folder(home))

    def append(self, entry: Entry) -> None:
        """Write one line; when this returns, a kill of this process no longer loses it."""
        record = dict(vars(entry))
        self._log.append(record, record.pop("arguments"))

    def close(self) -> None:
        """Let go of the files."""
        self._log.close()


def verify(home: Path) -> VerifyReport:
    """Walk the whole chain; every edited, missing or moved record is a problem in words."""
    return chain.verify(audit_folder(home))
