"""The words of an indexed table with their counts: for spelling, and for what a match is worth.

terms of all chunks -> <table>.words -> corrections and weights of a query's words
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from serving.terms import plain_words

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
# Below this length half of all words are one letter from another one.
_SHORTEST_CORRECTED = 5
_LONGEST_CORRECTED = 40
_MOST_CORRECTIONS = 2
_MOST_CORRECTED = 40
# What a word can add to a text's BM25 score is at most its weight times this (k1 + 1).
_SATURATION = 2.2
# English words that the full-text index leaves out.
_STOP_WORDS = frozenset(
    "a an and are as at be but by for if in into is it no not of on or such that the their then "
    "there these they this to was will with".split()
)


@dataclass(frozen=True)
class Vocabulary:
    """In how many of ``chunks`` chunks each word is, in lower case; words with a digit are not."""

    counts: Mapping[str, int] = field(default_factory=dict)
    chunks: int = 0

    def corrected(self, terms: str) -> "Corrected":
        """Return what to search besides the terms, and the best score that a chunk could reach."""
        added: dict[str, None] = {}
        best = 0.0
        words = [word for word in plain_words(terms.lower()) if word not in _STOP_WORDS]
        for number, word in enumerate(dict.fromkeys(words)):
            near = self._near(word) if number < _MOST_CORRECTED else []
            added.update(dict.fromkeys(near))
            best += max(self._weight(one) for one in near or [word])
        return Corrected(list(added), best * _SATURATION)

    def _near(self, word: str) -> list[str]:
        """The commonest known words one slip away from an unknown one: by letter or by order."""
        is_short = not _SHORTEST_CORRECTED <= len(word) <= _LONGEST_CORRECTED
        if word in self.counts or is_short or not word.isalpha():
            return []
        known = [one for one in _slips(word) if one in self.counts]
        known.sort(key=lambda one: (one[0] != word[0], -self.counts[one], one))
        return known[:_MOST_CORRECTIONS]

    def _weight(self, word: str) -> float:
        """The inverse document frequency as BM25 takes it."""
        count = self.counts.get(word, 0)
        return math.log(1 + (max(self.chunks - count, 0) + 0.5) / (count + 0.5))


@dataclass(frozen=True)
class Corrected:
    """Words to add to a query, and the highest BM25 score that any text could have for it."""

    added: list[str]
    best_score: float


def count_words(terms: Iterable[str]) -> Counter[str]:
    """Count in how many texts each word is; words with a digit are codes, which nobody guesses."""
    counts: Counter[str] = Counter()
    for text in terms:
        counts.update({word for word in plain_words(text.lower()) if word.isalpha()})
    return counts


def write_words(path: Path, counts: Mapping[str, int]) -> None:
    """Write a table's words, one a line with its count."""
    lines = (f"{word} {count}\n" for word, count in sorted(counts.items()) if count > 0)
    path.write_text("".join(lines), encoding="utf-8")


def read_words(path: Path) -> Counter[str]:
    """Return a table's words with their counts; none where an older snapshot has no such file."""
    if not path.is_file():
        return Counter()
    pairs = (line.rpartition(" ") for line in path.read_text(encoding="utf-8").splitlines())
    return Counter({word: int(count) for word, _, count in pairs})


def _slips(word: str) -> set[str]:
    """All words that differ by one letter: left out, swapped with the next, replaced, added."""
    parts = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    left_out = {before + after[1:] for before, after in parts if after}
    swapped = {b + a[1] + a[0] + a[2:] for b, a in parts if len(a) > 1}
    replaced = {b + letter + a[1:] for b, a in parts if a for letter in _LETTERS}
    added = {b + letter + a for b, a in parts for letter in _LETTERS}
    return left_out | swapped | replaced | added
