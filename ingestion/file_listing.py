"""Which files a folder has, and a copy of one that nobody can change while it is parsed."""

import hashlib
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

_CHUNK = 1024 * 1024
_IN_MEMORY = 16 * 1024 * 1024


@dataclass(frozen=True)
class FoundFile:
    """A file below a folder; ``refused`` says why it may not be read."""

    path: str
    full: Path
    size: int = 0
    modified_ns: int = 0
    refused: str | None = None


@dataclass(frozen=True)
class FileCopy:
    """A file's bytes as they were at one time, and their hash."""

    content: BinaryIO
    digest: str


def list_files(folder: Path, glob: str) -> list[FoundFile]:
    """Return the files that match, by path; a link that leaves the folder is refused."""
    root = folder.resolve()
    return sorted(
        (_found(root, full) for full in root.glob(glob) if full.is_file()),
        key=lambda file: file.path,
    )


def is_settled(file: FoundFile, settle: timedelta, now: datetime) -> bool:
    """Whether a file is old enough to be whole."""
    return not settle or file.modified_ns / 1e9 <= (now - settle).timestamp()


@contextmanager
def copied(file: FoundFile, *, may_grow: bool = False) -> Iterator[FileCopy | None]:
    """Yield a copy, or None when the file changed or went since it was listed.

    Of one that ``may_grow`` what it had when it was listed is copied. The copy lies in memory, or
    in the system's temporary folder where it is large.
    """
    digest = hashlib.sha256()
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as copy:
        try:
            with file.full.open("rb") as source:
                left = file.size if may_grow else sys.maxsize
                while chunk := source.read(min(left, _CHUNK)):
                    digest.update(chunk)
                    copy.write(chunk)
                    left -= len(chunk)
            is_same = may_grow or _stamp(file.full) == (file.size, file.modified_ns)
        except FileNotFoundError:
            is_same = False
        copy.seek(0)
        yield FileCopy(copy, digest.hexdigest()) if is_same else None  # type: ignore[arg-type]


def appended(content: BinaryIO, size: int, digest: str) -> tuple[int, int, str]:
    """Where new lines begin, where whole lines end, and the hash of all up to there.

    They begin after the first ``size`` bytes if those still have this ``digest``, else at 0.
    """
    content.seek(0)
    hashed = hashlib.sha256()
    at = begin = end = 0
    for line in content:
        at += len(line)
        if line.endswith(b"\n"):
            hashed.update(line)
            end = at
            if end == size and hashed.hexdigest() == digest:
                begin = end
    return begin, end, hashed.hexdigest()


def _found(root: Path, full: Path) -> FoundFile:
    name = full.relative_to(root).as_posix()
    path = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if not full.resolve().is_relative_to(root):
        return FoundFile(path, full, refused="path: a link out of the folder")
    if path != name:
        return FoundFile(path, full, refused="path: not UTF-8")
    try:
        return FoundFile(path, full, *_stamp(full))
    except FileNotFoundError:
        return FoundFile(path, full)


def _stamp(full: Path) -> tuple[int, int]:
    status = full.stat()
    return status.st_size, status.st_mtime_ns
