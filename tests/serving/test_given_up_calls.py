"""Calls that their caller gives up: the statement ends, the record says so, the next one works."""

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import httpx2
import psutil
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from serving import audit, tokens
from serving.agent import Agent
from serving.cancellation import Cancellation, under
from serving.errors import Cancelled
from serving.mcp_server import build_server
from tests.serving.running import RunningServer
from tests.serving.test_http_server import server

__all__ = ["server"]

# 40 rows to the eighth: half an hour at four billion a second, where ten seconds are allowed.
LONG = "select count(*) from " + ", ".join(f"agent_orders o{number}" for number in range(8))
BUSY_S = 0.05


def test_a_statement_ends_with_its_caller_and_the_next_one_is_answered(agent: Agent) -> None:
    given_up = Cancellation()
    outcomes: list[object] = []

    def ask() -> None:
        with under(given_up):
            outcomes.append(agent.sql(LONG))

    asking = threading.Thread(target=ask)
    asking.start()
    wait_until_busy()
    given_up.cancel()
    asking.join()
    assert outcomes[0].error.code == "CANCELLED"  # type: ignore[attr-defined]
    assert agent.sql("select 41 + 1 as n").rows == [{"n": 42}]


def test_a_call_that_was_given_up_before_it_began_runs_nothing(agent: Agent) -> None:
    given_up = Cancellation()
    given_up.cancel()
    with under(given_up):
        assert agent.sql("select 1 as n").error.code == "CANCELLED"
    assert agent.sql("select 1 as n").rows == [{"n": 1}]


def test_waiting_for_a_turn_ends_with_the_caller_too() -> None:
    given_up = Cancellation()
    turn = threading.Event()
    threading.Timer(0.01, given_up.cancel).start()
    with pytest.raises(Cancelled):
        given_up.wait(turn, 60)
    turn.set()
    assert Cancellation().wait(turn, 0)
    assert not Cancellation().wait(threading.Event(), 0)


def test_a_reply_that_nobody_read_is_not_the_next_statement_s_answer(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    from serving.sandbox.process import WorkerProcess

    asked = WorkerProcess.ask

    def broken_off(self: WorkerProcess, request: dict, seconds: float, _: object) -> dict:
        asked(self, {**request, "sql": "select 'before' as n"}, seconds)
        self._send({**request, "seconds": seconds})
        raise KeyboardInterrupt

    agent.sql("select 'warm' as n")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(WorkerProcess, "ask", broken_off)
        agent.sql("select 'unread' as n")
    assert agent.sql("select 'own' as n").rows == [{"n": "own"}]


def test_a_client_that_hangs_up_calls_its_statement_off(server: RunningServer) -> None:
    token = tokens.issue(server.home, "support_agent")
    body = json.dumps({"sql": LONG}).encode()
    port = int(server.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port)) as client:
        head = f"POST /v1/sql HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        wait_until_busy()
    assert last_code(server.home) == "CANCELLED"


def test_an_mcp_call_that_is_cancelled_calls_its_statement_off(home: Path, agent: Agent) -> None:
    async def ask() -> None:
        async with Client(build_server(agent)) as client:
            await cancelled_call(client)
            again = await client.call_tool("execute_sql", {"sql": "select 1 as n"})
            assert again.structured_content["data"]["rows"] == [{"n": 1}]

    anyio.run(ask)
    assert "CANCELLED" in codes(home)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_mcp_call_over_http_that_is_cancelled_calls_its_statement_off(
    server: RunningServer, mode: str
) -> None:
    headers = {"authorization": f"Bearer {tokens.issue(server.home, 'support_agent')}"}

    async def ask() -> None:
        async with httpx2.AsyncClient(headers=headers) as http:
            transport = streamable_http_client(f"{server.url}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                await cancelled_call(client)

    anyio.run(ask)
    assert last_code(server.home) == "CANCELLED"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_client_that_asks_for_progress_is_told_that_its_call_runs(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr("serving.mcp_server.PROGRESS_S", 0.01)
    headers = {"authorization": f"Bearer {tokens.issue(server.home, 'support_agent')}"}
    told: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        assert message is not None
        told.append(progress)

    async def ask() -> dict:
        async with httpx2.AsyncClient(headers=headers) as http:
            transport = streamable_http_client(f"{server.url}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                arguments = {"sql": "select count(*) as n from agent_orders a, agent_orders b"}
                done = await client.call_tool(
                    "execute_sql", arguments, progress_callback=on_progress
                )
                return done.structured_content

    assert anyio.run(ask)["data"]["rows"] == [{"n": 1600}]
    assert told == sorted(told)
    assert told


async def cancelled_call(client: Client) -> None:
    """Ask for the long statement and cancel it once it runs."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.call_tool, "execute_sql", {"sql": LONG})
        await anyio.to_thread.run_sync(wait_until_busy)
        tasks.cancel_scope.cancel()


def wait_until_busy() -> None:
    """Wait until a worker process of ours computes; those of other tests are idle by now."""
    before = worker_seconds()
    wait_for(lambda: any(s > before.get(pid, 0.0) + BUSY_S for pid, s in worker_seconds().items()))


def worker_seconds() -> dict[int, float]:
    """The CPU seconds of each worker process, by its process id."""
    seconds = {}
    for process in psutil.Process().children(recursive=True):
        try:
            if process.cmdline()[-1:] and process.cmdline()[-1].endswith("worker.py"):
                seconds[process.pid] = process.cpu_times().user
        except psutil.Error:
            continue
    return seconds


def last_code(home: Path) -> str | None:
    """The code of the only call, once it is recorded."""
    wait_for(lambda: bool(codes(home)))
    return codes(home)[-1]


def codes(home: Path) -> list[str | None]:
    """The codes of all recorded calls."""
    files = sorted(audit.audit_folder(home).glob("*.jsonl"))
    return [json.loads(line)["code"] for file in files for line in file.read_text().splitlines()]


def wait_for(is_so: Callable[[], bool]) -> None:
    """Wait until something is so; the test's own timeout ends a wait for what never is."""
    pause = threading.Event()
    while not is_so():
        pause.wait(0.01)
