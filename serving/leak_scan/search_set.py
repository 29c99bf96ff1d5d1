"""All values of a scan, ready to be looked for: patterns inside texts, whole cells, keys.

PersonalValues + rules -> SearchSet -> Found, by page of text
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from serving.leak_scan.folding import CELL, folded, joined, squashed
from serving.leak_scan.forms import LONGEST, is_same_cell, is_whole, patterns, street, whole_cells
from serving.leak_scan.matcher import SHORTEST, Matcher
from serving.leak_scan.page import Page, Places
from serving.leak_scan.rules import Verdict, verdict
from serving.leak_scan.values import PersonalValues, ValueColumn

KEY = "key"
_FEWEST_KEY_BYTES = 16
# Sets of patterns, the largest first, differ by this factor at least.
_GROWTH = 8

# A value by the number of its column and its number in there.
Entry = tuple[int, int]


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
    """The values and keys of a scan; build it once, search any number of pages, add more values."""

    def __init__(self, values: PersonalValues, keys: Mapping[str, bytes] | None = None) -> None:
        self.warehouse, self.public = values.warehouse, values.public
        self.columns: list[ValueColumn] = []
        self.effects: dict[tuple[int, str], RuleEffect] = {}
        self.searched = 0
        self._keys = list((keys or {}).values())
        self._cells: dict[bytes, Entry] = {}
        self._skipped: dict[bytes, RuleEffect] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._known: dict[int, set[str]] = {}
        self._values: list[_Patterns] = []
        self._own = _Patterns(dict(self._key_patterns()))
        self.add(values)

    def __len__(self) -> int:
        return sum(len(column.texts) for column in self.columns)

    @property
    def origins(self) -> frozenset[str]:
        """The columns (``source.table.column``) of which it has any value."""
        return frozenset(column.origin for column in self.columns if column.texts)

    def __getstate__(self) -> dict[str, object]:
        """A copy in another process has no warehouse: it tells nothing but what it found."""
        return vars(self) | {"warehouse": None}

    def add(self, values: PersonalValues) -> None:
        """Take further values, those that are known already left out.

        Small sets of patterns are put together as they grow, so that there are never many.
        """
        found: dict[bytes, Entry] = {}
        for column in values.columns:
            number = self._numbers.setdefault((column.origin, column.privacy), len(self.columns))
            if number == len(self.columns):
                self.columns.append(replace(column, texts=list(column.texts)))
                self._add_texts(number, 0, found)
            elif texts := self._unknown(number, column.texts):
                first = len(self.columns[number].texts)
                self.columns[number].texts.extend(texts)
                self._add_texts(number, first, found)
        if not found:
            return
        while self._values and len(self._values[-1]) < _GROWTH * len(found):
            found = {**self._values.pop().entries, **found}
        self._values.append(_Patterns(found))

    def _unknown(self, number: int, texts: list[str]) -> list[str]:
        known = self._known.get(number)
        if known is None:
            known = self._known[number] = set(self.columns[number].texts)
        unknown = [text for text in texts if text not in known]
        known.update(unknown)
        return unknown

    def privacy(self, entry: Entry) -> str:
        """Return the class of an entry; ``key`` for one of ours."""
        return self.columns[entry[0]].privacy if entry[0] >= 0 else KEY

    def find(self, page: Page) -> Iterator[Found]:
        """Yield every value on a page, in no order."""
        places = page.beginnings()
        for some in self._values:
            for pattern, entry, start, end in some.find(page, places):
                if self._is_real(pattern, entry, page, start, end):
                    yield Found(entry, self.privacy(entry), start)
        for _, entry, start, _ in self._own.find(page, None):
            yield Found(entry, KEY, start)

    def find_cells(self, page: Page) -> Iterator[tuple[int, Found]]:
        """Yield the number of each cell that is a value as a whole."""
        if not self._cells or self._cells.keys().isdisjoint(page.cells):
            return
        written = page.text.split(CELL)
        for number, cell in enumerate(page.cells):
            entry = self._cells.get(cell)
            if entry and is_same_cell(folded(self.text_of(entry)), written[number]):
                yield number, Found(entry, self.privacy(entry), 0)

    def forget_cells(self) -> None:
        """Begin to count cells that pass from nothing, for another scan."""
        for effect in self.effects.values():
            effect.cells.clear()

    def count_skipped(self, page: Page, place: str) -> None:
        """Count the cells that only a declared rule lets pass, by place."""
        if self._skipped and not self._skipped.keys().isdisjoint(page.cells):
            for cell in page.cells:
                if cell in self._skipped:
                    self._skipped[cell].cells[place] += 1

    def text_of(self, entry: Entry) -> str:
        """Return a value, for comparison alone: it must go into no message."""
        return self.columns[entry[0]].texts[entry[1]]

    def _is_real(self, pattern: bytes, entry: Entry, page: Page, start: int, end: int) -> bool:
        privacy, value = self.privacy(entry), self.text_of(entry)
        return is_whole(privacy, value, pattern, page.text, start, end, binary=page.binary)

    def _add_texts(self, number: int, first: int, found: dict[bytes, Entry]) -> None:
        column = self.columns[number]
        texts = column.texts[first:]
        if not texts:
            return
        whole = folded(joined(texts))
        spelt = zip(texts, whole.split(CELL), squashed(whole).split(CELL), strict=True)
        for place, (text, fold, squash) in enumerate(spelt, start=first):
            decided = verdict(column.privacy, text, fold, squash, column.rule)
            entry = (number, place)
            if decided.search == "text":
                self.searched += 1
                for pattern in patterns(column.privacy, text, fold, squash):
                    if len(pattern) >= SHORTEST:
                        found.setdefault(pattern, entry)
                if column.privacy == "address" and (name := street(fold)):
                    self._cells.setdefault(name, entry)
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
        column = self.columns[number]
        return self.effects.setdefault(
            (number, decided.rule),
            RuleEffect(decided.rule, column.origin, column.privacy, decided.search),
        )

    def _key_patterns(self) -> Iterator[tuple[bytes, Entry]]:
        for number, key in enumerate(self._keys):
            for form in (key, key.hex().encode()):
                pattern = squashed(form.lower())
                if len(pattern) >= _FEWEST_KEY_BYTES:
                    yield pattern[:LONGEST], (-1, number)


class _Patterns:
    """Some patterns with the values that they stand for."""

    def __init__(self, entries: Mapping[bytes, Entry]) -> None:
        self._patterns, self._entries = list(entries), list(entries.values())
        self._matcher = Matcher(self._patterns)

    def __len__(self) -> int:
        return len(self._patterns)

    @property
    def entries(self) -> dict[bytes, Entry]:
        """What it was made of."""
        return dict(zip(self._patterns, self._entries, strict=True))

    def find(self, page: Page, places: Places | None) -> Iterator[tuple[bytes, Entry, int, int]]:
        """Yield each match that counts: pattern, value, and its begin and end on the page."""
        for match in self._matcher.find(page.squash, places):
            pattern = self._patterns[match.pattern]
            start = int(page.kept[match.start])
            if page.begin <= start < page.end:
                end = int(page.kept[match.start + len(pattern) - 1]) + 1
                yield pattern, self._entries[match.pattern], start, end
