"""What tests of more than one area use: real upstreams and a whole pipeline run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from ingestion.demo import down, up
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
