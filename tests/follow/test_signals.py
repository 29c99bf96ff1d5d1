"""How a command that goes on until it is told ends: by its work's end first, then at once."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

SCRIPT = """
from threading import Event
from orchestration.cli.following import until_signal

def work(stop):
    print("working", flush=True)
    stop.wait()
    print("told", flush=True)
    {then}

until_signal(work)
print("ended", flush=True)
"""
STUCK = "Event().wait()"


@pytest.fixture
def working(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A process whose work has begun; `then` is what the work does once it was told to end."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(then=request.param)], stdout=subprocess.PIPE, text=True
    )
    assert told(process) == "working"
    yield process
    process.kill()
    process.communicate()


def told(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("working", ["pass"], indirect=True)
def test_a_first_signal_waits_for_the_end_of_the_work(working: subprocess.Popen[str]) -> None:
    working.send_signal(signal.SIGTERM)
    assert [told(working), told(working)] == ["told", "ended"]
    assert working.wait() == 0


@pytest.mark.parametrize("working", [STUCK], indirect=True)
def test_a_second_signal_ends_at_once(working: subprocess.Popen[str]) -> None:
    working.send_signal(signal.SIGINT)
    assert told(working) == "told"
    working.send_signal(signal.SIGTERM)
    assert working.wait() == -signal.SIGTERM
