"""A stretch of folded text that is searched at once, and what is known of its places.

folded bytes -> Page -> squashed, cells, where a value may begin
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from serving.leak_scan.folding import CELL, SEPARATORS, squashed

_KEPT = np.ones(256, np.bool_)
_KEPT[list(SEPARATORS)] = False
# Digits, as of a phone number only the last are searched for, and scripts without spaces.
_BEGINS_ANYWHERE = np.zeros(256, np.bool_)
_BEGINS_ANYWHERE[48:58] = True
_BEGINS_ANYWHERE[128:] = True
_ESCAPED = np.zeros(256, np.bool_)
_ESCAPED[list(b"nrtbf")] = True

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Page:
    """A stretch of folded text with ``CELL`` between its cells.

    Matches count where they begin in ``text[begin:end]``; the rest is context.
    """

    text: bytes
    begin: int
    end: int
    binary: bool = False
    _signs: dict[bytes, Places] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def squash(self) -> bytes:
        """The text without separators."""
        return squashed(self.text)

    @cached_property
    def cells(self) -> list[bytes]:
        """The squashed cells."""
        return self.squash.split(CELL)

    @cached_property
    def kept(self) -> Places:
        """Where each sign of ``squash`` stands in ``text``."""
        return np.flatnonzero(_KEPT[np.frombuffer(self.text, np.uint8)])

    def beginnings(self) -> Places | None:
        """Return where in ``squash`` a value may begin; None for anywhere, as among bytes."""
        if self.binary or not self.squash:
            return None
        signs = np.frombuffer(self.squash, np.uint8)
        begins = np.ones(len(signs), np.bool_)
        begins[1:] = (np.diff(self.kept) != 1) | (signs[:-1] == CELL[0])
        if b"\\" in self.text:
            # The letter of an escape, `\n`, stands before a word and is none of it.
            begins[1:] |= begins[:-1] & _ESCAPED[signs[:-1]]
        return np.flatnonzero(begins | _BEGINS_ANYWHERE[signs])

    def cell_at(self, place: int) -> int:
        """Return the number of the cell at a place of the text."""
        return self.count(CELL, place)

    def count(self, sign: bytes, place: int) -> int:
        """Return how often a sign stands before a place."""
        if sign not in self._signs:
            raw = np.frombuffer(self.text, np.uint8)
            self._signs[sign] = np.flatnonzero(raw == sign[0])
        return int(np.searchsorted(self._signs[sign], place))


def page_of(text: bytes, *, binary: bool = False) -> Page:
    """Return a page of which every place counts."""
    return Page(text, 0, len(text), binary)
