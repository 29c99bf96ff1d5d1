"""Answers a question in plain words from the index: by meaning, by words, or both fused.

query -> vector search + full-text search, filters pushed down -> reciprocal rank fusion -> hits
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import lancedb
import numpy as np
import numpy.typing as npt
from lancedb.expr import Expr
from lancedb.query import (
    FullTextOperator,
    LanceFtsQueryBuilder,
    LanceVectorQueryBuilder,
    MatchQuery,
)
from lancedb.table import Table

from serving.catalog import CatalogView, IndexInfo
from serving.embedder import Embedder
from serving.errors import InvalidArgument, ServingError
from serving.fusion import Found, Hit, Mode, Ranking, fuse
from serving.index_table import words_file
from serving.search_filters import conditions
from serving.terms import query_terms
from serving.vocabulary import Vocabulary, read_words

__all__ = ["Hit", "Mode", "SearchIndex"]

Vector = npt.NDArray[np.float32]

_FEWEST_CANDIDATES = 50
_LONGEST_QUERY = 10_000
# The words count as much as the meaning where the best text reaches a fifth of the score that one
# could have, and less than half as much at half of that, up to twice as much. Medians of the demo's
# questions: codes 0.8, slips 0.6, words of the document 0.5, paraphrases 0.14, no answer 0.1.
_FULL_SHARE = 0.2
_STEEPNESS = 1.5
_MOST_WEIGHT = 2.0
_COLUMNS = ["chunk_id", "key", "number", "title", "heading", "text"]


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
        self._folder = folder
        self._tables: dict[str, tuple[Table, Vocabulary]] = {}
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
            _Scope(*self._open(name), tables[name].name, where, self._probes(name))
            for name, where in conditions(tables, filters).items()
            if self._index.chunks.get(name)
        ]
        # Half of a surrogate pair is no text: the tokenizer would refuse it.
        query = query[:_LONGEST_QUERY].encode("utf-8", "replace").decode()
        count = max(limit * 4, _FEWEST_CANDIDATES)
        rankings: list[Ranking] = []
        if mode != "text":
            rankings.append(_by_meaning(scopes, self._embedder.embed([query])[0], count))
        words = query_terms(query)
        if mode != "vector":
            rankings.append(_by_words(scopes, words, count, is_fused=mode == "hybrid"))
        return fuse(rankings, words.split(), limit)

    def _probes(self, name: str) -> int | None:
        build = self._index.builds.get(name)
        return build.probes if build else None

    def _open(self, name: str) -> tuple[Table, Vocabulary]:
        with self._lock:
            if name not in self._tables:
                words = read_words(self._folder / words_file(name))
                vocabulary = Vocabulary(words, self._index.chunks[name])
                self._tables[name] = self._database.open_table(name), vocabulary
            return self._tables[name]


@dataclass(frozen=True)
class _Scope:
    """A table that takes part in a search, under its condition."""

    table: Table
    vocabulary: Vocabulary
    view: str
    where: Expr | None
    probes: int | None


def _by_meaning(scopes: list[_Scope], vector: Vector, count: int) -> Ranking:
    found = []
    for scope in scopes:
        search = LanceVectorQueryBuilder(scope.table, vector, "vector")
        search = search.distance_type("dot").limit(count).select([*_COLUMNS, "_distance"])
        if scope.probes is not None:
            search = search.nprobes(scope.probes)
        if scope.where is not None:
            search = search.where(scope.where, prefilter=True)
        found += [Found(scope.view, row, 1.0 - row["_distance"]) for row in search.to_list()]
    return Ranking(found, by_meaning=True)


def _by_words(scopes: list[_Scope], terms: str, count: int, *, is_fused: bool) -> Ranking:
    """Rank by the share of the best possible score, which is one measure for all tables.

    Where the words say little (a paraphrase shares few with its answer) the ranking counts little.
    """
    if not terms:
        return Ranking([])
    found = []
    for scope in scopes:
        corrected = scope.vocabulary.corrected(terms)
        search = LanceFtsQueryBuilder(scope.table, _match(" ".join([terms, *corrected.added])))
        search = search.limit(count).select([*_COLUMNS, "_score"])
        if scope.where is not None:
            search = search.where(scope.where, prefilter=True)
        best = corrected.best_score
        found += [Found(scope.view, row, row["_score"] / best) for row in search.to_list()]
    share = max((one.value for one in found), default=0.0)
    weight = min(_MOST_WEIGHT, (share / _FULL_SHARE) ** _STEEPNESS)
    return Ranking(found, weight if is_fused else 1.0)


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
