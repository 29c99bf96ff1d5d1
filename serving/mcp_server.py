"""MCP by the official SDK, over stdio and behind ``/mcp``; generated from the registry.

Run alone: ``python -m serving.mcp_server --home data --agent support_agent``.
"""

import argparse
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError

from serving.agent import Agent, connect
from serving.caller import PURPOSE_HEADER, PURPOSE_META, TRACE_HEADER, Caller
from serving.envelope import Answer, Refusal
from serving.errors import ServingError
from serving.threads import cancellable
from serving.tools import TOOLS, Tool
from serving.version import project_version

Context = ServerRequestContext[Any, Any]
Outcome = Answer | Refusal
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
# How often a client that asks for progress is told that its call still runs.
PROGRESS_S = 1.0


def build_server(agent: Agent) -> "Server[Any]":
    """An MCP server that is one agent, for stdio and tests."""

    async def answer(_: Context, tool: str, work: Callable[[Agent], Outcome]) -> Outcome:
        return await cancellable(partial(work, agent))

    return build_shared_server(answer)


def build_shared_server(
    answer: Callable[[Context, str, Callable[[Agent], Outcome]], Awaitable[Outcome]],
) -> "Server[Any]":
    """An MCP server that leaves it to ``answer`` which agent asks, and where the work is done."""
    tools = [_described(tool) for tool in TOOLS.values()]
    schemas = {tool.name: tool.input_schema for tool in tools}

    async def list_tools(
        _: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        if params is not None and params.cursor is not None:
            raise MCPError(types.INVALID_PARAMS, "there is one page of tools; leave out the cursor")
        return types.ListToolsResult(tools=tools)

    async def call_tool(
        context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        arguments = params.arguments or {}
        work = partial(_call, tool=params.name, arguments=arguments, caller=_caller(context))
        return _result(await _told(context, answer(context, params.name, work)))

    return Server(
        "grounded",
        title="Grounded",
        version=project_version(),
        instructions=INSTRUCTIONS,
        # Otherwise the SDK lists all tools before each call.
        get_tool_input_schema=schemas.get,
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


def _call(agent: Agent, *, tool: str, arguments: dict[str, Any], caller: Caller) -> Outcome:
    return agent.call(tool, arguments, caller=caller)


def _caller(context: Context) -> Caller:
    """What the call's ``_meta`` says; over HTTP its headers say it where ``_meta`` does not."""
    meta: Mapping[str, Any] = context.meta or {}
    headers = getattr(context.request, "headers", {})
    return Caller.of(
        meta.get(TRACE_HEADER) or headers.get(TRACE_HEADER),
        meta.get(PURPOSE_META) or headers.get(PURPOSE_HEADER),
    )


async def _told(context: Context, outcome: Awaitable[Outcome]) -> Outcome:
    """The outcome; a client that asks for progress is told each second that the call still runs."""
    if "progress_token" not in (context.meta or {}):
        return await outcome
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_report, context)
        told = await outcome
        tasks.cancel_scope.cancel()
    return told


async def _report(context: Context) -> None:
    started = time.monotonic()
    while True:
        await anyio.sleep(PROGRESS_S)
        seconds = round(time.monotonic() - started, 1)
        await context.session.report_progress(seconds, message=f"running for {seconds:.0f} s")


def _described(tool: Tool[Any]) -> types.Tool:
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.input_schema(),
        output_schema=OUTPUT_SCHEMA,
        annotations=_ANNOTATIONS,
    )


def _result(outcome: Outcome) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=outcome.model_dump_json())],
        structured_content=outcome.model_dump(mode="json"),
        is_error=not outcome.success,
    )


if __name__ == "__main__":
    main()
