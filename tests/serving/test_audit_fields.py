"""What is recorded of a call, and that no more of a person is than can be erased."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serving.agent import Agent, connect
from serving.audit import audit_folder, calls, verify
from serving.caller import LONGEST_PURPOSE, Caller
from serving.chain import erase
from serving.envelope import Answer

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
DIGITS = "00-11111111111111111111111111111111-2222222222222222-01"


def last_call(home: Path) -> dict[str, Any]:
    return list(calls(home))[-1]


def test_a_call_is_recorded_with_all_that_whoever_is_responsible_asks_for(home: Path) -> None:
    with connect(home, "support_agent", trace=TRACE, purpose="refund 42") as agent:
        answer = agent.sql("select subject, status from agent_tickets order by ticket_id limit 2")
    assert isinstance(answer, Answer)
    call = last_call(home)
    expected = {
        "agent": "support_agent",
        "surface": "python",
        "tool": "execute_sql",
        "tables": ["agent_tickets"],
        "columns": {"agent_tickets": ["ticket_id", "subject", "status"]},
        "rows": 2,
        "bytes": sum(len(json.dumps(r, separators=(",", ":"))) for r in answer.data.rows),
        "snapshot_id": answer.meta.snapshot_id,
        "freshness": "stale",
        "stale_tables": ["agent_tickets"],
        "cache": "miss",
        "verdict": "answered",
        "code": None,
        "error_type": None,
        "arguments_masked": False,
        "query_id": answer.meta.query_id,
    }
    assert {name: call[name] for name in expected} == expected
    assert call["elapsed_ms"] > 0
    assert call["asked_at"] <= call["time"]
    said = call["erasable"]
    assert (said["trace"], said["purpose"]) == (TRACE, "refund 42")
    assert said["arguments"] == {
        "sql": "select subject, status from agent_tickets order by ticket_id limit 2",
        "dry_run": False,
    }
    assert len(said["rows_sha256"]) == 64


def test_what_is_said_of_one_call_holds_for_it_alone(home: Path) -> None:
    with connect(home, "support_agent", purpose="by default") as agent:
        agent.call("list_tables", {}, caller=Caller.of(DIGITS, "this once"))
        agent.list_tables()
    told = [(c["erasable"]["trace"], c["erasable"]["purpose"]) for c in calls(home)]
    assert told == [(DIGITS, "this once"), (None, "by default")]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("ticket 7\r\nof today\x00", "ticket 7 of today"),
        ("for jane@example.com", "for [email]"),
        ("x" * 500, "x" * LONGEST_PURPOSE),
        ("  ", None),
        (7, None),
        ("half a pair \ud800", "half a pair"),
    ],
)
def test_a_purpose_is_one_short_line_without_personal_patterns(
    agent: Agent, home: Path, given: Any, kept: str | None
) -> None:
    agent.call("list_tables", {}, caller=Caller.of(given, given))
    said = last_call(home)["erasable"]
    assert said["purpose"] == kept
    assert "@" not in json.dumps(said)


def test_trace_purpose_arguments_and_rows_are_erased_together(home: Path) -> None:
    with connect(home, "support_agent", trace="case of Jane", purpose="Jane asks") as agent:
        agent.lookup("agent_orders", value=1)
    (path,) = audit_folder(home).glob("*.jsonl")
    digest = last_call(home)["erasable"]["rows_sha256"]
    assert erase(audit_folder(home), lambda text: "Jane" in text) == 1
    left = path.read_text()
    assert "Jane" not in left and digest not in left
    assert verify(home).is_intact


def test_arguments_that_were_changed_for_the_log_say_so(agent: Agent, home: Path) -> None:
    agent.search("who is jane@example.com")
    assert last_call(home)["arguments_masked"] is True
    agent.search("a printer", filter={"status": ["open", "closed"]}, table="agent_tickets")
    assert last_call(home)["arguments_masked"] is False


def test_a_tool_that_does_not_exist_is_recorded_without_its_name(agent: Agent, home: Path) -> None:
    agent.call("jane.roe", {})
    call = last_call(home)
    assert (call["tool"], call["code"]) == ("unknown", "INVALID_ARGUMENT")
    assert "jane" not in json.dumps(call)


@pytest.mark.parametrize(
    "ask",
    [
        lambda a: a.call("execute_sql", {"sql": "select '\ud800'"}),
        lambda a: a.call("lookup", {"table": "agent_orders", "value": "\udfff"}),
        lambda a: a.call("search", {"query": "\ud800\ud800"}),
        lambda a: a.call("execute_sql", {"sql": float("nan"), "limit": 10**30}),
    ],
)
def test_arguments_that_are_no_text_are_recorded_all_the_same(
    agent: Agent, home: Path, ask: Callable[[Agent], object]
) -> None:
    ask(agent)
    assert verify(home).records == 1
    assert verify(home).is_intact
    assert last_call(home)["verdict"] in ("answered", "refused")
