"""Why an answer is empty, and that a hidden row is told from none only where that is allowed."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from serving.agent import Agent, connect
from serving.envelope import Answer, Refusal

Ask = Callable[[Agent], Answer | Refusal]
# Ticket 4 is spam, which the support agent's row filter keeps out; there is no ticket 99.
HIDDEN: list[Ask] = [
    lambda a: a.sql("select * from agent_tickets where ticket_id = 4"),
    lambda a: a.lookup("agent_tickets", value=4),
    lambda a: a.search("zanzibar", table="agent_tickets", filter={"status": "spam"}),
]
MISSING: list[Ask] = [lambda a: a.lookup("agent_tickets", value=99)]


def publish_for(home: Path, world: SimpleNamespace, *, tells_hidden: bool) -> None:
    agent = world.declared().agents["support_agent"]
    told = agent.model_copy(update={"tells_hidden": tells_hidden})
    world.publish(home, world.declared(support_agent=told))


def reason(outcome: Answer | Refusal) -> str | None:
    assert isinstance(outcome, Answer), outcome
    assert outcome.data.rows == []
    return outcome.meta.empty_reason


@pytest.mark.parametrize("ask", [*HIDDEN, *MISSING])
def test_unless_it_is_declared_a_hidden_row_looks_like_none(agent: Agent, ask: Ask) -> None:
    assert reason(ask(agent)) == "stale"
    outcome = agent.lookup("agent_tickets", values=[1, 4, 99])
    assert isinstance(outcome, Answer)
    assert outcome.meta.warnings[0] == "2 of 3 values matched no row"


def test_where_it_is_declared_a_hidden_row_is_told_from_one_that_is_not_there(
    home: Path, world: SimpleNamespace
) -> None:
    publish_for(home, world, tells_hidden=True)
    with connect(home, "support_agent") as agent:
        assert [reason(ask(agent)) for ask in HIDDEN] == ["row_policy"] * 3
        assert [reason(ask(agent)) for ask in MISSING] == ["stale"]
        outcome = agent.lookup("agent_tickets", values=[1, 4, 99])
        assert isinstance(outcome, Answer)
        assert [row["ticket_id"] for row in outcome.data.rows] == [1]
        told = "2 of 3 values matched no row, of which 1 have rows that you may not see"
        assert outcome.meta.warnings[0] == told
        # Without a filter there is nothing to hide.
        assert reason(agent.lookup("agent_orders", value=99)) == "no_match"


def test_a_pin_does_not_bring_back_that_it_may_be_told(home: Path, world: SimpleNamespace) -> None:
    publish_for(home, world, tells_hidden=True)
    with connect(home, "support_agent") as agent:
        earlier = agent.list_tables().meta.snapshot_id
        publish_for(home, world, tells_hidden=False)
        outcome = agent.lookup("agent_tickets", value=4, snapshot_id=earlier)
        assert reason(outcome) == "stale"
