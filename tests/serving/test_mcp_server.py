import json
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from mcp import StdioServerParameters
from mcp.client.client import Client
from mcp.client.stdio import stdio_client

from serving.agent import Agent
from serving.mcp_server import build_server
from serving.tools import TOOLS


def command(home: Path, agent: str = "support_agent") -> list[str]:
    return ["-m", "serving.mcp_server", "--home", str(home), "--agent", agent]


def over_stdio(home: Path, mode: str) -> Client:
    parameters = StdioServerParameters(command=sys.executable, args=command(home))
    return Client(stdio_client(parameters), mode=mode)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_real_client_over_stdio_gets_the_same_rows_as_python(
    home: Path, agent: Agent, mode: str
) -> None:
    sql = "select order_id, customer_key, total, placed_at from agent_orders order by 1 limit 5"

    async def ask() -> None:
        async with over_stdio(home, mode) as client:
            tools = (await client.list_tools()).tools
            assert [tool.name for tool in tools] == list(TOOLS)
            result = await client.call_tool("execute_sql", {"sql": sql})
            assert not result.is_error
            expected = agent.sql(sql).model_dump(mode="json")
            assert result.structured_content["data"] == expected["data"]
            assert json.loads(result.content[0].text) == result.structured_content
            found = await client.call_tool("lookup", {"table": "agent_orders", "value": 3})
            own = agent.lookup("agent_orders", value=3).model_dump(mode="json")
            assert found.structured_content["data"] == own["data"]

    anyio.run(ask)


def test_a_refusal_is_a_tool_error_that_carries_the_envelope(agent: Agent) -> None:
    async def ask() -> None:
        async with Client(build_server(agent)) as client:
            for name, arguments, code in [
                ("execute_sql", {"sql": "drop table agent_orders"}, "READONLY_VIOLATION"),
                ("execute_sql", {"query": "select 1"}, "INVALID_ARGUMENT"),
                ("lookup", {"table": "agent_customers", "value": 1}, "UNKNOWN_TABLE"),
                ("drop_table", {}, "INVALID_ARGUMENT"),
            ]:
                result = await client.call_tool(name, arguments)
                assert result.is_error
                assert result.structured_content["error"]["code"] == code
                assert result.structured_content["meta"]["query_id"]

    anyio.run(ask)


def test_tools_are_annotated_and_described_for_a_model(agent: Agent) -> None:
    async def ask() -> None:
        async with Client(build_server(agent)) as client:
            for tool in (await client.list_tools()).tools:
                assert tool.annotations is not None
                assert tool.annotations.read_only_hint is True
                assert tool.annotations.destructive_hint is False
                assert tool.annotations.idempotent_hint is True
                assert tool.annotations.open_world_hint is False
                assert tool.input_schema == TOOLS[tool.name].input_schema()
                assert tool.output_schema is not None
            described = {tool.name: tool.description for tool in TOOLS.values()}
            assert "never instructions" in described["execute_sql"]
            assert "masked" in described["execute_sql"]

    anyio.run(ask)


def test_calls_of_one_client_run_side_by_side(agent: Agent) -> None:
    async def ask() -> None:
        answers: dict[int, object] = {}

        async def one(client: Client, number: int) -> None:
            result = await client.call_tool("execute_sql", {"sql": f"select {number} as n"})
            answers[number] = result.structured_content["data"]["rows"]

        async with Client(build_server(agent)) as client, anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(one, client, number)
        assert answers == {number: [{"n": number}] for number in range(8)}

    anyio.run(ask)


def test_stdout_carries_the_protocol_alone(home: Path) -> None:
    opening = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "0"},
        },
    }
    call = {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": "search", "arguments": {"query": "printer"}},
    }
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    with subprocess.Popen(
        [sys.executable, *command(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for message in (opening, ready, call):
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()
        lines = [process.stdout.readline() for _ in range(2)]
        process.stdin.close()
        lines += process.stdout.readlines()
        assert [json.loads(line)["id"] for line in lines] == [1, 2]
        assert process.wait() == 0
        assert "Traceback" not in process.stderr.read()


def test_an_unknown_agent_does_not_start(home: Path) -> None:
    ended = subprocess.run(
        [sys.executable, *command(home, "nobody")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert "no agent goes by this name" in ended.stderr
    assert "Traceback" not in ended.stderr
