"""How a command that goes on until it is told ends: by its work's end first, then at once."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.grounded import Running, environment, warm


@pytest.fixture
def working(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    """A process whose work has begun; the parameter is what the work does once it was told."""
    process = warm().start(
        request.param, environment(tmp_path), entry="tests.follow.working:until_told"
    )
    assert told(process) == "working"
    yield process
    process.kill()


def told(process: Running) -> str:
    return process.out.readline().strip()


@pytest.mark.parametrize("working", [[]], indirect=True)
def test_a_first_signal_waits_for_the_end_of_the_work(working: Running) -> None:
    working.signal(signal.SIGTERM)
    assert [told(working), told(working)] == ["told", "ended"]
    assert working.wait() == 0


@pytest.mark.parametrize("working", [["stuck"]], indirect=True)
def test_a_second_signal_ends_at_once(working: Running) -> None:
    working.signal(signal.SIGINT)
    assert told(working) == "told"
    working.signal(signal.SIGTERM)
    assert working.wait() == -signal.SIGTERM
