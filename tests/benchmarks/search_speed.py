"""Measures the index: its first build, a publish after 1 % changed, and a search beside LanceDB's.

synthetic rows, vectors -> build -> 1 % changed -> publish -> searches, ours and bare, in turn
"""

import argparse
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import lancedb
import numpy as np
from lancedb.query import LanceHybridQueryBuilder
from lancedb.rerankers import RRFReranker

from serving import snapshot
from serving.agent import Agent
from serving.catalog import EmbedderSpec
from serving.declarations import Declarations
from serving.embedder import Embedder, EmbedProgress, MiniLm, Vectors, builtin_model_dir
from serving.gateway import Gateway
from tests.benchmarks.results import Figure, publish
from tests.benchmarks.search_corpus import KNOWLEDGE, declare

RESULTS = Path("data/bench/latest.jsonl")
DIMENSIONS = 384
CLUSTERS = 400
SEARCHES = 300
ROW = (
    "'doc-' || i, 'Parcel ' || (i * 7919 % 100003), 'Box ' || (i % 977) || ' of lane ' || "
    "(i % 83) || ' went to shelf ' || (i * 31 % 1009)"
)


class Clustered:
    """Vectors as fast as they can be made: a centre by the text's words, and noise."""

    model = "clustered"
    spec = EmbedderSpec()
    dimensions = DIMENSIONS

    def __init__(self) -> None:
        self.embedded = 0
        self._centres = np.random.default_rng(1).standard_normal((CLUSTERS, DIMENSIONS))

    def embed(self, texts: Sequence[str], on_progress: EmbedProgress | None = None) -> Vectors:
        """Return one unit vector a text."""
        self.embedded += len(texts)
        seeds = np.array([zlib.crc32(text.encode()) for text in texts], dtype=np.int64)
        noise = np.random.default_rng(seeds).standard_normal((len(texts), DIMENSIONS))
        vectors = self._centres[seeds % CLUSTERS] + noise
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors.astype(np.float32)


class Counted:
    """The built-in model, and how many texts it got."""

    def __init__(self) -> None:
        self._model = MiniLm(builtin_model_dir())
        self.model, self.spec = self._model.model, self._model.spec
        self.dimensions, self.embedded = self._model.dimensions, 0

    def embed(self, texts: Sequence[str], on_progress: EmbedProgress | None = None) -> Vectors:
        """Return one unit vector a text."""
        self.embedded += len(texts)
        return self._model.embed(texts, on_progress)


def main() -> None:
    """Measure builds with the built-in model on fewer rows, and all else on synthetic vectors."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path, default=RESULTS, help="JSON lines to append to")
    arguments.add_argument("--documents", type=int, default=100_000)
    arguments.add_argument("--embedded", type=int, default=10_000, help="rows for the model")
    given = arguments.parse_args()
    figures = []
    with tempfile.TemporaryDirectory() as scratch:
        figures += builds(Path(scratch) / "model", Counted(), given.embedded)
        home, clustered = Path(scratch) / "synthetic", Clustered()
        figures += builds(home, clustered, given.documents)
        figures += searches(home, clustered, given.documents)
    publish(figures, given.out)


def builds(home: Path, embedder: "Clustered | Counted", documents: int) -> list[Figure]:
    """Seconds of a first publish and of one after a hundredth of the rows changed."""
    home.mkdir(parents=True)
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute("create schema agents")
        columns = ", ".join(f"{name} {kind}" for name, kind in KNOWLEDGE[1].items())
        connection.execute(f"create table agents.{KNOWLEDGE[0]} ({columns})")
        connection.execute(
            f"insert into agents.{KNOWLEDGE[0]} select {ROW} from range({documents}) as rows(i)"
        )
    declared = declare([KNOWLEDGE])
    first = timed(lambda: _publish(home, declared, embedder))
    embedded, embedder.embedded = embedder.embedded, 0
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute(
            f"update agents.{KNOWLEDGE[0]} set content = content || ' again' "
            "where hash(document_id) % 100 = 0"
        )
    second = timed(lambda: _publish(home, declared, embedder))
    bench = f"publish {documents:,} documents, {embedder.model}"
    return [
        Figure(bench, "first", "seconds", first, "s", 1),
        Figure(bench, "after 1 % changed", "seconds", second, "s", 1),
        Figure(bench, "after 1 % changed", "share of the first", 100 * second / first, "%", 1),
        Figure(bench, "after 1 % changed", "embedded", 100 * embedder.embedded / embedded, "%", 1),
    ]


def searches(home: Path, embedder: Embedder, documents: int) -> list[Figure]:
    """Milliseconds of an agent's whole answer and of LanceDB's hybrid query, taken in turn."""
    folder, catalog = snapshot.current(home)
    assert catalog.index is not None
    table = lancedb.connect(folder / catalog.index.folder).open_table(KNOWLEDGE[0])
    probes = catalog.index.builds[KNOWLEDGE[0]].probes
    agent = Agent(Gateway(home, lambda: embedder), "reader", surface="benchmark")

    def ours(query: str) -> None:
        answer = agent.search(query)
        assert answer.success and answer.data.rows

    def bare(query: str) -> None:
        vector = embedder.embed([query])[0]
        search: LanceHybridQueryBuilder = table.search(
            query_type="hybrid", vector_column_name="vector", fts_columns="terms"
        )
        search = search.vector(vector).text(query).distance_type("dot").rerank(RRFReranker())
        if probes is not None:
            search = search.nprobes(probes)
        columns = ["chunk_id", "key", "number", "title", "heading", "text"]
        assert search.limit(50).select(columns).to_list()

    took: dict[str, list[float]] = {"LanceDB's hybrid query": [], "grounded": []}
    for number in range(SEARCHES + 20):
        query = f"box {number % 977} of lane {number % 83} shelf {number * 31 % 1009}"
        for name, ask in (("LanceDB's hybrid query", bare), ("grounded", ours)):
            seconds = timed(lambda ask=ask, query=query: ask(query))  # type: ignore[misc]
            if number >= 20:
                took[name].append(seconds * 1_000)
    bench = f"search {documents:,} chunks, {catalog.index.kinds[KNOWLEDGE[0]]}"
    figures = []
    for name, values in took.items():
        ranks = statistics.quantiles(values, n=100)
        figures += [
            Figure(bench, name, "p50", ranks[49], "ms", len(values)),
            Figure(bench, name, "p99", ranks[98], "ms", len(values)),
        ]
    theirs, own = (statistics.median(values) for values in took.values())
    return [
        *figures,
        Figure(bench, "grounded", "overhead", 100 * (own / theirs - 1), "%", SEARCHES),
    ]


def timed(work: Callable[[], object]) -> float:
    """Seconds that something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _publish(home: Path, declared: Declarations, embedder: Embedder) -> None:
    candidate = snapshot.build(home, declared, embedder=embedder)
    snapshot.verify(candidate)
    snapshot.promote(home, candidate)


if __name__ == "__main__":
    main()
