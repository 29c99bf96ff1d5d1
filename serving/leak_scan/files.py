"""The files of a target: of which kind each is, its cells where it has some, its bytes always.

target -> File (kind by its first bytes) -> cells | chunks of bytes | what it has packed
"""

import bz2
import gzip
import lzma
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Protocol

import duckdb
import numpy as np
import pyarrow as pa

from serving.leak_scan.cells import (
    Cells,
    arrow_cells,
    duckdb_cells,
    json_cells,
    lance_cells,
    parquet_cells,
    sqlite_cells,
)
from serving.leak_scan.targets import Rows, Target

_CHUNK = 1 << 20
_PAGE = 4096
# What is read again on both sides of a chunk: a value with its separators, and its neighbours.
_AFTER = 4096
_BEFORE = 64
_NEAR_PAGES = 4
_HEAD = 16
_CONTROLS = bytes([*range(0x09), *range(0x0E, 0x1B), *range(0x1C, 0x20)])

_STORES: dict[str, Callable[[Path, Rows | None], Iterator[Cells]]] = {
    "duckdb": duckdb_cells,
    "sqlite": sqlite_cells,
    "parquet": parquet_cells,
    "arrow": arrow_cells,
    "lance": lance_cells,
    "json": json_cells,
}
_IN_PARTS = {"duckdb", "sqlite"}


