"""All values of a scan, ready to be looked for: patterns inside texts, whole cells, keys.

PersonalValues + rules -> SearchSet -> Found, by page of text
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from serving.leak_scan.folding import CELL, SEPARATORS, folded, joined, squashed
from serving.leak_scan.forms import LONGEST, forms, is_same_cell, is_whole, whole_cells
from serving.leak_scan.matcher import SHORTEST, Matcher
from serving.leak_scan.rules import Verdict, verdict
from serving.leak_scan.values import PersonalValues

KEY = "key"
_FEWEST_KEY_BYTES = 16
_KEPT = np.ones(256, np.bool_)
_KEPT[list(SEPARATORS)] = False

# A value by the number of its column and its number in there.
Entry = tuple[int, int]


@dataclass(frozen=True)
class Page:
    """A stretch of folded text with ``CELL`` between its cells.

    Matches count where they begin in ``text[begin:end]``; the rest is context.
    """

    text: bytes
    begin: int
    end: int
    binary: bool = False


@dataclass(frozen=True)
class Found:
    """One value on a page, and where its match begins there."""

    entry: Entry
    privacy: str
    place: int


@dataclass
class RuleEffect:
    """What one rule did: values of one column that it looked for less, or not at all."""

    rule: str
    origin: str
    privacy: str
    search: str
    values: int = 0
    cells: Counter[str] = field(default_factory=Counter)


class SearchSet:
    """The values and keys of one scan; build it once, search any number of pages."""

    def __init__(self, values: PersonalValues, keys: Mapping[str, bytes] | None = None) -> None:
        self.values = values
        self.effects: dict[tuple[int, str], RuleEffect] = {}
        self.searched = 0
        self._keys = list((keys or {}).values())
        self._cells: dict[bytes, Entry] = {}
        self._skipped: dict[bytes, RuleEffect] = {}
        patterns: dict[bytes, Entry] = {}
        for number in range(len(values.columns)):
            self._add_column(number, patterns)
        for number, key in enumerate(self._keys):
            self._add_key(number, key, patterns)
        self._patterns = list(patterns)
        self._entries = list(patterns.values())
        self._matcher = Matcher(self._patterns)

    def privacy(self, entry: Entry) -> str:
        """Return the class of an entry; ``key`` for one of ours."""
        return self.values.columns[entry[0]].privacy if entry[0] >= 0 else KEY

    def find(self, page: Page) -> Iterator[Found]:
        """Yield every value on a page, in no order."""
        squash = squashed(page.text)
        places: npt.NDArray[np.int64] | None = None
        for match in self._matcher.find(squash):
            if places is None:
                places = np.flatnonzero(_KEPT[np.frombuffer(page.text, np.uint8)])
            pattern = self._patterns[match.pattern]
            start = int(places[match.start])
            end = int(places[match.start + len(pattern) - 1]) + 1
            if page.begin <= start < page.end and self._is_real(match.pattern, page, start, end):
                entry = self._entries[match.pattern]
                yield Found(entry, self.privacy(entry), start)

    def find_cells(self, page: Page) -> Iterator[tuple[int, Found]]:
        """Yield the number of each cell that is a value as a whole."""
        cells: list[bytes] | None = None
        for number, cell in enumerate(squashed(page.text).split(CELL) if self._cells else ()):
            if cell not in self._cells:
                continue
            entry = self._cells[cell]
            cells = cells or page.text.split(CELL)
            if is_same_cell(folded(self.text_of(entry)), cells[number]):
                yield number, Found(entry, self.privacy(entry), 0)

    def count_skipped(self, page: Page, place: str) -> None:
        """Count the cells that only a declared rule lets pass, by place."""
        if self._skipped:
            for cell in squashed(page.text).split(CELL):
                if cell in self._skipped:
                    self._skipped[cell].cells[place] += 1

    def text_of(self, entry: Entry) -> str:
        """Return a value, for comparison alone: it must go into no message."""
        return self.values.columns[entry[0]].texts[entry[1]]

    def _is_real(self, number: int, page: Page, start: int, end: int) -> bool:
        entry = self._entries[number]
        if entry[0] < 0:
            return True
        return is_whole(
            self.privacy(entry),
            self.text_of(entry),
            self._patterns[number],
            page.text,
            start,
            end,
            binary=page.binary,
        )

    def _add_column(self, number: int, patterns: dict[bytes, Entry]) -> None:
        column = self.values.columns[number]
        if not column.texts:
            return
        folds = folded(joined(column.texts)).split(CELL)
        for place, (text, fold) in enumerate(zip(column.texts, folds, strict=True)):
            decided = verdict(column.privacy, text, fold, column.rule)
            entry = (number, place)
            if decided.search == "text":
                self.searched += 1
                for form in forms(column.privacy, text, fold):
                    pattern = squashed(form)[:LONGEST]
                    if len(pattern) >= SHORTEST:
                        patterns.setdefault(pattern, entry)
                continue
            effect = self._effect(number, decided)
            effect.values += 1
            for cell in whole_cells(column.privacy, fold):
                if decided.search == "cell":
                    self._cells.setdefault(cell, entry)
                elif decided.rule.startswith("declared"):
                    self._skipped.setdefault(cell, effect)
            self.searched += decided.search == "cell"

    def _effect(self, number: int, decided: Verdict) -> RuleEffect:
        column = self.values.columns[number]
        return self.effects.setdefault(
            (number, decided.rule),
            RuleEffect(decided.rule, column.origin, column.privacy, decided.search),
        )

    def _add_key(self, number: int, key: bytes, patterns: dict[bytes, Entry]) -> None:
        for form in (key, key.hex().encode()):
            pattern = squashed(form.lower())
            if len(pattern) >= _FEWEST_KEY_BYTES:
                patterns.setdefault(pattern[:LONGEST], (-1, number))
