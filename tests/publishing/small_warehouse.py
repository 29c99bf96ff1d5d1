"""A small warehouse with agent views, made without dbt, and its declarations."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np

from serving import snapshot
from serving.catalog import EmbedderSpec, SearchSpec
from serving.declarations import (
    Declarations,
    DeclaredAgent,
    DeclaredColumn,
    DeclaredView,
    FreshnessLimits,
    Period,
    Serve,
)
from serving.embedder import Embedder, EmbedProgress, Vectors

SPAM_CANARY = "zanzibar-lottery-winner"
WATERMARK = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

TICKET_COLUMNS = {
    "ticket_id": "bigint",
    "customer_key": "varchar",
    "subject": "varchar",
    "body": "varchar",
    "status": "varchar",
    "is_open": "boolean",
    "amount": "decimal(18,2)",
    "created_at": "timestamptz",
}
TICKETS = [
    (1, "c-1", "Blue mug arrived broken", "The handle is off. I want my money back.", "open"),
    (2, "c-1", "Where is my parcel?", "It should have been delivered a week ago.", "open"),
    (3, "c-2", "You have won", f"Dear friend, {SPAM_CANARY}, claim your prize.", "spam"),
    (4, None, "Label printer SKU-00042-AB", "Which labels fit printer SKU-00042-AB?", "closed"),
    (5, "c-3", "No status yet", "This one was never triaged.", None),
]
DOCUMENT_COLUMNS = {
    "document_id": "varchar",
    "title": "varchar",
    "category": "varchar",
    "content": "varchar",
}
DOCUMENTS = [
    (
        "runbooks/KubePodNotReady.md",
        "KubePodNotReady",
        "runbook",
        "# KubePodNotReady\n\n## Meaning\n\nThe pod is not ready for 15 minutes.\n\n"
        "## Mitigation\n\nLook at the readiness probe and at the events of the pod.",
    ),
    (
        "runbooks/disk-pressure.md",
        "Disk pressure",
        "runbook",
        "# Disk pressure\n\nThe node runs out of space. Delete old logs and images.",
    ),
    (
        "guides/returns.md",
        "Returns and refunds",
        "guide",
        "# Returns\n\nGoods that were damaged on the way are replaced or paid back.",
    ),
    ("guides/empty.md", None, "guide", None),
]
PRODUCT_COLUMNS = {"product_id": "bigint", "sku": "varchar", "price": "decimal(18,2)"}
PRODUCTS = [(1, "MUG-BLUE", "12.50"), (2, "SKU-00042-AB", "99.99")]


class HashEmbedder:
    """A model whose vectors follow from the words: quick, and counts what it embeds."""

    model = "words-64"
    spec = EmbedderSpec()
    dimensions = 64

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str], on_progress: EmbedProgress | None = None) -> Vectors:
        """Return one unit vector a text."""
        self.embedded += texts
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split() or [""]:
                digest = hashlib.sha256(word.encode()).digest()
                vectors[row, digest[0] % self.dimensions] += 1.0
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


def write_warehouse(home: Path) -> None:
    """Create the warehouse of these tests."""
    home.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute("create schema agents")
        _table(connection, "agent_tickets", TICKET_COLUMNS)
        connection.executemany(
            "insert into agents.agent_tickets values (?, ?, ?, ?, ?, true, 1.5, ?)",
            [(*ticket, WATERMARK) for ticket in reversed(TICKETS)],
        )
        _table(connection, "agent_knowledge", DOCUMENT_COLUMNS)
        connection.executemany("insert into agents.agent_knowledge values (?, ?, ?, ?)", DOCUMENTS)
        _table(connection, "agent_products", PRODUCT_COLUMNS)
        connection.executemany("insert into agents.agent_products values (?, ?, ?)", PRODUCTS)
        connection.execute("create schema helpdesk")
        connection.execute("create table helpdesk.tickets (id bigint, _dlt_load_id varchar)")
        connection.execute("insert into helpdesk.tickets values (1, '10'), (2, '11')")
        connection.execute(
            "create table helpdesk._watermarks (table_name varchar, watermark timestamptz)"
        )
        connection.execute("insert into helpdesk._watermarks values ('tickets', ?)", [WATERMARK])


def change_warehouse(home: Path, *statements: str) -> None:
    """Run statements on the warehouse."""
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        for statement in statements:
            connection.execute(statement)


def declarations(
    rows: dict[str, str] | None = None, views: dict[str, DeclaredView] | None = None
) -> Declarations:
    """Return two agents over three views; ``rows`` are the support agent's filters."""
    if rows is None:
        rows = {"agent_tickets": "status <> 'spam'"}
    every = {
        "agent_tickets": _view(
            "agent_tickets",
            TICKET_COLUMNS,
            Serve(
                key="ticket_id",
                lookups=["customer_key"],
                freshness=FreshnessLimits(warn_after=Period(count=1, period="hour")),
                search=SearchSpec(
                    text=["subject", "body"], title="subject", filters=["status", "is_open"]
                ),
                untrusted=["subject", "body"],
            ),
            ["helpdesk.tickets"],
        ),
        "agent_knowledge": _view(
            "agent_knowledge",
            DOCUMENT_COLUMNS,
            Serve(
                key="document_id",
                search=SearchSpec(text=["content"], title="title", filters=["category"]),
            ),
            ["runbooks.documents"],
        ),
        "agent_products": _view(
            "agent_products", PRODUCT_COLUMNS, Serve(key="product_id"), ["shop.products"]
        ),
        **(views or {}),
    }
    agents = {
        "support_agent": DeclaredAgent(
            name="support_agent", purpose="Answers customers.", views=sorted(every), rows=rows
        ),
        "catalog_agent": DeclaredAgent(
            name="catalog_agent",
            purpose="Knows the goods.",
            views=["agent_knowledge", "agent_products"],
        ),
    }
    return Declarations(views=every, agents=agents, sources={}, contract_version="abc123")


def _view(name: str, columns: dict[str, str], serve: Serve, sources: list[str]) -> DeclaredView:
    return DeclaredView(
        name=name,
        unique_id=f"model.test.{name}",
        relation=f"agents.{name}",
        description=f"What the agent's {name} hold, one row each.",
        columns=[
            DeclaredColumn(name=column, description=f"The {column}.", mask=None)
            for column in columns
        ],
        serve=serve,
        source_tables=sources,
    )


def _table(connection: duckdb.DuckDBPyConnection, name: str, columns: dict[str, str]) -> None:
    declared = ", ".join(f"{column} {kind}" for column, kind in columns.items())
    connection.execute(f"create table agents.{name} ({declared})")


def publish(
    home: Path, declared: Declarations | None = None, embedder: Embedder | None = None
) -> str:
    """Publish the warehouse as it is and return the snapshot's id."""
    candidate = snapshot.build(
        home, declared or declarations(), embedder=embedder or HashEmbedder()
    )
    snapshot.verify(candidate)
    return snapshot.promote(home, candidate)
