"""Other people's clients, as .ci/run installs them, and a published home that they ask."""

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from serving import tokens
from serving.catalog import Limits
from serving.declarations import DeclaredAgent
from tests.grounded import ROOT
from tests.serving.conftest import declared, fill, publish
from tests.serving.running import RunningServer

CLIENTS = ROOT / ".venv" / "clients"
MODULES = CLIENTS / "node_modules"
PYTHON = CLIENTS / "python" / "bin"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder, and skip them where their clients are missing."""
    missing = pytest.mark.skip(reason="the clients are not installed; .ci/run installs them")
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.clients)
            if not (CLIENTS / "ready").exists():
                item.add_marker(missing)


@dataclass(frozen=True)
class Client:
    """Runs one program of another project to its end, with a home folder of its own."""

    folder: Path

    def __call__(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """What it printed and how it ended."""
        node = f"{MODULES / 'node' / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(
            [str(word) for word in command],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env={"PATH": node, "HOME": str(self.folder), "NO_COLOR": "1"},
        )


@pytest.fixture
def client(tmp_path: Path) -> Client:
    """Runs clients."""
    return Client(tmp_path)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published home whose agent may call as often as a fuzzer does."""
    folder = tmp_path_factory.mktemp("clients") / "home"
    fill(folder)
    views = sorted(declared().views)
    limits = Limits(calls_per_minute=1_000_000, seconds_per_minute=1_000_000)
    often = DeclaredAgent(
        name="support_agent", purpose="Answers customers.", views=views, limits=limits
    )
    publish(folder, declared(support_agent=often))
    return folder


@dataclass(frozen=True)
class Served:
    """A running server and the token of its agent."""

    url: str
    token: str


@pytest.fixture(scope="module")
def served(home: Path) -> Iterator[Served]:
    """The application of the published home."""
    with RunningServer(home) as running:
        yield Served(running.url, tokens.issue(home, "support_agent"))


@pytest.fixture(scope="module")
def open_server(home: Path) -> Iterator[str]:
    """The same for a client that can send no token: it is added on the way."""
    with RunningServer(home, wrap=_with_token(tokens.issue(home, "support_agent"))) as it:
        yield it.url


def _with_token(token: str) -> Callable[[ASGIApp], ASGIApp]:
    def wrap(app: ASGIApp) -> ASGIApp:
        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                scope["headers"].append((b"authorization", f"Bearer {token}".encode()))
            await app(scope, receive, send)

        return wrapped

    return wrap
