"""Answers a question in plain words from the index: by meaning, by words, or both fused.

query -> vector search + full-text search, filters pushed down -> reciprocal rank fusion -> hits
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import lancedb
import numpy as np
import numpy.typing as npt
from lancedb.expr import Expr, col
from lancedb.query import (
    FullTextOperator,
    LanceFtsQueryBuilder,
    LanceVectorQueryBuilder,
    MatchQuery,
)
from lancedb.table import Table

from serving.catalog import CatalogView, IndexInfo
from serving.documents import filter_kind, filter_value
from serving.embedder import Embedder
from serving.errors import InvalidArgument, ServingError
from serving.index_table import FILTER_PREFIX
from serving.terms import query_terms

Mode = Literal["hybrid", "vector", "text"]
Vector = npt.NDArray[np.float32]

# The usual constant of reciprocal rank fusion: the first ranks weigh alike, the tail little.
_FUSION = 60
_FEWEST_CANDIDATES = 50
_SNIPPET = 300
_LONGEST_QUERY = 10_000
_LONGEST_VALUE = 1_000
_MOST_VALUES = 100
_INTEGER_LIMIT = 2**63
_COLUMNS = ["chunk_id", "key", "number", "title", "heading", "text"]


@dataclass(frozen=True)
class Hit:
    """A row that answers, by its best chunk.

    ``score`` is the fused rank as a share of the best possible one: 1.0 is first by every way of
    asking. ``similarity`` is the cosine to the query, None where the words alone found the row.
    """

    table: str
    key: Any
    title: str
    heading: str
    snippet: str
    score: float
    chunk: int
    similarity: float | None = None


@dataclass(frozen=True)
class _Found:
    """One chunk as one way of asking found it; a higher ``value`` is better."""

    view: str
    row: dict[str, Any]
    value: float


class SearchIndex:
    """The index of one snapshot, shared by threads; ``tables`` of a search tell its scope."""

    def __init__(self, folder: Path, index: IndexInfo, embedder: Embedder) -> None:
        if embedder.model != index.model:
            raise ServingError(
                f"the index was built with {index.model} and cannot be asked with "
                f"{embedder.model}; run `grounded run`"
            )
        self._database = lancedb.connect(folder)
        self._index = index
        self._embedder = embedder
        self._tables: dict[str, Table] = {}
        self._lock = Lock()

    def search(
        self,
        tables: Mapping[str, CatalogView],
        query: str,
        *,
        filters: Mapping[str, Any],
        limit: int,
        mode: Mode = "hybrid",
    ) -> list[Hit]:
        """Return at most ``limit`` rows, best first; the query is text and never syntax.

        A filter is one value or a list of which any may match. InvalidArgument tells what is
        wrong with query, filters or limit.
        """
        if not query.strip():
            raise InvalidArgument("the query is empty; give a question or some words")
        if limit < 1:
            raise InvalidArgument("limit must be at least 1")
        scopes = [
            _Scope(self._open(name), tables[name].name, where)
            for name, where in _conditions(tables, filters).items()
            if self._index.chunks.get(name)
        ]
        # Half of a surrogate pair is no text: the tokenizer would refuse it.
        query = query[:_LONGEST_QUERY].encode("utf-8", "replace").decode()
        count = max(limit * 4, _FEWEST_CANDIDATES)
        rankings: list[list[_Found]] = []
        if mode != "text":
            rankings.append(_by_meaning(scopes, self._embedder.embed([query])[0], count))
        if mode != "vector":
            rankings.append(_by_words(scopes, query_terms(query), count))
        return _fuse(rankings)[:limit]

    def _open(self, name: str) -> Table:
        with self._lock:
            if name not in self._tables:
                self._tables[name] = self._database.open_table(name)
            return self._tables[name]


@dataclass(frozen=True)
class _Scope:
    """A table that takes part in a search, under its condition."""

    table: Table
    view: str
    where: Expr | None


def _by_meaning(scopes: list[_Scope], vector: Vector, count: int) -> list[_Found]:
    found = []
    for scope in scopes:
        search = LanceVectorQueryBuilder(scope.table, vector, "vector")
        search = search.distance_type("dot").limit(count).select([*_COLUMNS, "_distance"])
        if scope.where is not None:
            search = search.where(scope.where, prefilter=True)
        found += [_Found(scope.view, row, 1.0 - row["_distance"]) for row in search.to_list()]
    return found


def _by_words(scopes: list[_Scope], terms: str, count: int) -> list[_Found]:
    if not terms:
        return []
    found = []
    for scope in scopes:
        search = LanceFtsQueryBuilder(scope.table, _match(terms))
        search = search.limit(count).select([*_COLUMNS, "_score"])
        if scope.where is not None:
            search = search.where(scope.where, prefilter=True)
        found += [_Found(scope.view, row, row["_score"]) for row in search.to_list()]
    return found


def _match(terms: str) -> MatchQuery:
    return MatchQuery(
        terms,
        "terms",
        boost=1.0,
        fuzziness=0,
        max_expansions=50,
        operator=FullTextOperator.OR,
        prefix_length=0,
        document_granularity=None,
    )


def _conditions(
    tables: Mapping[str, CatalogView], filters: Mapping[str, Any]
) -> dict[str, Expr | None]:
    """Return the condition of each table that has all filtered columns."""
    allowed = {name: view.search.filters if view.search else [] for name, view in tables.items()}
    every = sorted({column for columns in allowed.values() for column in columns})
    if not set(filters) <= set(every):
        usable = f"filter by {', '.join(every)}" if every else "leave the filter out"
        raise InvalidArgument(f"there is no such filter here; {usable}", allowed=every)
    return {
        name: _condition(view, filters)
        for name, view in tables.items()
        if set(filters) <= set(allowed[name])
    }


def _condition(view: CatalogView, filters: Mapping[str, Any]) -> Expr | None:
    kinds = {column.name: column.type for column in view.columns}
    where: Expr | None = None
    for name, wanted in filters.items():
        values = wanted if isinstance(wanted, list | tuple) else [wanted]
        if not 0 < len(values) <= _MOST_VALUES:
            raise InvalidArgument(f"filter {name}: give 1 to {_MOST_VALUES} values", column=name)
        typed = [_typed(name, kinds[name], value) for value in values]
        condition = col(f"{FILTER_PREFIX}{name}").isin(typed)
        where = condition if where is None else where & condition
    return where


def _typed(name: str, kind: str, value: Any) -> bool | int | float | str:
    """Return a filter value in its column's type; InvalidArgument where it has another."""
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    fits = {
        "bool": isinstance(value, bool),
        "int64": is_integer and abs(value) < _INTEGER_LIMIT,
        "double": is_integer or (isinstance(value, float) and math.isfinite(value)),
        "string": isinstance(value, str) and len(value) <= _LONGEST_VALUE and value.isprintable(),
    }
    if not fits[str(filter_kind(kind))]:
        raise InvalidArgument(
            f"filter {name} is {kind}: give a value of that type, or a list of them", column=name
        )
    typed: bool | int | float | str = filter_value(kind, value)
    return typed


