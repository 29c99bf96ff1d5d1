"""The audit log: every call, answered or refused, chained by hashes before its answer leaves.

call -> <home>/audit/<UTC day>.jsonl   one line a call; its hash covers all before
     -> <home>/audit/head              how far the chain reaches, so that a missing end is found

Safe over several processes (a file lock) and kill -9 (a torn line is closed off by the next call).
A power cut can lose the calls that the system had not yet written to disk: lines are not synced.
"""

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

GENESIS = "0" * 64
HEAD_FILE = "head"
# Made once: a call with options makes a new encoder each time.
_JSON = json.JSONEncoder(separators=(",", ":"), default=str)
_SUFFIX_LENGTH = len(',"hash":""}') + 64


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


@dataclass(frozen=True)
class VerifyReport:
    """What walking the chain found; ``problems`` is empty when nothing was changed."""

    records: int
    files: int
    torn_lines: int
    last_hash: str
    problems: list[str] = field(default_factory=list)

    @property
    def is_intact(self) -> bool:
        """True when no record was edited, removed or moved."""
        return not self.problems


@dataclass(frozen=True)
class _Head:
    seq: int
    hash: str
    day: str
    size: int

    def encode(self) -> bytes:
        return f"{self.seq:020d} {self.hash} {self.day} {self.size:020d}\n".encode()

    @classmethod
    def decode(cls, raw: bytes) -> "_Head | None":
        parts = raw.decode("ascii", "replace").split()
        whole = len(raw) == _HEAD_LENGTH and len(parts) == 4
        if not whole or not (parts[0].isdecimal() and parts[3].isdecimal()):
            return None
        return cls(seq=int(parts[0]), hash=parts[1], day=parts[2], size=int(parts[3]))


_NOTHING = _Head(seq=0, hash=GENESIS, day="0000-00-00", size=0)
_HEAD_LENGTH = len(_NOTHING.encode())


class AuditLog:
    """Appends to one home's log; any number of threads and processes may do so at once."""

    def __init__(self, home: Path) -> None:
        self._folder = audit_folder(home)
        self._lock = threading.Lock()
        self._pid = 0
        self._head_fd = -1
        self._day = ""
        self._day_fd = -1

    def append(self, entry: Entry) -> None:
        """Write one line; when this returns, a kill of this process no longer loses it."""
        with self._lock, self._exclusive():
            now = datetime.now(UTC)
            head, torn = self._true_head(now.date().isoformat())
            line, digest = _line(entry, now, head, torn)
            data = b"\n" + line if torn else line
            _write(self._day_fd, data)
            reached = _Head(head.seq + 1, digest, self._day, head.size + len(data))
            os.pwrite(self._head_fd, reached.encode(), 0)

    def close(self) -> None:
        """Let go of the files."""
        with self._lock:
            self._close()

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        # A lock on an inherited descriptor would be shared with the parent process.
        if self._pid != os.getpid():
            self._open()
        fcntl.flock(self._head_fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._head_fd, fcntl.LOCK_UN)

    def _open(self) -> None:
        self._close()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._head_fd = os.open(
            self._folder / HEAD_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        self._pid = os.getpid()

    def _close(self) -> None:
        for descriptor in (self._head_fd, self._day_fd):
            if descriptor >= 0:
                os.close(descriptor)
        self._head_fd = self._day_fd = -1
        self._day = ""
        self._pid = 0

    def _true_head(self, today: str) -> tuple[_Head, int]:
        """The chain's real end, opened for appending, and how many torn lines lie behind it."""
        stored = _Head.decode(os.pread(self._head_fd, _HEAD_LENGTH, 0)) or _NOTHING
        if stored.day == self._day >= today and os.fstat(self._day_fd).st_size == stored.size:
            return stored, 0
        return self._caught_up(stored, today)

    def _caught_up(self, stored: _Head, today: str) -> tuple[_Head, int]:
        """Take in what a killed process wrote and the head does not tell, then open the day."""
        head, torn = stored, 0
        for day in sorted(path.stem for path in self._folder.glob("*.jsonl")):
            if day < stored.day:
                continue
            self._use_day(day)
            size = os.fstat(self._day_fd).st_size
            start = stored.size if day == stored.day else 0
            for line in os.pread(self._day_fd, max(size - start, 0), start).split(b"\n"):
                record = _checked(line)
                if record is not None and record["prev"] == head.hash:
                    head, torn = _Head(record["seq"], record["hash"], day, size), 0
                elif line:
                    torn += 1
        # A clock set back must not append before what is already there.
        self._use_day(max(today, self._day, head.day))
        size = os.fstat(self._day_fd).st_size
        return _Head(head.seq, head.hash, self._day, size), torn

    def _use_day(self, day: str) -> None:
        if day == self._day:
            return
        if self._day_fd >= 0:
            os.close(self._day_fd)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._day_fd = os.open(self._folder / f"{day}.jsonl", flags, 0o600)
        self._day = day


def verify(home: Path) -> VerifyReport:
    """Walk the whole chain; every edited, missing or moved record is a problem in words."""
    head, files = _state(audit_folder(home))
    walk = _Walk()
    for path, size in files:
        with path.open("rb") as stream:
            content = stream.read(size)
        for number, line in enumerate(content.split(b"\n"), start=1):
            if line:
                walk.take(line, f"{path.name}:{number}")
    walk.finish(head)
    return VerifyReport(
        records=walk.records,
        files=len(files),
        torn_lines=walk.torn,
        last_hash=walk.hash,
        problems=walk.problems,
    )


def _state(folder: Path) -> tuple[_Head | None, list[tuple[Path, int]]]:
    """The head and the files' sizes of one instant, while others go on appending."""
    path = folder / HEAD_FILE
    if not path.is_file():
        return None, [(file, file.stat().st_size) for file in sorted(folder.glob("*.jsonl"))]
    with path.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)
        head = _Head.decode(stream.read(_HEAD_LENGTH))
        return head, [(file, file.stat().st_size) for file in sorted(folder.glob("*.jsonl"))]


