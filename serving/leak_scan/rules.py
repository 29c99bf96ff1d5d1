"""How values of each privacy class are searched for, and what a source's YAML may change.

A short value or a single first name is also an ordinary word: found as a whole cell it tells of a
person, found inside a text it tells nothing. Each rule's effect is counted in the scan's report.
"""

import re
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from serving.leak_scan.folding import words

# Where a value is looked for: inside texts and bytes and as a whole cell, as a whole cell alone,
# or nowhere.
Search = Literal["text", "cell", "never"]
PUBLIC = "public"

_NO_DIGITS = bytes(code for code in range(256) if not 48 <= code < 58)
# Scripts that put no space between words: few of their signs are already a whole name.
_UNSPACED = re.compile("[\u2e80-\u9fff\uac00-\ud7af\u0e00-\u0e7f\uf900-\ufaff]")


class ScanRule(BaseModel):
    """A raw column's ``config.meta.scan``; ``because`` is told in every report.

    ``shortest`` counts letters and digits of the shortest value that is looked for inside texts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    search: Search = "text"
    shortest: int | None = Field(default=None, ge=5)
    because: str = Field(min_length=1)

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.search == "text" and self.shortest is None:
            raise ValueError("give `search: cell`, `search: never` or `shortest`")
        return self


@dataclass(frozen=True)
class Verdict:
    """How one value is looked for and, where that is not everywhere, why."""

    search: Search
    rule: str = ""


EVERYWHERE = Verdict("text")
_SINGLE_WORD = Verdict("cell", "a name of one word is looked for as a whole cell")
_SHORT = Verdict("cell", "a short value is looked for as a whole cell")
_NO_NUMBER = Verdict("cell", "an address of no number is looked for as a whole cell")
_DATE = Verdict("cell", "a date is looked for as a whole cell")
_TINY = Verdict("never", "a value of fewer than two signs is not looked for")
_SMALL_NUMBER = Verdict("never", "a number as short as a count or a price is not looked for")
_FREE_TEXT = Verdict("never", "a text is searched by what it holds, not for itself")

_SHORTEST = {"email": 6, "phone": 8, "address": 8, "secret": 5}
_SHORTEST_OTHER = 6
_SHORTEST_UNSPACED = 3
_SHORTEST_NUMBER = 12


def verdict(
    privacy: str, value: str, folded: bytes, squash: bytes, declared: ScanRule | None = None
) -> Verdict:
    """Return how a value of a class, also given folded and squashed, is looked for."""
    if declared is not None and declared.search != "text":
        return Verdict(declared.search, f"declared: {declared.because}")
    if privacy == "free_text":
        return _FREE_TEXT
    if len(squash) < 2:
        return _TINY
    if privacy == "birth_date":
        return _DATE
    if privacy == "identifier" and squash.isdigit() and len(squash) < _SHORTEST_NUMBER:
        return _SMALL_NUMBER
    return _inside_texts(privacy, value, folded, squash, declared)


def _inside_texts(
    privacy: str, value: str, folded: bytes, squash: bytes, declared: ScanRule | None
) -> Verdict:
    shortest = _SHORTEST.get(privacy, _SHORTEST_OTHER)
    if declared is not None and declared.shortest is not None:
        shortest = declared.shortest
    if privacy == "phone":
        return EVERYWHERE if len(digits(squash)) >= shortest else _SHORT
    if not value.isascii() and _UNSPACED.search(value):
        return EVERYWHERE if len(squash.decode()) >= _SHORTEST_UNSPACED else _SHORT
    if privacy == "name" and len(words(folded)) < 2:
        return _SINGLE_WORD
    if privacy == "address" and not (len(words(folded)) > 1 and digits(squash)):
        return _NO_NUMBER
    return EVERYWHERE if len(squash) >= shortest else _SHORT


def digits(folded: bytes) -> bytes:
    """Return the ASCII digits alone."""
    return folded.translate(None, _NO_DIGITS)
