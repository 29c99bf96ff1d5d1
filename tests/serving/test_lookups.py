"""Rows by key: one, or a thousand in a call, typed, and never more than was asked for."""

from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from serving.agent import Agent, connect
from serving.envelope import Answer, Refusal


def keys(outcome: Answer | Refusal) -> list[int]:
    assert isinstance(outcome, Answer), outcome
    return [row["order_id"] for row in outcome.data.rows]


def test_a_thousand_keys_come_in_one_call_in_the_order_they_were_asked(agent: Agent) -> None:
    wanted = [*range(40, 0, -1), *range(1_001, 1_961)]
    outcome = agent.lookup("agent_orders", values=wanted)

    assert len(wanted) == 1_000
    assert keys(outcome) == list(range(40, 0, -1))
    assert outcome.meta.warnings == ["960 of 1000 values matched no row"]
    too_many = agent.lookup("agent_orders", values=[*wanted, 1])
    assert isinstance(too_many, Refusal)
    assert too_many.error.code == "INVALID_ARGUMENT"


def test_a_key_is_found_in_each_form_that_says_the_same_and_once(agent: Agent) -> None:
    assert keys(agent.lookup("agent_orders", values=[7, "7", 7])) == [7]
    for wrong in ("7.0", " 7", "7 ", "0x7", "007", "+7", 7.5, True, "٧", 2**70):
        outcome = agent.lookup("agent_orders", value=wrong)
        assert isinstance(outcome, Refusal), wrong
        assert outcome.error.code == "INVALID_ARGUMENT"
        assert "whole number" in outcome.error.message or "too large" in outcome.error.message


def test_of_a_filtered_view_a_hidden_row_and_none_are_told_alike(agent: Agent) -> None:
    hidden, none = (agent.lookup("agent_tickets", values=[1, key]) for key in (4, 99))

    assert isinstance(hidden, Answer) and isinstance(none, Answer)
    assert hidden.data == none.data
    assert hidden.meta.warnings[0] == none.meta.warnings[0]
    assert hidden.meta.warnings[0] == "1 of 2 values matched no row"
    alone = [agent.lookup("agent_tickets", value=key) for key in (4, 99)]
    assert alone[0].meta.empty_reason == alone[1].meta.empty_reason


@given(value=st.one_of(st.text(max_size=40), st.sampled_from(["c1' or '1'='1", "c%", "c1\0", "*"])))
def test_a_text_key_means_itself_whatever_it_holds(home: Path, value: str) -> None:
    with connect(home, "support_agent") as agent:
        outcome = agent.lookup("agent_orders", "customer_key", value)
    if isinstance(outcome, Refusal):
        assert outcome.error.code in ("INVALID_ARGUMENT", "RATE_LIMITED")
        return
    assert all(row["customer_key"] == value for row in outcome.data.rows)


def test_a_dry_run_tells_views_columns_rows_freshness_and_verdict(
    agent: Agent, connected: Callable[[str], Agent]
) -> None:
    sql = "select status, body from agent_tickets where ticket_id > 0"
    outcome = agent.sql(sql, dry_run=True)

    assert isinstance(outcome, Answer)
    (plan,) = outcome.data.rows
    assert plan["tables"] == ["agent_tickets"]
    assert plan["columns"] == {"agent_tickets": ["ticket_id", "body", "status"]}
    assert plan["freshness"] == {"agent_tickets": "stale"}
    assert plan["verdict"] == "allowed"
    assert isinstance(plan["estimated_rows"], int)
    for refused, code in [
        ("select * from agent_prices", "STALE_DATA"),
        ("select * from agent_nothing", "UNKNOWN_TABLE"),
        ("delete from agent_orders", "READONLY_VIOLATION"),
        ("select getenv('HOME')", "POLICY_DENIED"),
    ]:
        verdict = agent.sql(refused, dry_run=True)
        assert isinstance(verdict, Refusal)
        assert verdict.error.code == code
