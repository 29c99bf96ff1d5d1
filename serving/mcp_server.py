"""MCP by the official SDK, over stdio and behind ``/mcp``; generated from the registry.

Run alone: ``python -m serving.mcp_server --home data --agent support_agent``.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from serving.agent import Agent, connect
from serving.envelope import Answer, Refusal
from serving.errors import ServingError
from serving.tools import TOOLS, Tool

Context = ServerRequestContext[Any, Any]
SURFACE = "mcp"

INSTRUCTIONS = (
    "Read-only access to this company's data, masked for you. Start with list_tables. "
    "Each answer tells its age (meta.freshness) and its snapshot."
)
# The same for each tool, and each token of it is paid once a tool: the parts, not their parts.
OUTPUT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "success": {"type": "boolean"},
        "data": {"type": "object"},
        "error": {"type": "object"},
        "meta": {"type": "object"},
    },
    "required": ["success", "meta"],
}
_ANNOTATIONS = types.ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)


def build_server(agent: Agent) -> "Server[Any]":
    """An MCP server that is one agent, for stdio and tests."""
    return build_shared_server(lambda _: agent)


def build_shared_server(agent_of: Callable[[Context], Agent]) -> "Server[Any]":
    """An MCP server that asks of each request which agent it is."""

    async def list_tools(
        _: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_described(tool) for tool in TOOLS.values()])

    async def call_tool(
        context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        agent = agent_of(context)
        work = partial(agent.call, params.name, params.arguments or {})
        # A statement may run for seconds; other calls go on.
        return _result(await anyio.to_thread.run_sync(work, abandon_on_cancel=True))

    return Server(
        "grounded",
        title="Grounded",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def run_stdio(agent: Agent) -> None:
    """Serve one agent until stdin closes; stdout carries the protocol alone."""
    server = build_server(agent)
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


def main(arguments: list[str] | None = None) -> None:
    """Serve one agent over stdio from the command line."""
    parser = argparse.ArgumentParser(prog="python -m serving.mcp_server")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--agent", required=True)
    given = parser.parse_args(arguments)
    try:
        agent = connect(given.home, given.agent, surface=SURFACE)
    except ServingError as error:
        parser.exit(2, f"{error}\n")
    with agent:
        anyio.run(run_stdio, agent)


def _described(tool: Tool[Any]) -> types.Tool:
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.input_schema(),
        output_schema=OUTPUT_SCHEMA,
        annotations=_ANNOTATIONS,
    )


def _result(outcome: Answer | Refusal) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=outcome.model_dump_json())],
        structured_content=outcome.model_dump(mode="json"),
        is_error=not outcome.success,
    )


if __name__ == "__main__":
    main()
