"""A home of many agents whose answers prove themselves, and a publisher that changes it.

Every row tells its owner and its generation; each publish raises the generation of all rows. So an
answer shows whether it is another agent's, of two snapshots at once, or older than one before it.
Run alone, it publishes: ``python -m tests.load_world HOME AGENTS EVERY_S``.
"""

import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from serving import snapshot
from serving.catalog import Limits, SearchSpec
from serving.declarations import (
    Declarations,
    DeclaredAgent,
    DeclaredColumn,
    DeclaredView,
    Serve,
)
from serving.embedder import MiniLm, builtin_model_dir

ORDERS_OF_ONE = 500
NOTES_OF_ONE = 10
COLUMNS = {
    "agent_orders": {
        "order_id": "bigint",
        "owner": "varchar",
        "generation": "bigint",
        "customer_key": "varchar",
        "total": "decimal(18,2)",
    },
    "agent_notes": {
        "note_id": "varchar",
        "owner": "varchar",
        "generation": "bigint",
        "title": "varchar",
        "body": "varchar",
    },
}
SERVED = {
    "agent_orders": Serve(key="order_id", lookups=["customer_key"]),
    "agent_notes": Serve(key="note_id", search=SearchSpec(text=["body"], title="title")),
}
# What is measured is the machine, not what an agent is allowed.
UNBOUNDED = Limits(
    calls_per_minute=10_000_000,
    seconds_per_minute=1_000_000,
    wait_seconds=120,
    identical_calls=10_000_000,
    memory_mb=128,
)


def sql(key: int) -> str:
    """A statement over the orders from a key on; its answer shows whose rows it read."""
    return (
        "select count(*) as n, min(order_id) as key, min(generation) as low, "
        "max(generation) as high, min(owner) as first, max(owner) as last, sum(total) as total "
        f"from agent_orders where order_id >= {key}"
    )


def names(agents: int) -> list[str]:
    """The agents' names."""
    return [f"agent_{number}" for number in range(agents)]


def declarations(agents: int) -> Declarations:
    """Every agent has both views, and of each its own rows alone."""
    views = {
        view: DeclaredView(
            name=view,
            unique_id=f"model.load.{view}",
            relation=f"agents.{view}",
            description=f"One row for each of the {view.removeprefix('agent_')}.",
            columns=[
                DeclaredColumn(name=column, description=f"The {column}.", mask=None)
                for column in columns
            ],
            serve=SERVED[view],
            source_tables=[],
        )
        for view, columns in COLUMNS.items()
    }
    own = {
        name: DeclaredAgent(
            name=name,
            purpose="Asks much.",
            views=sorted(views),
            rows=dict.fromkeys(views, f"owner = '{name}'"),
            limits=UNBOUNDED,
        )
        for name in names(agents)
    }
    return Declarations(views=views, agents=own, sources={}, contract_version="load")


def fill(home: Path, agents: int) -> None:
    """Write the warehouse, at generation 0."""
    home.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute("create schema agents")
        connection.execute(
            "create table agents.agent_orders as select a * 1000000 + i as order_id, "
            "'agent_' || a as owner, 0::bigint as generation, 'c' || (i % 10) as customer_key, "
            "(i * 1.5)::decimal(18,2) as total from range(?) o(a), range(?) r(i)",
            [agents, ORDERS_OF_ONE],
        )
        connection.execute(
            "create table agents.agent_notes as select 'agent_' || a || '/' || i as note_id, "
            "'agent_' || a as owner, 0::bigint as generation, 'agent_' || a || ' 0' as title, "
            "'A note on the printer and the paper jam, number ' || i as body "
            "from range(?) o(a), range(?) r(i)",
            [agents, NOTES_OF_ONE],
        )


def publish(home: Path, agents: int, generation: int, embedder: MiniLm) -> str:
    """Raise every row to this generation and publish; returns the snapshot's id."""
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute("update agents.agent_orders set generation = ?", [generation])
        connection.execute(
            "update agents.agent_notes set generation = $1, title = owner || ' ' || $1",
            [generation],
        )
    candidate = snapshot.build(home, declarations(agents), embedder=embedder)
    snapshot.verify(candidate)
    return snapshot.promote(home, candidate)


@dataclass
class Verdicts:
    """What the answers proved; ``wrong`` holds a sentence for each that was not right."""

    answered: int = 0
    kinds: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    generations: dict[str, set[int]] = field(default_factory=dict)

    def judge(self, agent: str, kind: str, asked: Any, status: int, body: Mapping[str, Any]) -> int:
        """Take one answer in and return its generation, -1 where it is wrong."""
        if status != 200 or not body.get("success"):
            told = (body.get("error") or {}).get("code")
            return self._wrong(f"{agent} {kind}: {status} {told}")
        meta, rows = body["meta"], body["data"]["rows"]
        found = _JUDGES[kind](agent, asked, rows)
        if isinstance(found, str):
            return self._wrong(f"{agent} {kind} of {meta['snapshot_id']}: {found}")
        if meta["agent"] != agent:
            return self._wrong(f"{agent} {kind}: answered as {meta['agent']}")
        self.answered += 1
        self.kinds.add(kind)
        self.generations.setdefault(meta["snapshot_id"], set()).add(found)
        return found

    def mixed(self) -> list[str]:
        """The snapshots whose answers were of more than one generation."""
        return [name for name, found in self.generations.items() if len(found) != 1]

    def _wrong(self, sentence: str) -> int:
        self.wrong.append(sentence)
        return -1


def _of_orders(agent: str, asked: Any, rows: list[dict[str, Any]]) -> int | str:
    if [row["order_id"] for row in rows] != [asked]:
        return "not the row that was asked for"
    return _generation(agent, {row["owner"] for row in rows}, {row["generation"] for row in rows})


def _of_sql(agent: str, asked: Any, rows: list[dict[str, Any]]) -> int | str:
    (row,) = rows
    if (row["key"], row["n"]) != (asked, ORDERS_OF_ONE - asked % 1_000_000):
        return f"{row['n']} rows were counted from {row['key']}"
    return _generation(agent, {row["first"], row["last"]}, {row["low"], row["high"]})


def _of_search(agent: str, _: Any, rows: list[dict[str, Any]]) -> int | str:
    if not rows:
        return "nothing was found"
    titles = [row["title"].split() for row in rows]
    owners = {title[0] for title in titles} | {row["key"].split("/")[0] for row in rows}
    return _generation(agent, owners, {int(title[1]) for title in titles})


_JUDGES = {"lookup": _of_orders, "execute_sql": _of_sql, "search": _of_search}


def _generation(agent: str, owners: set[str], generations: set[int]) -> int | str:
    if owners != {agent}:
        return "rows of another agent"
    return generations.pop() if len(generations) == 1 else "rows of several snapshots"


def _latest(home: Path) -> int:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        (generation,) = connection.execute(
            "select max(generation) from agents.agent_orders"
        ).fetchall()[0]
        return int(generation)


def main() -> None:
    """Publish until the standard input closes; a line for each snapshot."""
    home, agents, every_s = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    embedder, generation = MiniLm(builtin_model_dir()), _latest(home) + 1
    closed = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), closed.set()), daemon=True).start()
    while not closed.is_set():
        began = time.monotonic()
        snapshot_id = publish(home, agents, generation, embedder)
        sys.stdout.write(f"{snapshot_id} {generation}\n")
        sys.stdout.flush()
        generation += 1
        closed.wait(max(0.0, every_s - (time.monotonic() - began)))


if __name__ == "__main__":
    main()
