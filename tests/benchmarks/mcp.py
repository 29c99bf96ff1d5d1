"""A lookup by MCP over HTTP beside an empty tool of the SDK's own server, in the same run.

``python -m tests.benchmarks.mcp [--seconds 5]``: one process each, the protocol's newest revision.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from pathlib import Path

from ingestion.demo.state import free_ports
from serving import tokens
from serving.embedder import MiniLm, builtin_model_dir
from tests.benchmarks.load import process, told
from tests.benchmarks.results import Figure, publish
from tests.load import Load, Question, after, generate, request
from tests.load_world import ORDERS_OF_ONE, fill
from tests.load_world import publish as publish_generation
from tests.serving_process import serving

REVISION = "2026-07-28"
CLIENTS = (1, 8, 64)
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
    loads: dict[tuple[str, int], Load] = {}
    with process([sys.executable, "-c", EMPTY, str(port)], port):
        measure(loads, "the SDK's empty tool", port, "empty", {}, "", options.seconds)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        fill(home, 1)
        publish_generation(home, 1, 0, MiniLm(builtin_model_dir()))
        token = tokens.issue(home, "agent_0")
        with serving(home) as port:
            table = {"table": "agent_orders"}
            measure(loads, "grounded", port, "lookup", table, token, options.seconds)
    figures = []
    for clients in CLIENTS:
        bench = f"MCP over HTTP, {clients} clients"
        empty, own = loads["the SDK's empty tool", clients], loads["grounded", clients]
        figures += told(bench, "the SDK's empty tool", empty) + told(bench, "grounded", own)
        ratio = own.percentile(0.5) / empty.percentile(0.5)
        figures.append(Figure(bench, "grounded / empty tool", "p50", ratio, "x", 1))
    publish(figures, options.out)


def measure(
    loads: dict[tuple[str, int], Load],
    subject: str,
    port: int,
    tool: str,
    given: dict[str, str],
    token: str,
    seconds: float,
) -> None:
    """Call a tool with ever other values, by one client and by more, after a warm-up."""

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

    asyncio.run(generate(port, [ask] * 8, after(seconds)))
    for clients in CLIENTS:
        loads[subject, clients] = asyncio.run(generate(port, [ask] * clients, after(seconds)))


def refuse_wrong(status: int, body: bytes) -> None:
    """An answer that is an error would be measured as a fast one."""
    if status != 200 or json.loads(body)["result"].get("isError"):
        raise RuntimeError(f"{status}: {body[:300]!r}")


if __name__ == "__main__":
    main()
