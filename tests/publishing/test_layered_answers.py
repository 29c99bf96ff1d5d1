"""After any history a layered snapshot answers, on every surface, what the warehouse holds."""

import json
import random
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from agreement import index_agrees
from keyed_model import VIEW, KeyedModel, follow_small_views
from publisher import Publisher
from small_warehouse import (
    HashEmbedder,
    change_warehouse,
    publish,
    write_warehouse,
)

from serving import connect, layering, snapshot
from serving.catalog import Catalog, Store
from serving.layers import IN_BASE, LIVE, SEQ
from serving.lookup_store import LookupStore
from serving.sandbox.worker import open_locked
from serving.search import SearchIndex
from serving.values import to_json

FILTERS = {"support_agent": "status <> 'spam'"}
STATUSES = ("open", "closed", "spam", None)
STEPS = 60


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    server = Publisher()
    yield server
    server.close()


def keyed(home: Path) -> KeyedModel:
    """Make the small warehouse's tickets a keyed model of 65 rows."""
    write_warehouse(home)
    change_warehouse(
        home,
        f"insert into agents.{VIEW} select i, 'c-' || i % 4, 'Ticket ' || i, 'parcel ' || i, "
        "'open', true, 1.5, '2026-03-01 12:00:00+00' from range(100, 160) as numbers(i)",
    )
    model = KeyedModel(home)
    model.begin()
    return model


def expected(home: Path, agent: str) -> list[dict[str, Any]]:
    """The agent's rows as answers show them, by key."""
    condition = FILTERS.get(agent, "true")
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        found = connection.execute(f"from agents.{VIEW} where {condition} order by ticket_id")
        names = [column[0] for column in found.description]
        return [dict(zip(names, map(to_json, row), strict=True)) for row in found.fetchall()]


def scopes(catalog: Catalog) -> dict[str, Store]:
    return {"": catalog.stores[VIEW], "support_agent": catalog.agents["support_agent"].stores[VIEW]}


def answers_agree(home: Path, snapshot_id: str, rows: dict[str, list[dict[str, Any]]]) -> None:
    """Ask SQL and lookups of one snapshot, for the whole view and for the filtered agent."""
    folder, catalog = snapshot.open_snapshot(home, snapshot_id)
    for agent, store in scopes(catalog).items():
        view = catalog.views[VIEW]
        layer = store.layer
        layers = {VIEW: [str(folder / layer.duckdb), view.key]} if layer else {}
        with open_locked({VIEW: str(folder / store.duckdb)}, 256, layers) as connection:
            found = connection.execute(f"from {VIEW} order by ticket_id")
            names = [column[0] for column in found.description]
            told = [dict(zip(names, map(to_json, row), strict=True)) for row in found.fetchall()]
            assert connection.execute(f"select count(*) from {VIEW}").fetchone() == (store.rows,)
        assert told == rows[agent]
        assert store.lookup is not None
        lookups = LookupStore(folder / store.lookup, view, folder / layer.lookup if layer else None)
        for number in (1, 3, 101, 150, 1_001, 9_999):
            of_key = [row for row in rows[agent] if row["ticket_id"] == number]
            assert lookups.get("ticket_id", [number], 5) == of_key
        for customer in ("c-0", "c-1", "c-2", "c-9"):
            of_customer = [row for row in rows[agent] if row["customer_key"] == customer]
            assert lookups.get("customer_key", [customer], 999) == of_customer
            assert lookups.get("customer_key", [customer], 2) == of_customer[:2]
        lookups.close()


def search_agrees(home: Path, rows: dict[str, list[dict[str, Any]]]) -> None:
    """Search for a word that each changed ticket has, in both scopes."""
    folder, catalog = snapshot.current(home)
    assert catalog.index is not None
    asked = SearchIndex(folder / "index", catalog.index, HashEmbedder())
    for agent, store in scopes(catalog).items():
        assert store.index_table is not None
        hits = asked.search(
            {store.index_table: catalog.views[VIEW]}, "walrus", filters={}, limit=500, mode="text"
        )
        wanted = {row["ticket_id"] for row in rows[agent] if "walrus" in (row["body"] or "")}
        assert {key for hit in hits for key in (hit.key, *hit.also)} == wanted


