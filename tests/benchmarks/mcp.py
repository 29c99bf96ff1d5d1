"""A lookup by MCP over HTTP beside an empty tool of the SDK's own server, in the same run.

``python -m tests.benchmarks.mcp [--seconds 5]``: one process each, the protocol's newest revision.
"""

import argparse
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path

from ingestion.demo.state import free_ports
from tests.benchmarks.clients import CLIENTS, by_clients, served_agent
from tests.benchmarks.load import process, told
from tests.benchmarks.results import Figure, publish
from tests.load import Question, request
from tests.load_world import ORDERS_OF_ONE

REVISION = "2026-07-28"
EMPTY = """
import sys
import uvicorn
from mcp.server import MCPServer
server = MCPServer("empty", log_level="ERROR")
@server.tool()
def empty(value: int) -> dict:
    return {}
app = server.streamable_http_app(stateless_http=True)
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
"""


def main() -> None:
    """Measure and print; the figures go to ``data/bench/mcp.jsonl``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--out", type=Path, default=Path("data/bench/mcp.jsonl"))
    options = parser.parse_args()
    (port,) = free_ports(1)
    with process([sys.executable, "-c", EMPTY, str(port)], port):
        empties = by_clients(port, asker("empty", {}, ""), options.seconds)
    with served_agent() as (port, token):
        ask = asker("lookup", {"table": "agent_orders"}, token)
        owns = by_clients(port, ask, options.seconds)
    figures = []
    for clients in CLIENTS:
        bench = f"MCP over HTTP, {clients} clients"
        empty, own = empties[clients], owns[clients]
        figures += told(bench, "the SDK's empty tool", empty) + told(bench, "grounded", own)
        ratio = own.percentile(0.5) / empty.percentile(0.5)
        figures.append(Figure(bench, "grounded / empty tool", "p50", ratio, "x", 1))
    publish(figures, options.out)


def asker(tool: str, given: dict[str, str], token: str) -> Callable[[random.Random], Question]:
    """What calls a tool with ever other values."""

    def ask(chance: random.Random) -> Question:
        params = {
            "name": tool,
            "arguments": {**given, "value": chance.randrange(ORDERS_OF_ONE)},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": REVISION,
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        }
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        headers = {
            "Accept": "application/json, text/event-stream",
            "Mcp-Protocol-Version": REVISION,
            "Mcp-Method": "tools/call",
            "Mcp-Name": tool,
        }
        return Question(
            tool, request("/mcp", json.dumps(call).encode(), token, **headers), refuse_wrong
        )

    return ask


def refuse_wrong(status: int, body: bytes) -> None:
    """An answer that is an error would be measured as a fast one."""
    if status != 200 or json.loads(body)["result"].get("isError"):
        raise RuntimeError(f"{status}: {body[:300]!r}")


if __name__ == "__main__":
    main()
