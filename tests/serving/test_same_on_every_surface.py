"""The same sixty calls over Python, command line, HTTP and MCP: the same rows, masks, errors."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from orchestration.cli import run
from serving import tokens
from serving.agent import connect
from tests.grounded import grounded
from tests.serving.conftest import published
from tests.serving.running import RunningServer

__all__ = ["published"]

Call = tuple[str, dict[str, Any]]
AGENT = "small_agent"
SQL = [
    "select order_id, total, placed_at from agent_orders order by 1 limit 3",
    "select * from agent_orders order by order_id desc",
    "select status, count(*) as n, sum(total) as total from agent_orders group by all order by 1",
    "select customer_key from agent_orders where order_id = 7",
    "select null as nothing, 9007199254740993 as beyond, 0.1::double as x, 'NaN'::double as y",
    "select 1.50::decimal(18,2) as price, 12345678901234567890.12::decimal(38,2) as long_price",
    "select {'a': [1, null], 'b': map {'k': date '2026-01-02'}} as nested",
    "select '\\xAA'::blob as bytes, interval '2 hours' as pause, time '03:04:05' as clock",
    "select 'Ünïcode \"quoted\" \\ 日本' as words, '<b>' as markup",
    "select p.title, o.total from agent_products p join agent_orders o on order_id = product_id",
    "select * from agent_orders where false",
    "select 1 as a, 2 as a, 3 as a",
    "with big as (select * from agent_orders where total > 20) select count(*) as n from big",
    "select order_id, row_number() over (order by total desc) as place from agent_orders limit 4",
    "from agent_products select sku order by sku",
    "select repeat('x', 700) as long_text from agent_orders",
    "drop table agent_orders",
    "insert into agent_orders values (1)",
    "select * from agent_tickets",
    "select * from nothing",
    "select * from read_csv('/etc/passwd')",
    "select getenv('HOME')",
    "selec 1",
    "select 1; select 2",
    "select no_such_column from agent_orders",
    "select cast('abc' as integer) as n",
    "",
]
LOOKUPS: list[dict[str, Any]] = [
    {"table": "agent_orders", "value": "3"},
    {"table": "agent_orders", "values": ["5", "4", "5"]},
    {"table": "agent_orders", "values": ["1", "99999"]},
    {"table": "agent_orders", "value": "99999"},
    {"table": "agent_orders", "key": "customer_key", "value": "c3"},
    {"table": "agent_orders", "key": "customer_key", "value": "c3", "limit": 2},
    {"table": "agent_orders", "key": "customer_key", "values": ["c1", "c2"]},
    {"table": "agent_orders", "key": "status", "value": "open"},
    {"table": "agent_orders", "value": "three"},
    {"table": "agent_products", "value": "1"},
    {"table": "agent_tickets", "value": "1"},
    {"table": "agent_order", "value": "1"},
]
SEARCHES: list[dict[str, Any]] = [
    {"query": "printer"},
    {"query": "shoes for running", "limit": 1},
    {"query": "PRN-100 laser"},
    {"query": "lamp", "table": "agent_products"},
    {"query": "light", "filter": {"category": "office"}},
    {"query": "light", "filter": {"category": ["office", "sport"]}},
    {"query": "light", "filter": {"category": "a' or '1'='1"}},
    {"query": "light", "filter": {"price": "1"}},
    {"query": "x", "table": "agent_orders"},
    {"query": "x", "table": "agent_tickets"},
    {"query": " "},
]
REST: list[Call] = [
    ("list_tables", {"detail_level": "summary"}),
    ("describe_table", {"table": "agent_orders"}),
    ("describe_table", {"table": "agent_tickets"}),
]
LIMITED: list[Call] = [
    ("execute_sql", {"sql": "select order_id from agent_orders order by 1", "limit": 2}),
    ("execute_sql", {"sql": "select order_id from agent_orders order by 1", "limit": 5}),
    ("execute_sql", {"sql": "select order_id from agent_orders order by 1", "limit": 50}),
    ("execute_sql", {"sql": "select order_id from agent_orders", "dry_run": True}),
    ("execute_sql", {"sql": "drop table agent_orders", "dry_run": True}),
    ("execute_sql", {"sql": "select 1 as n", "snapshot_id": "20200101T000000Z-000000"}),
    ("search", {"query": "light", "limit": 0}),
]
CALLS: list[Call] = [
    *(("execute_sql", {"sql": sql}) for sql in SQL),
    *(("lookup", given) for given in LOOKUPS),
    *(("search", given) for given in SEARCHES),
    *REST,
    *LIMITED,
]


@pytest.fixture(scope="module")
def expected(published: Path) -> Iterator[list[dict[str, Any]]]:
    """What Python is answered."""
    with connect(published, AGENT) as agent:
        yield [told(agent.call(*call).model_dump(mode="json")) for call in CALLS]


def told(envelope: dict[str, Any]) -> dict[str, Any]:
    """What must be the same; when and under which id it was asked is not."""
    meta = {
        name: envelope["meta"][name]
        for name in ("agent", "snapshot_id", "contract_version", "empty_reason", "masked_columns")
    }
    meta["sources"], meta["warnings"] = envelope["meta"]["sources"], envelope["meta"]["warnings"]
    meta["freshness"] = [[age["table"], age["status"]] for age in envelope["meta"]["freshness"]]
    body = envelope["data"] if envelope["success"] else envelope["error"]
    return {"success": envelope["success"], "body": without_ages(body), "meta": meta}


def without_ages(body: Any) -> Any:
    """The body without the seconds since a watermark, which go on between two calls."""
    if isinstance(body, dict):
        return {name: without_ages(one) for name, one in body.items() if name != "age_s"}
    return [without_ages(one) for one in body] if isinstance(body, list) else body


def test_there_are_sixty_calls_of_every_outcome(expected: list[dict[str, Any]]) -> None:
    assert len(CALLS) == 60
    codes = {one["body"].get("code") for one in expected}
    assert codes >= {None, "READONLY_VIOLATION", "POLICY_DENIED", "UNKNOWN_TABLE", "INVALID_SQL"}
    assert codes >= {"INVALID_ARGUMENT", "NO_SNAPSHOT", "BUDGET_EXCEEDED"}
    assert {one["body"].get("truncated_by") for one in expected} >= {"rows", "limit"}
    assert any(one["meta"]["masked_columns"] for one in expected)


def test_http_gives_the_same(published: Path, expected: list[dict[str, Any]]) -> None:
    with RunningServer(published) as server, server.client(AGENT) as client:
        for (tool, given), own in zip(CALLS, expected, strict=True):
            assert told(client.post(f"/v1/tools/{tool}", json=given).json()) == own, (tool, given)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_mcp_gives_the_same(published: Path, expected: list[dict[str, Any]], mode: str) -> None:
    async def ask(url: str) -> None:
        headers = {"authorization": f"Bearer {tokens.issue(published, AGENT)}"}
        async with httpx2.AsyncClient(headers=headers) as http:
            transport = streamable_http_client(url, http_client=http)
            async with Client(transport, mode=mode) as client:
                for (tool, given), own in zip(CALLS, expected, strict=True):
                    result = await client.call_tool(tool, given)
                    assert told(result.structured_content) == own, (tool, given)
                    assert told(json.loads(result.content[0].text)) == own, (tool, given)
                    assert result.is_error is not own["success"]

    with RunningServer(published) as server:
        anyio.run(ask, f"{server.url}/mcp")


def test_the_command_line_gives_the_same(
    published: Path, expected: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    # Kept open, so that a call need not open its own workers and files.
    with connect(published, AGENT):
        for (tool, given), own in zip(CALLS, expected, strict=True):
            words = typed(tool, given)
            if words is None:
                continue
            command, *rest = words
            status = run([command, "--agent", AGENT, "--home", str(published), "--json", *rest])
            assert told(json.loads(capsys.readouterr().out)) == own, words
            assert status == (0 if own["success"] else 2)


def test_a_command_s_own_process_gives_the_same(
    published: Path, expected: list[dict[str, Any]]
) -> None:
    words = typed(*CALLS[2])
    assert words is not None
    command, *rest = words
    done = grounded(published, command, "--agent", AGENT, "--json", *rest)
    assert told(done.envelope()) == expected[2]


def typed(tool: str, given: dict[str, Any]) -> list[str] | None:
    """The command that asks the same, None where its options refuse before anything is asked."""
    return COMMANDS[tool](dict(given))


def _sql(given: dict[str, Any]) -> list[str]:
    words = ["sql", *_options(given, limit="--limit", snapshot_id="--snapshot")]
    return [*words, *(["--dry-run"] if given.get("dry_run") else []), "--", given["sql"]]


def _lookup(given: dict[str, Any]) -> list[str]:
    values = given.get("values") or [given["value"]]
    return ["lookup", *_options(given, key="--key", limit="--limit"), given["table"], *values]


def _search(given: dict[str, Any]) -> list[str]:
    filters = [
        f"{column}={value}"
        for column, wanted in given.get("filter", {}).items()
        for value in (wanted if isinstance(wanted, list) else [wanted])
    ]
    words = ["search", *_options(given, table="--view", limit="--limit"), given["query"]]
    return [*words, *(word for one in filters for word in ("--filter", one))]


def _options(given: dict[str, Any], **names: str) -> list[str]:
    return [
        word
        for name, option in names.items()
        if given.get(name) is not None
        for word in (option, str(given[name]))
    ]


COMMANDS: dict[str, Callable[[dict[str, Any]], list[str] | None]] = {
    "execute_sql": _sql,
    "lookup": _lookup,
    "search": _search,
    "list_tables": lambda _: ["tables"],
    "describe_table": lambda given: ["tables", given["table"]],
}
