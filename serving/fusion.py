"""Fuses rankings of chunks into hits: each row once, near-duplicates together.

rankings by meaning and by words -> weighted reciprocal ranks -> rows -> hits with their snippets
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from serving.terms import plain_words

Mode = Literal["hybrid", "vector", "text"]

# Reciprocal rank fusion: the smaller, the more the first ranks count. With the weights of the words
# 5 is a little better than 10 and 20 on the demo's questions, and the usual 60 worse: there a
# middling rank twice beats a first one once.
_FUSION = 5
_SNIPPET = 300
_LEAD = 60
_MOST_HIGHLIGHTS = 8
_SAME_WORDS = 0.9
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True)
class Found:
    """One chunk as one way of asking found it; a higher ``value`` is better, 1.0 the best."""

    view: str
    row: dict[str, Any]
    value: float

    @property
    def row_key(self) -> tuple[str, Any]:
        """What a row is told apart by."""
        return self.view, self.row["key"]


@dataclass(frozen=True)
class Ranking:
    """The chunks that one way of asking found, and how much it counts."""

    found: Sequence[Found]
    weight: float = 1.0
    by_meaning: bool = False


@dataclass(frozen=True)
class Hit:
    """A row that answers, by its best chunk.

    ``score`` is the fused rank as a share of the best possible one: 1.0 is first by every way of
    asking. ``similarity`` is the cosine to the query, ``coverage`` the share of the query's words
    that the row has, each None where that way did not find it; ``confidence`` is the mean over the
    ways that were asked and, unlike ``score``, comparable between questions. ``also`` are the keys
    of rows of the same view that say the same.
    """

    table: str
    key: Any
    title: str
    heading: str
    snippet: str
    score: float
    chunk: int
    confidence: float
    similarity: float | None = None
    coverage: float | None = None
    highlights: list[str] = field(default_factory=list)
    also: list[Any] = field(default_factory=list)


def fuse(rankings: Sequence[Ranking], words: Sequence[str], limit: int) -> list[Hit]:
    """Return at most ``limit`` hits, best first; ``words`` are those of the query."""
    ways = [(ranking, _best_chunks(ranking.found)) for ranking in rankings]
    best = sum(ranking.weight for ranking in rankings) / (_FUSION + 1)
    scores: dict[tuple[str, Any], float] = {}
    chosen: dict[tuple[str, Any], Found] = {}
    values: dict[bool, dict[tuple[str, Any], float]] = {True: {}, False: {}}
    for ranking, found in ways:
        for rank, one in enumerate(found, start=1):
            scores[one.row_key] = scores.get(one.row_key, 0.0) + ranking.weight / (_FUSION + rank)
            chosen.setdefault(one.row_key, one)
            values[ranking.by_meaning][one.row_key] = one.value
    ordered = sorted(scores, key=lambda row: (-scores[row], row[0], str(row[1])))
    stems = sorted({word[: max(4, len(word) - 2)].lower() for word in words if len(word) > 3})
    return [
        _hit(chosen[row], also, scores[row] / best, len(rankings), values, stems)
        for row, also in _collapsed(ordered, chosen, limit)
    ]


def _best_chunks(found: Iterable[Found]) -> list[Found]:
    ordered = sorted(found, key=lambda one: (-one.value, one.view, one.row["chunk_id"]))
    rows: dict[tuple[str, Any], Found] = {}
    for one in ordered:
        rows.setdefault(one.row_key, one)
    return list(rows.values())


def _collapsed(
    ordered: Iterable[tuple[str, Any]], chosen: dict[tuple[str, Any], Found], limit: int
) -> list[tuple[tuple[str, Any], list[Any]]]:
    """The first rows up to the limit, each with the keys of those that repeat it."""
    kept: list[tuple[tuple[str, Any], list[Any]]] = []
    seen: list[frozenset[str]] = []
    for row in ordered:
        if len(kept) == limit:
            break
        text = chosen[row].row
        words = frozenset(plain_words(f"{text['title']} {text['text']}".lower()))
        twins = (
            also
            for (one, also), known in zip(kept, seen, strict=True)
            if one[0] == row[0] and _is_same(known, words)
        )
        also = next(twins, None)
        if also is None:
            kept.append((row, []))
            seen.append(words)
        else:
            also.append(row[1])
    return kept


def _is_same(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two texts share nearly all words, and every word with a digit: those are facts."""
    if not min(len(one), len(other)) >= _SAME_WORDS * max(len(one), len(other)):
        return False
    different = one ^ other
    return len(different) <= (1 - _SAME_WORDS) * len(one | other) and not any(
        letter.isdigit() for word in different for letter in word
    )


def _hit(
    found: Found,
    also: list[Any],
    score: float,
    ways: int,
    values: dict[bool, dict[tuple[str, Any], float]],
    stems: Sequence[str],
) -> Hit:
    row = found.row
    similarity, coverage = (values[by_meaning].get(found.row_key) for by_meaning in (True, False))
    measured = max(similarity or 0.0, 0.0) + min(coverage or 0.0, 1.0)
    snippet, highlights = _snippet(row["title"], _SPACES.sub(" ", row["text"]).strip(), stems)
    return Hit(
        table=found.view,
        key=row["key"],
        title=row["title"],
        heading=row["heading"],
        snippet=snippet,
        score=round(score, 4),
        chunk=row["number"],
        confidence=round(measured / ways, 4),
        similarity=None if similarity is None else round(similarity, 4),
        coverage=None if coverage is None else round(min(coverage, 1.0), 4),
        highlights=highlights,
        also=also,
    )


def _snippet(title: str, text: str, stems: Sequence[str]) -> tuple[str, list[str]]:
    """Return the part of a text around its first matching word, and the words that match."""
    if not stems:
        return _cut(text, 0), []
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, stems))})\w*", re.IGNORECASE)
    matches = list(pattern.finditer(text))
    words = dict.fromkeys([*pattern.findall(title), *(match[0] for match in matches)])
    start = matches[0].start() if matches else 0
    if start <= _LEAD or len(text) <= _SNIPPET:
        return _cut(text, 0), list(words)[:_MOST_HIGHLIGHTS]
    return _cut(text, text.rfind(" ", 0, start - _LEAD // 2) + 1), list(words)[:_MOST_HIGHLIGHTS]


def _cut(text: str, start: int) -> str:
    end = start + _SNIPPET
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"
