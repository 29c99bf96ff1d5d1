"""The labelled questions and the corpora that they are asked of, published as any snapshot is.

demo's documents and products, 108 real runbooks -> warehouse -> snapshot -> searched by mode
"""

import json
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import duckdb

from ingestion.demo import catalogue
from ingestion.demo.generate import END
from serving import snapshot
from serving.catalog import CatalogView, SearchSpec
from serving.declarations import (
    Declarations,
    DeclaredAgent,
    DeclaredColumn,
    DeclaredView,
    Serve,
)
from serving.embedder import Embedder
from serving.fusion import Hit, Mode
from serving.search import SearchIndex

DOCUMENTS = Path(__file__).parents[2] / "ingestion/demo/documents"
DEMO_QUESTIONS = Path(__file__).parent / "demo_questions.jsonl"
SHARED = Path(__file__).parents[3] / "shared/data"
PRODUCTS = 150
KNOWLEDGE = (
    "agent_knowledge",
    {"document_id": "varchar", "title": "varchar", "content": "varchar"},
)
GOODS = (
    "agent_products",
    {"product_id": "bigint", "title": "varchar", "sku": "varchar", "description": "varchar"},
)


@dataclass(frozen=True)
class Question:
    """One labelled question; no relevant document means that there is no answer."""

    kind: str
    text: str
    relevant: list[str]


class Corpus:
    """A published snapshot that answers by any mode."""

    def __init__(self, home: Path, embedder: Embedder) -> None:
        folder, catalog = snapshot.current(home)
        assert catalog.index is not None
        self.chunks = sum(catalog.index.chunks.values())
        self._index = SearchIndex(folder / catalog.index.folder, catalog.index, embedder)
        self._tables: dict[str, CatalogView] = dict(catalog.views)

    def ask(self, question: str, mode: Mode) -> list[Hit]:
        """The ten best hits."""
        return self._index.search(self._tables, question, filters={}, limit=10, mode=mode)


def names(hit: Hit) -> list[str]:
    """A hit as the labels name it, and then the rows that say the same."""
    prefix = "product:" if hit.table == GOODS[0] else ""
    return [f"{prefix}{key}" for key in (hit.key, *hit.also)]


def questions(path: Path) -> list[Question]:
    """Read a file of labelled questions."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [
        Question(one["kind"], one["question"], one["relevant"]) for one in map(json.loads, lines)
    ]


def demo_corpus(home: Path, embedder: Embedder) -> Corpus:
    """The demo's runbooks, guides and products in two views."""
    things = catalogue.products(PRODUCTS, Random(7), END, 300)
    rows = [(one.id, catalogue.title(one.slug), one.sku, one.description) for one in things]
    tables = {KNOWLEDGE[0]: _documents(DOCUMENTS), GOODS[0]: rows}
    return _published(home, tables, [KNOWLEDGE, GOODS], embedder)


def runbooks_corpus(home: Path, embedder: Embedder) -> Corpus:
    """The real runbooks in one view."""
    tables = {KNOWLEDGE[0]: _documents(SHARED / "runbooks")}
    return _published(home, tables, [KNOWLEDGE], embedder)


def _documents(folder: Path) -> list[tuple[Any, ...]]:
    """Every document below a folder; its title is its first heading, as in the marts."""
    rows = []
    for path in sorted(folder.glob("*/*.md")):
        text = path.read_text(encoding="utf-8")
        headings = (line[2:].strip() for line in text.splitlines() if line.startswith("# "))
        rows.append((path.relative_to(folder).as_posix(), next(headings, path.stem), text))
    return rows


def _published(
    home: Path,
    tables: dict[str, list[tuple[Any, ...]]],
    views: list[tuple[str, dict[str, str]]],
    embedder: Embedder,
) -> Corpus:
    home.mkdir(parents=True)
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute("create schema agents")
        for name, columns in views:
            declared = ", ".join(f"{column} {kind}" for column, kind in columns.items())
            connection.execute(f"create table agents.{name} ({declared})")
            marks = ", ".join("?" * len(columns))
            connection.executemany(f"insert into agents.{name} values ({marks})", tables[name])
    candidate = snapshot.build(home, declare(views), embedder=embedder)
    snapshot.promote(home, candidate)
    return Corpus(home, embedder)


def declare(views: list[tuple[str, dict[str, str]]]) -> Declarations:
    """Views that are searched by all their columns but the key, and one agent that reads them."""
    declared = {name: _view(name, list(columns)) for name, columns in views}
    agent = DeclaredAgent(name="reader", purpose="Reads.", views=sorted(declared))
    return Declarations(
        views=declared, agents={"reader": agent}, sources={}, contract_version="benchmark"
    )


def _view(name: str, columns: list[str]) -> DeclaredView:
    return DeclaredView(
        name=name,
        unique_id=f"model.benchmark.{name}",
        relation=f"agents.{name}",
        description="",
        columns=[DeclaredColumn(name=column, description="") for column in columns],
        serve=Serve(key=columns[0], search=SearchSpec(text=columns[1:], title="title")),
        source_tables=[],
    )
