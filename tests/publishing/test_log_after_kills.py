"""A server that is killed under load has recorded every answer that anybody received."""

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import pytest

from serving import tokens
from serving.audit import calls, verify

# An HTTP server takes a second to start.
GATEWAY_KILLS, HTTP_KILLS = 46, 4
CLIENTS = 4
MOST_ANSWERS = 60


@dataclass
class Server:
    """Starts one server after the other and kills each."""

    home: Path
    requests: IO[str]
    replies: IO[str]
    received: set[str] = field(default_factory=set)

    def start(self, kind: str) -> int:
        """Start a server; its process id."""
        self.requests.write(f"{kind} {self.home}\n")
        self.requests.flush()
        return int(self._next("pid"))

    def address(self) -> str:
        """Where the HTTP server listens."""
        return self._next("at")

    def receive(self, answers: int) -> None:
        """Take so many answers."""
        self.received |= {self._next("answered") for _ in range(answers)}

    def kill(self, process: int) -> None:
        """End it at once, and take what it had told before."""
        os.kill(process, signal.SIGKILL)
        for line in self.replies:
            word, _, told = line.rstrip("\n").partition(" ")
            if word == "end":
                return
            assert word == "answered"
            self.received.add(told)

    def _next(self, expected: str) -> str:
        word, _, told = self.replies.readline().rstrip("\n").partition(" ")
        assert word == expected
        return told


@pytest.fixture
def server(published: Path) -> Iterator[Server]:
    script = Path(__file__).with_name("answer_and_die.py")
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None
    yield Server(published, process.stdin, process.stdout)
    # With the server that a failed test leaves behind.
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()


def ask_on(url: str, token: str, received: list[str], enough: threading.Event, most: int) -> None:
    """Ask over one connection until the server is gone; keep the ids of whole answers."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    body = json.dumps({"table": "agent_tickets", "value": 1})
    try:
        while True:
            connection.request("POST", "/v1/lookup", body, {"Authorization": f"Bearer {token}"})
            answer = json.loads(connection.getresponse().read())
            received.append(answer["meta"]["query_id"])
            if len(received) >= most:
                enough.set()
    except (OSError, http.client.HTTPException, ValueError):
        return
    finally:
        connection.close()


def under_load(url: str, token: str, most: int) -> tuple[list[str], list[threading.Thread]]:
    """Let clients ask until they have so many answers; they go on until the server is gone."""
    received: list[str] = []
    enough = threading.Event()
    clients = [
        threading.Thread(target=ask_on, args=(url, token, received, enough, most), daemon=True)
        for _ in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    assert enough.wait(60)
    return received, clients


def test_fifty_kills_under_load_lose_no_answer_and_leave_the_chain_whole(server: Server) -> None:
    chance = random.Random(5)
    token = tokens.issue(server.home, "support_agent")
    for _ in range(GATEWAY_KILLS):
        process = server.start("gateway")
        server.receive(chance.randint(1, MOST_ANSWERS))
        server.kill(process)
    for _ in range(HTTP_KILLS):
        process = server.start("http")
        received, clients = under_load(server.address(), token, chance.randint(1, MOST_ANSWERS))
        server.kill(process)
        for client in clients:
            client.join()
        server.received |= set(received)
    report = verify(server.home)
    assert report.is_intact, report.problems
    recorded = {call["query_id"]: call for call in calls(server.home)}
    assert server.received <= set(recorded)
    assert len(server.received) > GATEWAY_KILLS + HTTP_KILLS
    assert {call["surface"] for call in recorded.values()} == {"python", "http"}