def _fuse(rankings: Iterable[list[_Found]]) -> list[Hit]:
    """Fuse rankings of chunks into hits: each row once, by the sum of its reciprocal ranks."""
    lists = [_best_chunks(found) for found in rankings]
    best = len(lists) / (_FUSION + 1)
    scores: dict[tuple[str, Any], float] = {}
    chosen: dict[tuple[str, Any], _Found] = {}
    for found in lists:
        for rank, one in enumerate(found, start=1):
            row = (one.view, one.row["key"])
            scores[row] = scores.get(row, 0.0) + 1.0 / (_FUSION + rank)
            chosen.setdefault(row, one)
    ordered = sorted(scores, key=lambda row: (-scores[row], row[0], str(row[1])))
    return [_hit(chosen[row], scores[row] / best) for row in ordered]


def _best_chunks(found: list[_Found]) -> list[_Found]:
    ordered = sorted(found, key=lambda one: (-one.value, one.view, one.row["chunk_id"]))
    rows: dict[tuple[str, Any], _Found] = {}
    for one in ordered:
        rows.setdefault((one.view, one.row["key"]), one)
    return list(rows.values())


def _hit(found: _Found, score: float) -> Hit:
    row = found.row
    text = " ".join(row["text"].split())
    return Hit(
        table=found.view,
        key=row["key"],
        title=row["title"],
        heading=row["heading"],
        snippet=text if len(text) <= _SNIPPET else f"{text[: _SNIPPET - 1]}…",
        score=round(score, 4),
        chunk=row["number"],
        similarity=round(found.value, 4) if "_distance" in row else None,
    )