class _Walk:
    """The state of one walk along the chain."""

    def __init__(self) -> None:
        self.records = 0
        self.torn = 0
        self.seq = 0
        self.hash = GENESIS
        self.problems: list[str] = []
        self._unread: list[str] = []

    def take(self, line: bytes, where: str) -> None:
        """Go on to one line; what does not check is judged by the record that follows it."""
        record = _checked(line)
        if record is None:
            self._unread.append(where)
            return
        self._settle_unread(told=record.get("after_torn_lines", 0))
        if record["prev"] != self.hash or record["seq"] != self.seq + 1:
            self.problems.append(
                f"{where}: follows on record {record['seq'] - 1}, but the log before it ends "
                f"with record {self.seq}: records were removed, moved or added"
            )
        self.records += 1
        self.seq, self.hash = record["seq"], record["hash"]

    def finish(self, head: _Head | None) -> None:
        """Compare the end with the head, which a killed process leaves one record behind."""
        # A torn end is what a kill leaves behind; the next append tells of it.
        self._settle_unread(told=len(self._unread))
        if head is None:
            if self.records > 1:
                self.problems.append("the head file is missing: the log's end cannot be proved")
        elif self.seq < head.seq:
            self.problems.append(
                f"the log ends with record {self.seq}, but {head.seq} were written: "
                "its end was removed or edited"
            )
        elif self.seq > head.seq + 1 or (self.seq == head.seq and self.hash != head.hash):
            self.problems.append("the log does not end with the record that was written last")

    def _settle_unread(self, *, told: int) -> None:
        if told == len(self._unread):
            self.torn += told
        else:
            self.problems += [
                f"{where}: the line was edited: its hash does not match" for where in self._unread
            ]
        self._unread = []


def _line(entry: Entry, now: datetime, head: _Head, torn: int) -> tuple[bytes, str]:
    time = now.isoformat().replace("+00:00", "Z")
    record = {"seq": head.seq + 1, "time": time, **vars(entry)}
    if torn:
        record["after_torn_lines"] = torn
    record["prev"] = head.hash
    body = _JSON.encode(record)[:-1].encode()
    digest = hashlib.sha256(body).hexdigest()
    return body + b',"hash":"' + digest.encode() + b'"}\n', digest


def _checked(line: bytes) -> dict[str, Any] | None:
    """The record, or None where the line is torn or its hash is not that of its bytes."""
    body, suffix = line[:-_SUFFIX_LENGTH], line[-_SUFFIX_LENGTH:]
    digest = hashlib.sha256(body).hexdigest()
    if suffix != b',"hash":"' + digest.encode() + b'"}':
        return None
    record: dict[str, Any] = json.loads(line)
    return record


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
