"""``grounded audit`` as it is typed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestration.cli import run
from serving.agent import connect
from serving.audit import audit_folder

Typed = Callable[..., tuple[int, str]]


@pytest.fixture
def asked(home: Path) -> Path:
    """A home whose log has an answer, a refusal and another agent's answer."""
    with connect(home, "support_agent") as agent:
        agent.sql("select count(*) from agent_tickets")
        agent.sql("drop table agent_orders")
    with connect(home, "catalog_agent") as agent:
        agent.lookup("agent_products", value=1)
    return home


@pytest.fixture
def typed(asked: Path, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Types ``grounded audit`` and returns the exit status and what was printed."""

    def run_it(*arguments: str) -> tuple[int, str]:
        status = run(["audit", *arguments, "--home", str(asked)])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run_it


def listed(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize(
    ("filters", "tools"),
    [
        ([], ["execute_sql", "execute_sql", "lookup"]),
        (["--agent", "catalog_agent"], ["lookup"]),
        (["--tool", "execute_sql", "--limit", "1"], ["execute_sql"]),
        (["--view", "agent_tickets"], ["execute_sql"]),
        (["--refused"], ["execute_sql"]),
        (["--slow", "60000"], []),
        (["--since", "1h"], ["execute_sql", "execute_sql", "lookup"]),
        (["--since", "0s"], []),
    ],
)
def test_the_last_calls_are_listed_by_what_one_looks_for(
    typed: Typed, filters: list[str], tools: list[str]
) -> None:
    status, out = typed(*filters, "--json")
    assert status == 0
    assert [call["tool"] for call in listed(out)] == tools


def test_a_person_sees_a_line_a_call_with_its_refusal(typed: Typed) -> None:
    status, out = typed()
    assert status == 0
    assert "READONLY_VIOLATION" in out and "agent_products" in out
    assert typed("--agent", "nobody") == (0, "no such call\n")


def test_verify_tells_the_end_and_takes_it_back_as_an_anchor(typed: Typed, asked: Path) -> None:
    status, out = typed("verify", "--json")
    found = json.loads(out)
    assert (status, found["is_intact"], found["records"]) == (0, True, 3)
    assert typed("verify", "--anchor", found["anchor"])[0] == 0
    (path,) = audit_folder(asked).glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b"catalog_agent", b"another_agent"))
    status, out = typed("verify")
    assert status == 1
    assert "NOT INTACT" in out and "its end was removed or edited" in out


def test_a_call_is_replayed_by_its_id(typed: Typed) -> None:
    call = listed(typed("--tool", "lookup", "--json")[1])[0]
    assert typed("replay", call["query_id"]) == (0, "the same rows\n")
    status, out = typed("replay", call["query_id"], "--json")
    assert (status, json.loads(out)["verdict"]) == (0, "same")
    status, out = typed("replay", "nothing")
    assert status == 2 and "grounded audit" in out


def test_expiry_needs_a_length_of_time_of_at_least_a_day(typed: Typed) -> None:
    assert typed("expire", "--keep", "90d") == (0, "nothing is that old\n")
    assert typed("expire", "--keep", "2h")[0] == 2
    status, out = typed("expire", "--keep", "soon")
    assert status == 2 and "90s, 10m, 2h or 1d" in out
