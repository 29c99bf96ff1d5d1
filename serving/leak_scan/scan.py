"""The leak scan: no artefact holds a personal value of the sources, a key, or what looks like one.

targets -> files -> cells of known stores, and the bytes of every file -> pages -> hits
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa

from serving.leak_scan.also_public import ORDINARY, also_public
from serving.leak_scan.cells import Cells, cells_of
from serving.leak_scan.encodings import decoded_tokens, unescaped
from serving.leak_scan.files import Chunk, File, files_of
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
from serving.leak_scan.targets import Target
from serving.leak_scan.values import PersonalValues
from serving.patterns import find_patterns

# Hits that are named of each place and class; the rest are counted.
MOST_NAMED = 20
Place = tuple[str, str, str]
T = TypeVar("T")


def scan(
    targets: Iterable[Target],
    values: PersonalValues | SearchSet,
    *,
    patterns: bool = True,
    keys: Mapping[str, bytes] | None = None,
    project_texts: Sequence[str] = (),
) -> ScanReport:
    """Search every cell and byte of the targets and return what was found.

    ``keys`` are secrets that may show nowhere; ``project_texts`` are files of the project, whose
    own invented data (a unit test's e-mail) is no leak where it shows again. A search set that is
    kept from scan to scan has its keys already.
    """
    began, cpu = time.perf_counter(), time.process_time()
    search = values if isinstance(values, SearchSet) else SearchSet(values, keys)
    search.forget_cells()
    by_pattern = PatternSearch(project_texts) if patterns else None
    scanner = _Scanner(search, by_pattern, project_texts)
    for target in targets:
        scanner.target(target)
    report = scanner.report()
    report.seconds = time.perf_counter() - began
    report.cpu_seconds = time.process_time() - cpu
    return report


class _Scanner:
    """The state of one scan."""

    def __init__(
        self, search: SearchSet, patterns: PatternSearch | None, project_texts: Sequence[str]
    ) -> None:
        self._search = search
        self._patterns = patterns
        self._repeats_project = False
        self._project = squashed(folded("\n".join(project_texts)))
        self._is_in_project = lru_cache(maxsize=100_000)(self._found_in_project)
        self._found: dict[tuple[Place, str, Entry | None], list[str]] = {}
        self._counts: Counter[tuple[Place, str, Entry | None]] = Counter()
        self._report = ScanReport(values=len(search), searched=search.searched)
        self._unread: list[str] = []
        self._told = lru_cache(maxsize=10_000)(self._without_values)

    def target(self, target: Target) -> None:
        """Search one target: cells first, then the bytes of every file."""
        self._repeats_project = target.repeats_project
        for file in files_of(target):
            self._report.files[file.kind] += 1
            self._cells(file, cells_of("", "(name)", [""], [file.name]))
            read = self._each(file, file.cells(), self._cells)
            with_patterns = not (read and file.is_store) and not file.is_part
            self._each(file, file.raw(), partial(self._chunk, with_patterns=with_patterns))
            self._each(file, file.packed(), partial(self._chunk, with_patterns=True))

    def report(self) -> ScanReport:
        """Leave out what is also public and return the rest."""
        report = self._report
        entries = {entry for _, _, entry in self._counts if entry is not None and entry[0] >= 0}
        public = also_public(self._search, entries)
        hits = []
        for (place, privacy, entry), count in self._counts.items():
            file = WITHHELD if self._names_someone(place[0]) else place[0]
            told = Hit(file, self._told(place[1]), self._told(place[2]), privacy, "")
            if entry in public:
                report.public[told.place, privacy] += count
                continue
            report.counts[told.place, privacy] += count
            by = "value" if entry is not None else "pattern"
            hits += [
                Hit(told.file, told.view, told.column, privacy, self._told(row), by)
                for row in self._found[place, privacy, entry]
            ]
        report.hits = tuple(_first(sorted(set(hits))))
        report.effects = tuple(
            replace(effect, cells=effect.cells.copy()) for effect in self._search.effects.values()
        )
        report.unread = tuple(self._unread)
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
                self._unread.append(file.name)
                return False
            if part is None:
                return True
            search(file, part)

    def _cells(self, file: File, cells: Cells) -> None:
        text = cells.joined()
        place = (file.name, file.rows.view if file.rows else cells.table, cells.column)
        page = page_of(folded_utf8(text))
        self._report.cells += len(cells.texts)
        self._report.cell_bytes += len(page.text)
        for found in self._search.find(page):
            self._add(place, found, cells.key(page.cell_at(found.place)))
        for number, found in self._search.find_cells(page):
            self._add(place, found, cells.key(number))
        self._search.count_skipped(page, ": ".join((place[0], ".".join(place[1:]))))
        for start, found in self._encoded(text):
            self._add(place, found, cells.key(text.count(CELL, 0, start)))
        for number, found in self._in_cells(cells.texts):
            self._add(place, found, cells.key(number))

    def _chunk(self, file: File, chunk: Chunk, *, with_patterns: bool) -> None:
        self._report.raw_bytes += len(chunk.main)
        place = (file.name, "", ANYWHERE)
        parts = chunk.as_text()
        if parts is None:
            self._binary(place, chunk, with_patterns=with_patterns)
            return
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

    def _binary(self, place: Place, chunk: Chunk, *, with_patterns: bool) -> None:
        raw = (chunk.before, chunk.main, chunk.after)
        page = _page(*map(folded_bytes, raw), binary=True)
        for found in self._search.find(page):
            self._add(place, found, f"byte {chunk.offset + found.place - page.begin}")
        plain = ((start, folded_bytes(part)) for start, part in unescaped(b"".join(raw)))
        for _, found in self._in_parts(plain, binary=True):
            self._add(place, found, f"about byte {chunk.offset}")
        if with_patterns and self._patterns is not None:
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
        tokens = (
            (start, folded_bytes(data).replace(CELL, b" "))
            for start, data in decoded_tokens(text)
            if len(data) >= _FEWEST_DECODED
        )
        yield from self._in_parts(tokens, binary=True)

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
            self._report.project[place[0], found.privacy] += 1
            return
        key = (place, found.privacy, entry)
        self._counts[key] += 1
        named = self._found.setdefault(key, [])
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


def _page(before: bytes, main: bytes, after: bytes, *, binary: bool = False) -> Page:
    return Page(before + main + after, len(before), len(before) + len(main), binary)


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


def scan_folder(folder: Path, values: PersonalValues) -> ScanReport:
    """Search one folder for values alone, such as what an erasure must have left nowhere."""
    return scan([Target(folder, folder.name)], values, patterns=False)
