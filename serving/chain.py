"""A log whose records are chained by hashes, of which a part can be erased with no break.

record -> <folder>/<UTC day>.jsonl   one line a record; its hash covers all before
       -> <folder>/head              how far the chain reaches, so that a missing end is found

A line ends in its ``erasable`` part, if it has one. The hash covers a salted hash of that and not
its text: it can be overwritten, in place and with its salt, and nothing else of the line can.

Old days can be removed: a checkpoint, a record of the chain itself, then tells where each of them
ended, and the chain is proven from there on.

Safe over several processes (a file lock) and kill -9 (a torn line is closed off by the next call).
A power cut can lose what the system had not yet written to disk: lines are not synced, unless
``append`` is told to.
"""

import fcntl
import json
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from pydantic_core import from_json

from serving.errors import ServingError
from serving.randomness import random_hex

GENESIS = "0" * 64
HEAD_FILE = "head"
_SALT_LENGTH = 32
_NO_SALT = "0" * _SALT_LENGTH
_ERASABLE = b',"erasable":'
_ERASED = b"null"
_UTC = orjson.OPT_UTC_Z
_MIDNIGHT = time(tzinfo=UTC)
# As `_Line` writes it.
_COVERED = "erasable_sha256"
_CHECKPOINT = "checkpoint"
_SUFFIX = ',"salt":"%s","covers":"%08d","hash":"%s"}'
_SUFFIX_BYTES = _SUFFIX.replace("%s", "%b").encode() + b"\n"
_SUFFIX_LENGTH = len(_SUFFIX % ("0" * _SALT_LENGTH, 0, "0" * 64))


@dataclass(frozen=True)
class VerifyReport:
    """What walking the chain found; ``problems`` is empty when nothing was changed.

    ``expired`` counts the records of removed days, which a checkpoint tells; ``erased`` those whose
    erasable part was erased, which every erasure's receipt tells.
    """

    records: int
    files: int
    expired: int
    erased: int
    torn_lines: int
    last_seq: int
    last_hash: str
    problems: list[str] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """The chain's end as ``SEQ:HASH``: noted elsewhere, it proves all up to here later on."""
        return f"{self.last_seq}:{self.last_hash}"

    @property
    def is_intact(self) -> bool:
        """True when no record was edited, removed or moved."""
        return not self.problems


class _Head(NamedTuple):
    seq: int
    hash: str
    day: str
    size: int

    def encode(self) -> bytes:
        # Of all ways to write a number of fixed width this one takes a third of the others' time.
        return b"%020d %b %b %020d\n" % (self.seq, self.hash.encode(), self.day.encode(), self.size)

    @classmethod
    def decode(cls, raw: bytes) -> "_Head | None":
        parts = raw.decode("ascii", "replace").split()
        whole = len(raw) == _HEAD_LENGTH and len(parts) == 4
        if not whole or not (parts[0].isdecimal() and parts[3].isdecimal()):
            return None
        return cls(seq=int(parts[0]), hash=parts[1], day=parts[2], size=int(parts[3]))


_NOTHING = _Head(seq=0, hash=GENESIS, day="0000-00-00", size=0)
_HEAD_LENGTH = len(_NOTHING.encode())


class _Line:
    """A record as it will stand in its line, but for where in the chain that is."""

    __slots__ = ("_ending", "_salt", "_told")

    def __init__(self, record: Mapping[str, Any], erasable: Mapping[str, Any] | None) -> None:
        self._told, self._ending, self._salt = _encoded(record)[1:-1], b"", _NO_SALT
        if erasable is not None:
            text, self._salt = _encoded(erasable), random_hex()
            self._told += b',"erasable_sha256":"%b"' % _salted(self._salt, text).encode()
            self._ending = _ERASABLE + text

    def after(self, head: _Head, now: datetime, torn: int) -> tuple[bytes, str]:
        """The line that follows on this head at this instant, and its hash."""
        behind = b',"after_torn_lines":%d' % torn if torn else b""
        time = orjson.dumps(now, option=_UTC)
        body = b'{"seq":%d,"time":%b,%b%b,"prev":"%b"' % (
            head.seq + 1, time, self._told, behind, head.hash.encode()
        )  # fmt: skip
        digest = sha256(body).hexdigest()
        suffix = _SUFFIX_BYTES % (self._salt.encode(), len(body), digest.encode())
        line = body + self._ending + suffix
        # What a killed process left of a line is closed off.
        return b"\n" + line if torn else line, digest


