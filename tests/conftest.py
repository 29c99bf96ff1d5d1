"""What tests of more than one area use: real upstreams and a whole pipeline run."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from ingestion.demo import down, up
from tests.grounded import grounded
from tests.homes import copy_home
from tests.servers import server_folder

SCALE = 0.05

# How fast an example is made says nothing about the code; a database of a fixture serves many.
settings.register_profile(
    "suite",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the fuzzer of agents' SQL run for longer."""
    parser.addoption("--mutants", type=int, default=5_000, help="statements that it makes")


@pytest.fixture(scope="session")
def mutants(request: pytest.FixtureRequest) -> int:
    """How many statements the fuzzer makes."""
    return int(request.config.getoption("--mutants"))


@pytest.fixture(scope="session")
def upstreams() -> Iterator[Path]:
    """The folder of small demo upstreams that tests only read."""
    with server_folder() as home:
        up(home, scale=SCALE)
        yield home
        down(home)


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home after its first run over small upstreams, which are stopped; nobody changes it.

    One is made for all processes of a test run; `tests.homes.home_of` makes a living copy.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    kept = shared / "first_run"
    with FileLock(shared / "first_run.lock"):
        if not kept.exists():
            with server_folder() as home:
                assert grounded(home, "demo", "up", "--scale", str(SCALE)).status == 0
                try:
                    done = grounded(home, "run")
                finally:
                    down(home)
                assert done.status == 0, done.err
                copy_home(home, shared / "first_run.new")
            (shared / "first_run.new").rename(kept)
    return kept
