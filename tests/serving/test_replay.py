"""A recorded call runs once more on its snapshot, and is compared with what was answered."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from serving import snapshot
from serving.agent import Agent, connect
from serving.audit import audit_folder, calls, verify
from serving.chain import erase
from serving.errors import ServingError
from serving.replay import replay

STATUSES = "select status, count(*) as n from agent_orders group by all"


def asked(agent: Agent, ask: Callable[[Agent], Any]) -> str:
    return str(ask(agent).meta.query_id)


@pytest.mark.parametrize(
    "ask",
    [
        lambda a: a.sql(STATUSES),
        lambda a: a.lookup("agent_orders", "customer_key", "c1", limit=2),
        lambda a: a.search("printer"),
        lambda a: a.list_tables(detail_level="full"),
        lambda a: a.check_freshness(),
        lambda a: a.sql("drop table agent_orders"),
        lambda a: a.sql("select * from agent_prices"),
        lambda a: a.sql("select nothing from agent_orders", dry_run=True),
    ],
)
def test_the_same_call_gives_the_same_after_the_data_went_on(
    agent: Agent, home: Path, world: SimpleNamespace, ask: Callable[[Agent], Any]
) -> None:
    query_id = asked(agent, ask)
    world.change(home, "delete from agents.agent_orders", "delete from agents.agent_tickets")
    world.publish(home)
    done = replay(home, query_id)
    assert (done.verdict, done.differences) == ("same", [])
    again = list(calls(home))[-1]
    assert (again["surface"], again["query_id"] != query_id) == ("replay", True)
    assert verify(home).is_intact


def test_a_replay_reads_the_data_and_no_kept_answer(agent: Agent, home: Path) -> None:
    query_id = asked(agent, lambda a: a.sql(STATUSES))
    agent.sql(STATUSES)
    replay(home, query_id)
    assert list(calls(home))[-1]["cache"] == "off"


def test_another_answer_than_the_recorded_one_is_told(home: Path) -> None:
    with connect(home, "support_agent") as agent:
        query_id = asked(agent, lambda a: a.lookup("agent_orders", value=1))
        (store,) = (home / "published").rglob("agent_orders.sqlite")
    store.write_bytes(store.read_bytes().replace(b'"status":"paid"', b'"status":"open"'))
    done = replay(home, query_id)
    assert done.verdict == "differs"
    assert "not those that were answered" in done.differences[0]


def test_a_snapshot_that_has_expired_is_told(
    agent: Agent, home: Path, world: SimpleNamespace
) -> None:
    query_id = asked(agent, lambda a: a.sql(STATUSES))
    old = snapshot.current_id(home)
    world.publish(home)
    agent.close()
    with connect(home, "support_agent"):
        (home / "published" / "snapshots" / old).rename(home / "moved")
        done = replay(home, query_id)
    assert done.verdict == "impossible"
    assert "expired" in done.differences[0]


def test_arguments_that_were_masked_or_erased_cannot_be_run_again(agent: Agent, home: Path) -> None:
    masked = asked(agent, lambda a: a.search("jane@example.com"))
    erased = asked(agent, lambda a: a.lookup("agent_orders", value=7))
    erase(audit_folder(home), lambda text: json.loads(text)["arguments"].get("value") == 7)
    told = [replay(home, query_id) for query_id in (masked, erased)]
    assert [one.verdict for one in told] == ["impossible"] * 2
    assert "masked" in told[0].differences[0]
    assert "erased" in told[1].differences[0]


def test_a_call_that_was_refused_for_its_rate_and_is_answered_now_differs(
    connected: Callable[[str], Agent], home: Path
) -> None:
    agent = connected("hasty_agent")
    query_id = [asked(agent, lambda a: a.list_tables()) for _ in range(4)][-1]
    done = replay(home, query_id)
    assert done.verdict == "differs"
    assert "RATE_LIMITED" in done.differences[0]


def test_a_call_that_never_was_is_told(home: Path) -> None:
    with pytest.raises(ServingError, match="no such call"):
        replay(home, "0" * 32)