class ChainedLog:
    """Appends to one folder's log; any number of threads and processes may do so at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._pid = 0
        self._head_fd = -1
        self._day = ""
        self._day_fd = -1
        # The latest day that the clock has shown, and when it ends: it is told once a day.
        self._today, self._tomorrow = "", datetime.min.replace(tzinfo=UTC)
        # Where this process's last line ended.
        self._reached = _NOTHING

    def append(
        self,
        record: Mapping[str, Any],
        erasable: Mapping[str, Any] | None = None,
        *,
        durable: bool = False,
    ) -> None:
        """Write one line; when this returns, a kill of this process no longer loses it.

        ``durable``: nor does a power cut.
        """
        # All that needs no look at the chain's end is made before its lock is taken.
        line = _Line(record, erasable)
        with self._lock:
            # A lock on an inherited descriptor would be shared with the parent process.
            if self._pid != os.getpid():
                self._open()
            fcntl.flock(self._head_fd, fcntl.LOCK_EX)
            try:
                self._append(line)
            finally:
                fcntl.flock(self._head_fd, fcntl.LOCK_UN)
            if durable:
                os.fsync(self._day_fd)
                os.fsync(self._head_fd)

    def _append(self, line: "_Line") -> None:
        now = datetime.now(UTC)
        head, torn = self._true_head(now)
        data, digest = line.after(head, now, torn)
        _write(self._day_fd, data)
        self._reached = _Head(head.seq + 1, digest, self._day, head.size + len(data))
        os.pwrite(self._head_fd, self._reached.encode(), 0)

    def close(self) -> None:
        """Let go of the files."""
        with self._lock:
            self._close()

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

    def _true_head(self, now: datetime) -> tuple[_Head, int]:
        """The chain's real end, opened for appending, and how many torn lines lie behind it."""
        if now >= self._tomorrow:
            self._today = now.date().isoformat()
            self._tomorrow = datetime.combine(now, _MIDNIGHT) + timedelta(days=1)
        reached = self._reached
        # Whoever goes on after it makes this file longer, also where that is in another day's.
        if reached.day == self._day >= self._today and _end(self._day_fd) == reached.size:
            return reached, 0
        stored = _Head.decode(os.pread(self._head_fd, _HEAD_LENGTH, 0)) or _NOTHING
        return self._caught_up(stored, self._today)

    def _caught_up(self, stored: _Head, today: str) -> tuple[_Head, int]:
        """Take in what a killed process wrote and the head does not tell, then open the day."""
        head, torn = stored, 0
        for day in sorted(path.stem for path in self._folder.glob("*.jsonl")):
            if day < stored.day:
                continue
            self._use_day(day)
            size = _end(self._day_fd)
            start = stored.size if day == stored.day else 0
            for line in os.pread(self._day_fd, max(size - start, 0), start).split(b"\n"):
                record = _checked(line)
                # Without a head the first record begins: the days before it may have been removed.
                if record is not None and (head is _NOTHING or record["prev"] == head.hash):
                    head, torn = _Head(record["seq"], record["hash"], day, size), 0
                elif line:
                    torn += 1
        # A clock set back must not append before what is already there.
        latest = max(today, self._day, head.day)
        if self._day and self._day != latest:
            # An empty line, by which those who have this day open see that the chain went on.
            _write(self._day_fd, b"\n")
        self._use_day(latest)
        size = _end(self._day_fd)
        return _Head(head.seq, head.hash, self._day, size), torn

    def _use_day(self, day: str) -> None:
        if day == self._day:
            return
        if self._day_fd >= 0:
            os.close(self._day_fd)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._day_fd = os.open(self._folder / f"{day}.jsonl", flags, 0o600)
        self._day = day


def verify(folder: Path, anchor: str | None = None) -> VerifyReport:
    """Walk the whole chain; every edited, missing or moved record is a problem in words.

    ``anchor`` is the ``SEQ:HASH`` of an earlier report: that record must still be there as it was.
    """
    head, files = _state(folder)
    walk = _Walk(anchor)
    for path, size in files:
        walk.take_file(path, size)
    walk.finish(head)
    return VerifyReport(
        records=walk.records,
        files=len(files),
        expired=walk.first - 1,
        erased=walk.erased,
        torn_lines=walk.torn,
        last_seq=walk.seq,
        last_hash=walk.hash,
        problems=walk.problems,
    )


