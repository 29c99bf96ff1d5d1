"""What an agent may ask in a minute, and one that asks the same again and again."""

import fcntl
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.catalog import Limits
from serving.errors import RateLimited
from serving.minute import WINDOW_S
from serving.rates import TOLD_AFTER, Rates, repeated
from tests.grounded import ROOT


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Asking:
    """One agent's calls, each unlike the one before unless told."""

    def __init__(self, rates: Rates, **limits: float) -> None:
        self.rates = rates
        self.limits = Limits.model_validate({"identical_calls": 10_000, **limits})
        self._count = 0

    def ask(self, agent: str = "a", sql: str | None = None, snapshot: str = "s") -> int:
        self._count += 1
        return self.rates.admit(
            agent,
            self.limits,
            tool="execute_sql",
            arguments={"sql": sql or f"select {self._count}"},
            snapshot_id=snapshot,
        )


def test_the_window_slides_and_tells_when_to_return() -> None:
    clock = Clock()
    asking = Asking(Rates(clock), calls_per_minute=2)
    asking.ask()
    clock.now += 20
    asking.ask()
    clock.now += 10
    with pytest.raises(RateLimited) as caught:
        asking.ask()
    assert caught.value.details["retry_after_s"] == 30
    clock.now += 30
    asking.ask()
    with pytest.raises(RateLimited):
        asking.ask()


@given(
    st.lists(st.floats(min_value=0, max_value=30), max_size=60),
    st.integers(min_value=1, max_value=9),
)
def test_no_minute_holds_more_calls_than_allowed_and_the_wait_told_is_enough(
    pauses: list[float], most: int
) -> None:
    clock = Clock()
    asking = Asking(Rates(clock), calls_per_minute=most)
    made: list[float] = []
    for pause in pauses:
        clock.now += pause
        try:
            asking.ask()
        except RateLimited as refused:
            clock.now += float(str(refused.details["retry_after_s"])) + 0.001
            asking.ask()
        made.append(clock.now)
    # Calls within a twentieth of a second count as made together.
    assert all(
        sum(begin < other < begin + WINDOW_S - 0.05 for other in made) <= most for begin in made
    )


def test_refused_calls_do_not_keep_an_agent_out() -> None:
    clock = Clock()
    asking = Asking(Rates(clock), calls_per_minute=1)
    asking.ask()
    for _ in range(100):
        clock.now += 0.5
        with pytest.raises(RateLimited):
            asking.ask()
    clock.now += 10
    asking.ask()


def test_one_agents_calls_are_not_anothers() -> None:
    asking = Asking(Rates(Clock()), calls_per_minute=1)
    asking.ask("a")
    asking.ask("b")


def test_an_agent_with_no_calls_at_all_is_always_refused() -> None:
    with pytest.raises(RateLimited):
        Asking(Rates(Clock()), calls_per_minute=0).ask()


def test_seconds_that_statements_ran_are_used_up_and_come_back() -> None:
    clock = Clock()
    rates = Rates(clock)
    asking = Asking(rates, seconds_per_minute=5)
    asking.ask()
    rates.spend("a", 3)
    clock.now += 10
    asking.ask()
    rates.spend("a", 2)
    with pytest.raises(RateLimited, match="filter or aggregate more") as caught:
        asking.ask()
    assert caught.value.details["retry_after_s"] == 50
    asking.ask("b")
    clock.now += 50
    asking.ask()


def test_an_agent_in_a_loop_is_told_and_then_stopped() -> None:
    clock = Clock()
    asking = Asking(Rates(clock), identical_calls=TOLD_AFTER)
    told = [repeated(asking.ask(sql="select 1")) for _ in range(TOLD_AFTER)]
    assert [bool(sentence) for sentence in told] == [False] * (TOLD_AFTER - 1) + [True]
    with pytest.raises(RateLimited, match="stop repeating it"):
        asking.ask(sql="select 1")
    assert asking.ask(sql="select 2") == 1


def test_the_same_call_on_new_data_or_after_a_minute_is_no_loop() -> None:
    clock = Clock()
    asking = Asking(Rates(clock), identical_calls=2)
    assert [asking.ask(sql="x", snapshot=name) for name in ("s", "s", "t", "t")] == [1, 2, 1, 2]
    with pytest.raises(RateLimited) as caught:
        asking.ask(sql="x", snapshot="t")
    clock.now += float(str(caught.value.details["retry_after_s"]))
    assert asking.ask(sql="x", snapshot="t") == 1


def test_processes_with_one_folder_count_together(tmp_path: Path) -> None:
    clock = Clock()
    one, other = Rates(clock, tmp_path), Rates(clock, tmp_path)
    first = Asking(one, calls_per_minute=3, seconds_per_minute=5)
    second = Asking(other, calls_per_minute=3, seconds_per_minute=5)
    for asking in (first, second, first):
        asking.ask()
    for asking in (first, second):
        with pytest.raises(RateLimited, match="3 calls a minute"):
            asking.ask()
        asking.ask("another")
    clock.now += WINDOW_S
    one.spend("a", 3)
    other.spend("a", 2)
    for asking in (first, second):
        with pytest.raises(RateLimited, match="filter or aggregate more"):
            asking.ask()
    for rates in (one, other):
        rates.close()


def test_the_same_call_in_a_row_counts_whichever_process_it_comes_to(tmp_path: Path) -> None:
    askings = [Asking(Rates(Clock(), tmp_path), identical_calls=3) for _ in range(2)]
    assert [askings[n % 2].ask(sql="select 1") for n in range(3)] == [1, 2, 3]
    with pytest.raises(RateLimited, match="stop repeating it"):
        askings[1].ask(sql="select 1")
    for asking in askings:
        asking.rates.close()


def test_while_one_process_counts_the_others_wait(tmp_path: Path) -> None:
    asking = Asking(Rates(folder=tmp_path))
    asking.ask()
    (file,) = tmp_path.iterdir()
    with file.open() as elsewhere:
        with asking.rates._agents["a"].lock, pytest.raises(BlockingIOError):
            fcntl.flock(elsewhere, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(elsewhere, fcntl.LOCK_EX | fcntl.LOCK_NB)
    asking.rates.close()


COUNTS_AND_DIES = """
import os, signal, sys
from pathlib import Path
from serving.catalog import Limits
from serving.rates import Rates
rates = Rates(folder=Path(sys.argv[1]))
rates.admit("a", Limits(), tool="execute_sql", arguments={}, snapshot_id="s")
rates._agents["a"].lock.__enter__()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_is_killed_as_it_counts_keeps_nobody_waiting(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", COUNTS_AND_DIES, tmp_path], cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    asking = Asking(Rates(folder=tmp_path), calls_per_minute=2)
    asking.ask()
    with pytest.raises(RateLimited):
        asking.ask()
    asking.rates.close()
