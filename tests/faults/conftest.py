"""Real servers and children to kill, the seed of all that is random, and the table of kills.

The suite may run in several processes (``--numprocesses=2 --dist=worksteal``): they share the seed,
and what they have to tell reaches the summary.
"""

import os
import random
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.faults.children import Zygote
from tests.faults.views import CREATE
from tests.log_capture.conftest import drop_slots
from tests.servers import Postgres, server_folder

TOLD = pytest.StashKey[list[str]]()
LONGEST = "test_kills_anywhere"


def pytest_configure(config: pytest.Config) -> None:
    """Have a place for what the terminal's summary tells."""
    config.stash[TOLD] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the test that takes longest, so that other processes do the rest meanwhile."""
    items.sort(key=lambda item: LONGEST not in item.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a process of several, send what is to be told to the one that tells it."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["told"] = session.config.stash.get(TOLD, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what another process has to tell, the seed that all of them share once."""
    told = node.config.stash.setdefault(TOLD, [])
    sent: list[str] = getattr(node, "workeroutput", {}).get("told", [])
    told += [line for line in sent if line not in told]


@pytest.fixture(scope="session")
def tell(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Write a line into the summary at the end of the run."""
    return pytestconfig.stash.setdefault(TOLD, []).append


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Tell the seed and the table of kills, also when every test passed."""
    told = config.stash.get(TOLD, [])
    if told:
        terminalreporter.section("faults")
        for line in told:
            terminalreporter.write_line(line)


def table_of_kills(lanes: dict[str, Counter[str]]) -> list[str]:
    """The kills of each lane by phase, as lines."""
    phases = list(dict.fromkeys(phase for kills in lanes.values() for phase in kills))
    lines = [f"{'phase':12}" + "".join(f"{name:>10}" for name in lanes)]
    lines += [f"{p:12}" + "".join(f"{kills[p]:>10}" for kills in lanes.values()) for p in phases]
    return [*lines, f"{'all':12}" + "".join(f"{k.total():>10}" for k in lanes.values())]


@pytest.fixture(scope="session")
def seed(tell: Callable[[str], None]) -> int:
    """The seed of every history; ``GROUNDED_SEED`` repeats one."""
    drawn = random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID")).randrange(1, 10**9)
    number = int(os.environ.get("GROUNDED_SEED", "0")) or drawn
    tell(f"GROUNDED_SEED={number} repeats these histories")
    return number


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """A process that forks a child a job."""
    one = Zygote()
    yield one
    one.close()


@pytest.fixture(scope="session")
def zygotes(zygote: Zygote) -> Iterator[tuple[Zygote, Zygote]]:
    """Two of them."""
    other = Zygote()
    yield zygote, other
    other.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """A PostgreSQL that is never killed."""
    with server_folder() as folder:
        running = Postgres(folder)
        running.start()
        yield running
        running.stop()


@pytest.fixture
def own_server() -> Iterator[Postgres]:
    """A PostgreSQL that a test may kill, restart and set up."""
    with server_folder() as folder:
        running = Postgres(folder)
        running.start()
        yield running
        running.stop()


MakeSource = Callable[[], str]


@pytest.fixture
def make_source(server: Postgres) -> Iterator[MakeSource]:
    """Make a database with the tables of these tests; they go with the test."""
    made: list[str] = []

    def make() -> str:
        made.append(fill(server))
        return made[-1]

    yield make
    for url in made:
        drop_slots(server, url)
        name = url.rpartition("/")[2]
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)".encode())


@pytest.fixture
def source(make_source: MakeSource) -> str:
    """The address of one such database."""
    return make_source()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home."""
    return tmp_path / "home"


def fill(server: Postgres) -> str:
    """A new database with the tables of these tests: its address."""
    name = f"faults_{secrets.token_hex(6)}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
    execute(server.url(name), *CREATE.strip().split(";\n"))
    return server.url(name)


def execute(url: str, *statements: str) -> None:
    """Run statements, each in a transaction of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