def records(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the records that check, in their order, each with its ``erasable`` part or None."""
    for path, size in _state(folder)[1]:
        yield from _records(path, size)


def newest(
    folder: Path, wanted: Callable[[dict[str, Any]], bool], most: int, holding: bytes = b""
) -> list[dict[str, Any]]:
    """Return the last records that check and are ``wanted``, in their order.

    ``holding`` is a text without which a line need not be looked at.
    """
    found: list[dict[str, Any]] = []
    for path, size in reversed(_state(folder)[1]):
        day = deque(filter(wanted, _records(path, size, holding)), most - len(found))
        found = [*day, *found]
        if len(found) >= most:
            break
    return found


def expire(folder: Path, before: str) -> list[str]:
    """Remove the days before a day such as ``2026-01-31`` and return those removed.

    First a checkpoint is written that tells where each of them ended. Killed anywhere, doing it
    again finishes. ServingError where they do not prove intact: then they are evidence, and stay.
    """
    today = datetime.now(UTC).date().isoformat()
    days = [file for file in _state(folder)[1] if file[0].stem < min(before, today)]
    if not days:
        return []
    report = verify(folder)
    if not report.is_intact:
        raise ServingError(
            f"nothing was removed, as the log is not intact: {report.problems[0]}; "
            "keep its files, and look at who changed them"
        )
    walk, ends = _Walk(None), {}
    for path, size in days:
        walk.take_file(path, size)
        ends[path.stem] = [walk.seq, walk.hash]
    log = ChainedLog(folder)
    try:
        log.append({_CHECKPOINT: ends}, durable=True)
    finally:
        log.close()
    # The oldest first, so that what a kill leaves has no gap.
    for path, _ in days:
        path.unlink(missing_ok=True)
    return [path.stem for path, _ in days]


def erase(folder: Path, is_concerned: Callable[[str], bool]) -> int:
    """Overwrite in place the erasable parts that ``is_concerned`` names by their JSON; count them.

    Lines keep their lengths, so others may append meanwhile. A torn line is overwritten in whole:
    it proves nothing. Killed anywhere, doing it again finishes.
    """
    erased = 0
    for path in sorted(folder.glob("*.jsonl")):
        with path.open("r+b") as file:
            start = 0
            for line in file.read().split(b"\n"):
                if line and (fresh := _without_erasable(line, is_concerned)) is not None:
                    os.pwrite(file.fileno(), fresh, start)
                    erased += 1
                start += len(line) + 1
            os.fsync(file.fileno())
    return erased


def _without_erasable(line: bytes, is_concerned: Callable[[str], bool]) -> bytes | None:
    """The line as it is to be, of the same length; None where it may stay."""
    parts = _parts(line)
    if parts is None:
        text = line.decode("utf-8", "replace")
        return b"x" * len(line) if is_concerned(text) else None
    body, erasable, _, digest = parts
    if erasable in (b"", _ERASED) or not is_concerned(_plain(erasable)):
        return None
    suffix = (_SUFFIX % (_NO_SALT, len(body), digest)).encode()
    return body + _ERASABLE + _ERASED.ljust(len(erasable)) + suffix


def _plain(erasable: bytes) -> str:
    """The erasable part with letters as themselves, however JSON wrote them."""
    return json.dumps(json.loads(erasable), ensure_ascii=False)


def _records(path: Path, size: int, holding: bytes = b"") -> Iterator[dict[str, Any]]:
    for line in _lines(path, size):
        if holding in line and _checked(line) is not None:
            yield json.loads(line)


def _lines(path: Path, size: int) -> Iterator[bytes]:
    """Yield the lines of a file's first ``size`` bytes."""
    with path.open("rb") as stream:
        while size > 0 and (line := stream.readline(size)):
            size -= len(line)
            yield line.rstrip(b"\n")


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

    def __init__(self, anchor: str | None) -> None:
        self.records = 0
        self.erased = 0
        self.torn = 0
        self.first = 1
        self.seq = 0
        self.hash = GENESIS
        self.problems: list[str] = []
        self._begins_after: str | None = None
        self._ends_told: set[tuple[int, str]] = set()
        self._anchor = anchor
        self._unread: list[str] = []

    def take_file(self, path: Path, size: int) -> None:
        """Go on over the lines of one day."""
        for number, line in enumerate(_lines(path, size), start=1):
            if line:
                self.take(line, f"{path.name}:{number}")

    def take(self, line: bytes, where: str) -> None:
        """Go on to one line; what does not check is judged by the record that follows it."""
        record = _checked(line)
        if record is None:
            self._unread.append(where)
            return
        self._settle_unread(told=record.get("after_torn_lines", 0))
        if not self.records and record["seq"] > 1:
            # Judged at the end: the checkpoint that tells of it comes later.
            self.first, self._begins_after = record["seq"], record["prev"]
        elif record["prev"] != self.hash or record["seq"] != self.seq + 1:
            self.problems.append(
                f"{where}: follows on record {record['seq'] - 1}, but the log before it ends "
                f"with record {self.seq}: records were removed, moved or added"
            )
        self.records += 1
        self.erased += int(_COVERED in record and record["is_erased"])
        self.seq, self.hash = record["seq"], record["hash"]
        self._ends_told |= {(seq, ended) for seq, ended in record.get(_CHECKPOINT, {}).values()}
        if self._anchor == f"{self.seq}:{self.hash}":
            self._anchor = None

    def finish(self, head: _Head | None) -> None:
        """Compare the end with the head, which a killed process leaves one record behind."""
        # A torn end is what a kill leaves behind; the next append tells of it.
        self._settle_unread(told=len(self._unread))
        if self._begins_after and (self.first - 1, self._begins_after) not in self._ends_told:
            self.problems.append(
                f"the log begins with record {self.first}, and no checkpoint tells that those "
                "before it have expired: they were removed"
            )
        if self._anchor not in (None, *(f"{seq}:{ended}" for seq, ended in self._ends_told)):
            self.problems.append(f"the record {self._anchor} is not in the log as it was noted")
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


def _encoded(value: Mapping[str, Any]) -> bytes:
    """The JSON of a record on one line: a tenth of the time that the standard library takes."""
    try:
        return orjson.dumps(value, default=str, option=_UTC)
    except TypeError:
        # Half of a surrogate pair, which JSON can write as an escape alone, or a huge number.
        return json.dumps(value, separators=(",", ":"), default=_as_text).encode()


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _salted(salt: str, erasable: bytes) -> str:
    return sha256(salt.encode() + erasable).hexdigest()


def _parts(line: bytes) -> tuple[bytes, bytes, str, str] | None:
    """Body, erasable part, salt and hash of a whole line whose hash is that of its body."""
    suffix = line[-_SUFFIX_LENGTH:].decode("ascii", "replace")
    salt, covers, digest = suffix[9:41], suffix[53:61], suffix[71:-2]
    if not covers.isdecimal() or suffix != _SUFFIX % (salt, int(covers), digest):
        return None
    body, rest = line[: int(covers)], line[int(covers) : -_SUFFIX_LENGTH]
    if sha256(body).hexdigest() != digest or (rest and not rest.startswith(_ERASABLE)):
        return None
    return body, rest[len(_ERASABLE) :].rstrip(b" "), salt, digest


def _checked(line: bytes) -> dict[str, Any] | None:
    """What the hash covers and ``is_erased``, or None where the line is torn or was changed."""
    parts = _parts(line)
    if parts is None:
        return None
    body, erasable, salt, digest = parts
    record = _decoded(body + b"}")
    covered = record.get(_COVERED)
    is_whole = covered is None if not erasable else covered == _salted(salt, erasable)
    is_erased = covered is not None and erasable == _ERASED and not salt.strip("0")
    return record | {"hash": digest, "is_erased": is_erased} if is_whole or is_erased else None


def _end(descriptor: int) -> int:
    """The size of an open file; appending is at its end wherever this leaves the position."""
    return os.lseek(descriptor, 0, os.SEEK_END)


def _decoded(text: bytes) -> dict[str, Any]:
    try:
        record: dict[str, Any] = from_json(text)
    except ValueError:
        # Half of a surrogate pair, as `_encoded` writes it.
        record = json.loads(text)
    return record


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