def change(model: KeyedModel, dice: random.Random, number: int) -> None:
    """Merge some changes: new rows, other texts, customers and states, rows that go."""
    with duckdb.connect(str(model.home / "warehouse.duckdb"), read_only=True) as connection:
        keys = [
            row[0] for row in connection.execute(f"select ticket_id from agents.{VIEW}").fetchall()
        ]
    some = ", ".join(map(str, dice.sample(keys, min(len(keys), dice.randint(1, 3)))))
    status = json.dumps(dice.choice(STATUSES)).replace('"', "'")
    customer = f"'c-{dice.randrange(4)}'"
    statement = dice.choice(
        [
            f"update agents.{VIEW} set status = {status} where ticket_id in ({some})",
            f"update agents.{VIEW} set customer_key = {customer} where ticket_id in ({some})",
            f"update agents.{VIEW} set body = 'a walrus no {number}' where ticket_id in ({some})",
            f"delete from agents.{VIEW} where ticket_id in ({some})",
            f"insert into agents.{VIEW} values ({1_000 + number}, {customer}, 'New', "
            f"'walrus {number}', {status}, true, 2, null)",
        ]
    )
    model.merge(statement)


@pytest.mark.thorough
def test_every_surface_agrees_with_the_warehouse_after_any_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, publisher: Publisher
) -> None:
    """Changes, publishes, deaths in them, rebuilds, expiry; older snapshots answer as they did."""
    follow_small_views(monkeypatch)
    monkeypatch.setattr(layering, "_ENTRIES_A_ROOT", 3)
    model, dice = keyed(tmp_path / "home"), random.Random(7)
    home = model.home
    publish(home)
    then: dict[str, dict[str, list[dict[str, Any]]]] = {}
    ways: set[str] = set()
    for number in range(STEPS):
        step = dice.choices(["change", "publish", "die", "rebuild", "expire"], [12, 6, 2, 1, 1])[0]
        if step == "change":
            change(model, dice, number)
        elif step == "rebuild":
            model.begin()
        elif step == "expire":
            snapshot.expire(home, keep=2, minimum_age=timedelta(0))
        elif step == "die":
            status, _ = publisher.publish(home, die_at=dice.randint(1, 60))
            assert status in (-signal.SIGKILL, 0)
        if step not in ("publish", "die"):
            continue
        current = publish(home)
        then[current] = {agent: expected(home, agent) for agent in ("", "support_agent")}
        stores = scopes(snapshot.current(home)[1]).values()
        ways |= {"layered" if store.layer else store.because for store in stores}
        answers_agree(home, current, then[current])
        search_agrees(home, then[current])
        index_agrees(home)
    for info in snapshot.list_snapshots(home):
        if info.snapshot_id in then:
            answers_agree(home, info.snapshot_id, then[info.snapshot_id])
    assert {"layered", "much of it has changed since it was last written whole"} <= ways


def test_an_agent_asks_a_layered_view_and_cannot_name_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow_small_views(monkeypatch)
    model = keyed(tmp_path / "home")
    publish(model.home)
    model.merge(f"update agents.{VIEW} set status = 'done' where ticket_id in (1, 2)")
    publish(model.home)
    with connect(model.home, "support_agent") as agent:
        rows = agent.sql(f"select ticket_id from {VIEW} where status = 'done' order by 1").rows
        assert [row["ticket_id"] for row in rows] == [1, 2]
        assert agent.lookup(VIEW, value=1).rows[0]["status"] == "done"
        for hidden in (
            f"from l0.main.{VIEW}",
            f"from v0.main.{VIEW}",
            f"select _live from {VIEW}",
            f"select _in_base from {VIEW}",
            "from l0",
        ):
            assert not agent.sql(hidden).success, hidden
        told = agent.sql(f"select nothing from {VIEW}").error.message
        assert "subject" in told and not any(name in told for name in (SEQ, LIVE, IN_BASE))
