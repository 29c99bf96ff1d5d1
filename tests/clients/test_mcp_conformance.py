"""The official conformance suites for MCP servers, and the Inspector's command line."""

import json
from pathlib import Path

import pytest

from serving.tools import TOOLS
from tests.clients.conftest import MODULES, Client, Served
from tests.grounded import COMMAND

HERE = Path(__file__).parent
INSPECTOR = MODULES / "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
ARGUMENTS: dict[str, dict[str, object]] = {
    "list_tables": {"detail_level": "summary"},
    "describe_table": {"table": "agent_orders"},
    "execute_sql": {"sql": "select count(*) as n from agent_orders"},
    "lookup": {"table": "agent_orders", "value": 3},
    "search": {"query": "printer"},
    "check_freshness": {},
    "get_lineage": {"table": "agent_orders"},
}


@pytest.mark.parametrize(
    ("suite", "expected", "revision"),
    [
        ("@modelcontextprotocol/conformance", "expected_failures_2025_11_25.yaml", "2025-11-25"),
        ("conformance-next", "expected_failures_2026_07_28.yaml", "2026-07-28"),
    ],
)
def test_the_conformance_suite_passes_but_for_what_is_not_offered(
    client: Client, open_server: str, suite: str, expected: str, revision: str
) -> None:
    done = client(
        *("node", MODULES / suite / "dist/index.js", "server", "--url", f"{open_server}/mcp"),
        *("--suite", "all", "--spec-version", revision, "--expected-failures", HERE / expected),
    )
    assert done.returncode == 0, done.stdout[-6_000:]
    assert "✓ tools-list" in done.stdout


def test_the_inspector_lists_and_calls_every_tool_over_http(client: Client, served: Served) -> None:
    server = (f"{served.url}/mcp", "--transport", "http")
    header = ("--header", f"Authorization: Bearer {served.token}")
    listed = client("node", INSPECTOR, "--cli", *server, "--method", "tools/list", *header)
    assert [tool["name"] for tool in json.loads(listed.stdout)["tools"]] == list(TOOLS)
    for tool, arguments in ARGUMENTS.items():
        given = [f"{name}={value}" for name, value in arguments.items()]
        called = client(
            *("node", INSPECTOR, "--cli", *server, "--method", "tools/call"),
            *("--tool-name", tool, *(["--tool-arg", *given] if given else []), *header),
        )
        result = json.loads(called.stdout)
        assert not result.get("isError"), result
        assert result["structuredContent"]["success"] is True
    assert set(ARGUMENTS) == set(TOOLS)


def test_the_inspector_calls_a_tool_over_stdio(client: Client, home: Path) -> None:
    command = (COMMAND, "mcp", "--agent", "support_agent", "--home", home)
    called = client(
        *("node", INSPECTOR, "--cli", "--method", "tools/call", "--tool-name", "execute_sql"),
        *("--tool-arg", "sql=select count(*) as n from agent_orders", "--", *command),
    )
    answer = json.loads(called.stdout)["structuredContent"]
    assert answer["data"]["rows"] == [{"n": 40}]
