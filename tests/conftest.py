"""What tests of more than one area use: real upstreams and a whole pipeline run."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from ingestion.demo import down, up
from tests.grounded import grounded
from tests.homes import copy_home
from tests.servers import server_folder

SCALE = 0.05

# What takes longest begins first, so that no process of a test run is left with it at the end.
LONGEST = (
    "test_readme",
    "test_forget_person",
    "transform",
    "test_end_to_end",
    "test_key_rotation",
    "test_following",
    "test_canaries",
    "test_agreement",
    "test_killed_following",
    "leaks",
    "test_keyed_models",
    "test_publishing_is_refused",
    "test_index_follows",
    "test_large_transaction",
    "test_redaction_properties",
)
# Files that share what is made once in a session, such as a compiled project, share a process.
TOGETHER = {
    "test_column_origins": "leaks",
    "test_leaks": "leaks",
    "test_leaks_as_data": "leaks",
    "test_masks_are_needed": "leaks",
    "test_project_changes": "leaks",
    "test_second_opinion": "leaks",
}

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes longest first."""
    places = {name: place for place, name in enumerate(LONGEST)}

    def place(item: pytest.Item) -> int:
        names = item.path.stem, together(item.nodeid)
        return min(places.get(name, len(places)) for name in names)

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep in one process what shares something; xdist's own groups are lost on this pytest."""
    from xdist.scheduler import LoadFileScheduling

    class ByGroup(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return together(nodeid)

    return ByGroup(config, log) if config.getvalue("dist") == "loadfile" else None


def together(nodeid: str) -> str:
    """What a test shares a process with: its file, or the files that share something dear."""
    file = Path(nodeid.partition("::")[0])
    return "transform" if file.parent.name == "transform" else TOGETHER.get(file.stem, str(file))


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
