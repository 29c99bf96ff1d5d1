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


@pytest.fixture(scope="session")
def upstreams() -> Iterator[Path]:
    """The folder of small demo upstreams that tests only read."""
    with server_folder() as home:
        up(home, scale=SCALE)
        yield home
        down(home)
