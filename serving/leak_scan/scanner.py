"""Searches files one by one, and tells what was found in all of them.

File -> cells of known stores, and the bytes of every file -> pages -> Findings -> ScanReport
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import accumulate
from typing import TypeVar

import numpy as np
import pyarrow as pa

from serving.leak_scan.also_public import ORDINARY, also_public
from serving.leak_scan.cells import Cells, cells_of
from serving.leak_scan.encodings import decoded, long_tokens, unescaped
from serving.leak_scan.files import Chunk, File
from serving.leak_scan.folding import (
    CELL,
    CELL_TEXT,
    folded,
    folded_bytes,
    folded_utf8,
    squashed,
)
from serving.leak_scan.page import Page, page_of
from serving.leak_scan.pattern_search import PatternSearch
from serving.leak_scan.report import ANYWHERE, WITHHELD, Hit, ScanReport
from serving.leak_scan.search_set import Entry, Found, SearchSet
from serving.patterns import find_patterns

# Hits that are named of each place and class; the rest are counted.
MOST_NAMED = 20
Place = tuple[str, str, str]
Finding = tuple[Place, str, Entry | None]
T = TypeVar("T")


@dataclass
class Findings:
    """What some files hold and how much of them was read; it goes from process to process.

    ``named`` has the first rows of each finding, ``passed`` the cells that a rule let pass.
    """

    named: dict[Finding, list[str]] = field(default_factory=dict)
    counts: Counter[Finding] = field(default_factory=Counter)
    project: Counter[tuple[str, str]] = field(default_factory=Counter)
    passed: dict[tuple[int, str], Counter[str]] = field(default_factory=dict)
    files: Counter[str] = field(default_factory=Counter)
    unread: list[str] = field(default_factory=list)
    cells: int = 0
    cell_bytes: int = 0
    raw_bytes: int = 0
    cpu_seconds: float = 0.0


class Scanner:
    """What searches the files of one scan, or a helper some of them."""

    def __init__(self, search: SearchSet, project_texts: Sequence[str], by_pattern: bool) -> None:
        self._made_of = (search, project_texts, by_pattern)
        self._search = search
        self._patterns = PatternSearch(project_texts) if by_pattern else None
        self._repeats_project = False
        self._project = squashed(folded("\n".join(project_texts)))
        self._is_in_project = lru_cache(maxsize=100_000)(self._found_in_project)
        self._found = Findings()
        # A pseudonym comes again in each row of its person, in every file.
        self._harmless: set[bytes] = set()
        self._told = lru_cache(maxsize=10_000)(self._without_values)

    def __reduce__(self) -> tuple[type["Scanner"], tuple[SearchSet, Sequence[str], bool]]:
        """A copy in another process has found nothing yet."""
        return Scanner, self._made_of

    def search(self, file: File, *, repeats_project: bool) -> None:
        """Search one file: cells first, then its bytes."""
        self._repeats_project = repeats_project
        if file.is_first:
            self._found.files[file.kind] += 1
            self._cells(file, cells_of("", "(name)", [""], [file.name]))
        read = self._each(file, file.cells(), self._cells)
        with_patterns = not (read and file.is_store) and not file.is_part
        self._each(file, file.raw(), partial(self._chunks, with_patterns=with_patterns))
        self._each(file, file.packed(), partial(self._chunks, with_patterns=True))

    @property
    def found(self) -> Findings:
        """What was found so far."""
        effects = self._search.effects
        return replace(self._found, passed={key: one.cells for key, one in effects.items()})

    def take(self, other: Findings) -> None:
        """Add what was found in other files."""
        found = self._found
        for finding, rows in other.named.items():
            found.named.setdefault(finding, []).extend(rows)
        found.counts += other.counts
        found.project += other.project
        found.files += other.files
        found.unread += other.unread
        found.cells += other.cells
        found.cell_bytes += other.cell_bytes
        found.raw_bytes += other.raw_bytes
        found.cpu_seconds += other.cpu_seconds
        for key, cells in other.passed.items():
            self._search.effects[key].cells += cells

    def report(self) -> ScanReport:
        """Leave out what is also public and return the rest."""
        found = self._found
        report = ScanReport(
            values=len(self._search),
            searched=self._search.searched,
            project=found.project,
            files=found.files,
            unread=tuple(sorted(set(found.unread))),
            cells=found.cells,
            cell_bytes=found.cell_bytes,
            raw_bytes=found.raw_bytes,
            cpu_seconds=found.cpu_seconds,
        )
        entries = {entry for _, _, entry in found.counts if entry is not None and entry[0] >= 0}
        public = also_public(self._search, entries)
        hits = []
        for (place, privacy, entry), count in found.counts.items():
            file = WITHHELD if self._names_someone(place[0]) else place[0]
            told = Hit(file, self._told(place[1]), self._told(place[2]), privacy, "")
            if entry in public:
                report.public[told.place, privacy] += count
                continue
            report.counts[told.place, privacy] += count
            by = "value" if entry is not None else "pattern"
            hits += [
                Hit(told.file, told.view, told.column, privacy, self._told(row), by)
                for row in found.named[place, privacy, entry]
            ]
        report.hits = tuple(_first(sorted(set(hits))))
        report.effects = tuple(
            replace(effect, cells=effect.cells.copy()) for effect in self._search.effects.values()
        )
        return report

    def _each(self, file: File, parts: Iterator[T], search: Callable[[File, T], None]) -> bool:
        """Search what is read of a file; False where reading it breaks off."""
        while True:
            try:
                part = next(parts, None)
            except FileNotFoundError:
                # Others work while this goes on: a file that is gone holds nothing.
                return True
            except file.faults:
                self._found.unread.append(file.name)
                return False
            if part is None:
                return True
            search(file, part)

    def _cells(self, file: File, cells: Cells) -> None:
        text = cells.joined()
        place = (file.name, file.rows.view if file.rows else cells.table, cells.column)
        page = page_of(folded_utf8(text))
        self._found.cells += len(cells.texts)
        self._found.cell_bytes += len(page.text)
        for found in self._search.find(page):
            self._add(place, found, cells.key(page.cell_at(found.place)))
        for number, found in self._search.find_cells(page):
            self._add(place, found, cells.key(number))
        self._search.count_skipped(page, ": ".join((place[0], ".".join(place[1:]))))
        for start, found in self._encoded(text):
            self._add(place, found, cells.key(text.count(CELL, 0, start)))
        for number, found in self._in_cells(cells.texts):
            self._add(place, found, cells.key(number))

    def _chunks(self, file: File, chunks: list[Chunk], *, with_patterns: bool) -> None:
        place = (file.name, "", ANYWHERE)
        binary = []
        for chunk in chunks:
            self._found.raw_bytes += len(chunk.main)
            parts = chunk.as_text()
            if parts is None:
                binary.append(chunk)
            else:
                self._text(place, chunk, parts, with_patterns=with_patterns)
        if binary:
            self._binary(place, binary, with_patterns=with_patterns)

    def _text(
        self, place: Place, chunk: Chunk, parts: tuple[bytes, bytes, bytes], *, with_patterns: bool
    ) -> None:
        before, main, after = parts
        page = _page(*map(folded_utf8, parts))
        for found in self._search.find(page):
            line = chunk.line + page.count(b"\n", found.place) - page.count(b"\n", page.begin)
            self._add(place, found, f"line {line}")
        for _, found in self._encoded(before + main + after):
            self._add(place, found, f"about line {chunk.line}")
        if with_patterns:
            for number, found in self._in_cells(_lines(main)):
                self._add(place, found, f"line {chunk.line + number}")

    def _binary(self, place: Place, chunks: list[Chunk], *, with_patterns: bool) -> None:
        """Search chunks as one page; no match spans two, and around each is what is around it."""
        raw = [chunk.before + chunk.main + chunk.after for chunk in chunks]
        plain = [
            [folded_bytes(part) for part in (one.before, one.main, one.after)] for one in chunks
        ]
        begins = _begins([sum(map(len, parts)) for parts in plain])
        page = page_of(CELL.join(b"".join(parts) for parts in plain), binary=True)
        for found in self._search.find(page):
            number = bisect_right(begins, found.place) - 1
            before, main, _ = plain[number]
            within = found.place - begins[number] - len(before)
            if 0 <= within < len(main):
                self._add(place, found, f"byte {chunks[number].offset + within}")
        begins = _begins([len(one) for one in raw])
        without = ((at, folded_bytes(part)) for at, part in unescaped(CELL.join(raw)))
        for at, found in self._in_parts(without, binary=True):
            offset = chunks[bisect_right(begins, at) - 1].offset
            self._add(place, found, f"about byte {offset}")
        if not with_patterns or self._patterns is None:
            return
        for chunk in chunks:
            repeats = self._repeats_project
            for pattern in self._patterns.in_bytes(chunk.main, repeats_project=repeats):
                self._add(place, Found(_NO_ENTRY, pattern, 0), f"about byte {chunk.offset}")

    def _in_cells(self, texts: pa.Array) -> Iterator[tuple[int, Found]]:
        """Yield what looks like personal data with the number of its text."""
        if self._patterns is not None:
            repeats = self._repeats_project
            for number, pattern in self._patterns.in_cells(texts, repeats_project=repeats):
                yield number, Found(_NO_ENTRY, pattern, 0)

    def _encoded(self, text: bytes) -> Iterator[tuple[int, Found]]:
        """Yield values behind escapes and in long tokens, with where the stretch begins."""
        plain = ((start, folded_utf8(part)) for start, part in unescaped(text))
        yield from self._in_parts(plain, binary=False)
        yield from self._in_tokens(text)

    def _in_tokens(self, text: bytes) -> Iterator[tuple[int, Found]]:
        """Search what long tokens encode; of one that was found to hold nothing, no more."""
        unknown = {at: token for at, token in long_tokens(text) if token not in self._harmless}
        data = ((at, folded_bytes(decoded(token))) for at, token in unknown.items())
        told = ((at, part.replace(CELL, b" ")) for at, part in data if len(part) >= _FEWEST_DECODED)
        for at, found in self._in_parts(told, binary=True):
            unknown.pop(at, None)
            yield at, found
        if len(self._harmless) > _MOST_HARMLESS:
            self._harmless.clear()
        self._harmless.update(unknown.values())

    def _in_parts(
        self, parts: Iterable[tuple[int, bytes]], *, binary: bool
    ) -> Iterator[tuple[int, Found]]:
        """Search parts as the cells of one page; none holds ``CELL``."""
        starts, texts = [], []
        for start, text in parts:
            starts.append(start)
            texts.append(text)
        if texts:
            page = page_of(CELL.join(texts), binary=binary)
            for found in self._search.find(page):
                yield starts[page.cell_at(found.place)], found

    def _add(self, place: Place, found: Found, row: str) -> None:
        entry = None if found.entry == _NO_ENTRY else found.entry
        if self._repeats_project and entry is not None and self._is_in_project(entry):
            self._found.project[place[0], found.privacy] += 1
            return
        key = (place, found.privacy, entry)
        self._found.counts[key] += 1
        named = self._found.named.setdefault(key, [])
        if len(named) < MOST_NAMED:
            named.append(row)

    def _found_in_project(self, entry: Entry) -> bool:
        """Tell whether the project's own files have an ordinary value, as in a unit test's rows."""
        if self._search.privacy(entry) not in ORDINARY:
            return False
        return squashed(folded(self._search.text_of(entry))) in self._project

    def _without_values(self, text: str) -> str:
        """Return what names a place, unless it is personal data itself."""
        is_personal = self._names_someone(text) or find_patterns(text)
        return WITHHELD if is_personal else text

    def _names_someone(self, text: str) -> bool:
        page = page_of(folded(text.replace(CELL_TEXT, " ")))
        return any(self._search.find(page)) or any(self._search.find_cells(page))


_NO_ENTRY: Entry = (-2, 0)
_FEWEST_DECODED = 8
_MOST_HARMLESS = 200_000


def _page(before: bytes, main: bytes, after: bytes) -> Page:
    return Page(before + main + after, len(before), len(before) + len(main))


def _begins(lengths: list[int]) -> list[int]:
    """Return where each of some parts begins that stand together with one sign between them."""
    return list(accumulate((length + 1 for length in lengths[:-1]), initial=0))


def _lines(text: bytes) -> pa.Array:
    """Return the lines of UTF-8 without copying it."""
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == 10) + 1
    offsets = np.concatenate([[0], ends, [len(text)]]).astype(np.int32)
    return pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(text))


def _first(hits: list[Hit]) -> Iterator[Hit]:
    """Yield at most ``MOST_NAMED`` hits of each place and class."""
    named: Counter[tuple[str, str]] = Counter()
    for hit in hits:
        named[hit.place, hit.privacy] += 1
        if named[hit.place, hit.privacy] <= MOST_NAMED:
            yield hit