class _Stream(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> object: ...


_PACKED: dict[str, Callable[[Path], _Stream]] = {
    "gzip": gzip.GzipFile,
    "bzip2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
}
_FAULTS = (
    duckdb.Error,
    sqlite3.Error,
    pa.ArrowException,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)


@dataclass(frozen=True)
class Chunk:
    """Some bytes of a stream with a little of what is around them.

    ``offset`` is where ``main`` begins, ``line`` the number of its first line.
    """

    before: bytes
    main: bytes
    after: bytes
    offset: int
    line: int

    def as_text(self) -> tuple[bytes, bytes, bytes] | None:
        """Return the three parts, no sign cut in two, as UTF-8; None where they are no text."""
        whole = self.before + self.main + self.after
        if _has_controls(whole):
            return None
        begin = _letter(whole, len(self.before))
        end = _letter(whole, len(self.before) + len(self.main))
        first, last = _letter(whole, 0), _last_letter(whole)
        if not whole.isascii():
            try:
                whole[first:last].decode()
            except UnicodeDecodeError:
                return None
        return whole[first:begin], whole[begin:end], whole[end:last]


@dataclass(frozen=True)
class File:
    """One file, or the folder of one Lance table; ``before`` is the one that it was copied from."""

    path: Path
    name: str
    kind: str
    rows: Rows | None = None
    before: Path | None = None

    @property
    def faults(self) -> tuple[type[Exception], ...]:
        """What a store that is torn or locked raises; its message may hold a value."""
        return _FAULTS

    @property
    def is_part(self) -> bool:
        """Whether it belongs to a store that is read as a whole, as a Lance table's files do."""
        return ".lance/" in self.name

    @property
    def is_store(self) -> bool:
        """Whether it has cells, so that its bytes say nothing about where its texts begin."""
        return self.kind in _STORES

    @property
    def size(self) -> int:
        """How many bytes there are about to read: none where a copy is searched for what is new."""
        if self.rows is not None and (self.rows.since is not None or self.rows.only is not None):
            return 0
        files = [self.path, *self.path.rglob("*")] if self.kind == "lance" else [self.path]
        parts = self.rows.parts if self.rows else 1
        with suppress(FileNotFoundError):
            return sum(file.stat().st_size for file in files) // parts
        return 0

    def in_parts(self, most: int, smallest: int) -> "list[File]":
        """Take a view's file apart for as many processes, no part smaller than so many bytes."""
        count = min(most, self.size // smallest)
        if self.rows is None or self.kind not in _IN_PARTS or count < 2:
            return [self]
        return [
            replace(self, rows=replace(self.rows, part=part, parts=count)) for part in range(count)
        ]

    @property
    def is_first(self) -> bool:
        """Whether it is a whole file or the first of its parts."""
        return self.rows is None or self.rows.part == 0

    def cells(self) -> Iterator[Cells]:
        """Yield the cells of a store, none of another file."""
        if self.kind in _STORES:
            yield from _STORES[self.kind](self.path, self.rows)

    def raw(self) -> Iterator[list[Chunk]]:
        """Yield the bytes of a file, of a copy those that differ; none of a folder.

        Chunks that come together are about as large as one that comes alone.
        """
        if self.before is not None:
            yield from _together(_differing(self.path, self.before))
        elif self.path.is_file():
            part, parts = (self.rows.part, self.rows.parts) if self.rows else (0, 1)
            with self.path.open("rb") as stream:
                yield from islice(_chunks(stream), part, None, parts)

    def packed(self) -> Iterator[list[Chunk]]:
        """Yield what a compressed file holds."""
        if self.kind in _PACKED:
            with closing(_PACKED[self.kind](self.path)) as stream:
                yield from _chunks(stream)
        elif self.kind == "zip":
            with zipfile.ZipFile(self.path) as archive:
                for member in archive.infolist():
                    with archive.open(member) as stream:
                        yield from _chunks(stream)


def files_of(target: Target) -> Iterator[File]:
    """Yield each Lance table and each file of a target; a link is not followed."""
    if target.path.is_file():
        yield File(target.path, target.name, kind_of(target.path))
        return
    for path in sorted(target.path.rglob("*")):
        below = path.relative_to(target.path).as_posix()
        name, rows = f"{target.name}/{below}", target.rows.get(below)
        if path.is_dir() and path.suffix == ".lance" and (path / "_versions").is_dir():
            yield File(path, name, "lance", rows)
        elif path.is_file() and not path.is_symlink():
            before = target.searched / below if target.searched else None
            if before is not None and before.is_file() and path.samefile(before):
                continue
            is_copy = rows is not None and rows.since is not None and before is not None
            with suppress(FileNotFoundError):
                yield File(
                    path,
                    name,
                    kind_of(path),
                    rows,
                    before if is_copy and before is not None and before.is_file() else None,
                )


def kind_of(path: Path) -> str:
    """Tell a file's kind by its first bytes; ``text`` or ``bytes`` where it is none we know."""
    with path.open("rb") as stream:
        head = stream.read(4096)
    for magic, begin, kind in _MAGIC:
        if head[begin : begin + len(magic)] == magic:
            return kind
    if path.suffix == ".json":
        return "json"
    return "bytes" if _has_controls(head) else "text"


def _has_controls(data: bytes) -> bool:
    return len(data.translate(None, _CONTROLS)) != len(data)


_MAGIC = (
    (b"SQLite format 3\0", 0, "sqlite"),
    (b"DUCK", 8, "duckdb"),
    (b"PAR1", 0, "parquet"),
    (b"ARROW1", 0, "arrow"),
    (b"\x1f\x8b", 0, "gzip"),
    (b"BZh", 0, "bzip2"),
    (b"\xfd7zXZ\0", 0, "xz"),
    (b"PK\x03\x04", 0, "zip"),
)


def _differing(path: Path, before: Path) -> Iterator[Chunk]:
    """Yield the pages of a file that are not the same in another one, and those between near ones.

    A stretch is read with what is around it, so that of two near ones little is spared.
    """
    new, old = path.read_bytes(), before.read_bytes()
    same = min(len(new), len(old)) // _PAGE
    # Eight bytes at a time: a layer of 64,000 entries is 28 MB and is compared in each cycle.
    words = _PAGE // 8
    pages = [np.frombuffer(data, np.uint64, same * words).reshape(-1, words) for data in (new, old)]
    differs = np.append((pages[0] != pages[1]).any(axis=1), len(new) > same * _PAGE)
    places = np.flatnonzero(differs)
    parts = np.split(places, np.flatnonzero(np.diff(places) > _NEAR_PAGES) + 1)
    for first, last in ((part[0], part[-1] + 1) for part in parts if len(part)):
        begin, end = int(first) * _PAGE, len(new) if last > same else int(last) * _PAGE
        for start in range(begin, end, _CHUNK):
            stop = min(start + _CHUNK, end)
            around = new[max(0, start - _BEFORE) : start], new[stop : stop + _AFTER]
            yield Chunk(around[0], new[start:stop], around[1], start, 1)


def _together(chunks: Iterator[Chunk]) -> Iterator[list[Chunk]]:
    """Yield chunks in lists: to search a page costs 0.3 ms before its first byte."""
    held: list[Chunk] = []
    size = 0
    for chunk in chunks:
        if size + len(chunk.main) > _CHUNK:
            yield held
            held, size = [], 0
        held.append(chunk)
        size += len(chunk.main)
    if held:
        yield held


def _chunks(stream: _Stream) -> Iterator[list[Chunk]]:
    before, offset, line = b"", 0, 1
    held = stream.read(_CHUNK + _AFTER)
    while held:
        main, after = held[:_CHUNK], held[_CHUNK:]
        yield [Chunk(before, main, after, offset, line)]
        offset += len(main)
        line += main.count(b"\n")
        before = main[-_BEFORE:]
        held = after + stream.read(_CHUNK)


def _letter(data: bytes, place: int) -> int:
    """Return the first place from here on where no UTF-8 sign is cut."""
    while place < len(data) and data[place] & 0xC0 == 0x80:
        place += 1
    return place


def _last_letter(data: bytes) -> int:
    """Return where the last whole UTF-8 sign ends."""
    for back in range(1, min(4, len(data)) + 1):
        sign = data[-back]
        if sign & 0xC0 == 0xC0:
            size = 2 if sign < 0xE0 else 3 if sign < 0xF0 else 4
            return len(data) if back >= size else len(data) - back
        if sign < 0x80:
            break
    return len(data)
