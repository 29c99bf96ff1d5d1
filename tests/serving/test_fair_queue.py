"""Long calls wait for their turn; nobody's crowd goes before a neighbour."""

import threading
from collections.abc import Callable

import pytest

from serving.catalog import Limits
from serving.errors import RateLimited
from serving.queueing import FairQueue

LIMITS = Limits(concurrent=2, wait_seconds=30)
PATIENCE_S = 60


class Crowd:
    """Calls in threads, each of which holds its place until it is told to go."""

    def __init__(self, queue: FairQueue) -> None:
        self._queue = queue
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._go: dict[str, threading.Event] = {}
        self.waiting: list[str] = []
        self.begun: list[str] = []

    def come(self, name: str, limits: Limits = LIMITS) -> None:
        """Start a call of the agent that the name's first letter tells; wait until it stands."""
        self._go[name] = threading.Event()
        thread = threading.Thread(target=self._call, args=(name, limits), daemon=True)
        self._threads.append(thread)
        thread.start()
        self.until(lambda: name in self.waiting or name in self.begun)

    def go(self, name: str) -> None:
        """Let a call that has begun end."""
        self._go[name].set()

    def until(self, is_so: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(is_so, PATIENCE_S), (self.waiting, self.begun)

    def end(self) -> None:
        for go in self._go.values():
            go.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def _call(self, name: str, limits: Limits) -> None:
        def wait(mine: threading.Event, seconds: float) -> bool:
            self._note(self.waiting, name)
            return mine.wait(seconds)

        with self._queue.turn(name[0], limits, wait):
            self._note(self.begun, name)
            self._go[name].wait(PATIENCE_S)

    def _note(self, where: list[str], name: str) -> None:
        with self._changed:
            where.append(name)
            self._changed.notify_all()


def test_an_agent_runs_as_many_as_it_may_and_the_rest_in_order() -> None:
    crowd = Crowd(FairQueue(8))
    for name in ("a1", "a2", "a3", "a4"):
        crowd.come(name)
    assert (crowd.begun, crowd.waiting) == (["a1", "a2"], ["a3", "a4"])
    crowd.go("a2")
    crowd.until(lambda: crowd.begun == ["a1", "a2", "a3"])
    crowd.go("a1")
    crowd.until(lambda: crowd.begun == ["a1", "a2", "a3", "a4"])
    crowd.end()


def test_a_crowd_of_one_agent_goes_in_turns_with_its_neighbours() -> None:
    one_at_a_time = Limits(concurrent=1, wait_seconds=30)
    crowd = Crowd(FairQueue(1))
    for name in ("a1", "a2", "a3", "b1", "c1"):
        crowd.come(name, one_at_a_time)
    for done, name in [("a1", "b1"), ("b1", "c1"), ("c1", "a2"), ("a2", "a3")]:
        crowd.go(done)
        crowd.until(lambda name=name: crowd.begun[-1] == name)
    crowd.end()


def test_who_waits_too_long_is_told_when_to_return_and_leaves_no_trace() -> None:
    queue = FairQueue(8)
    hasty = Limits(concurrent=1, wait_seconds=0)
    with queue.turn("a", hasty, threading.Event.wait):
        for _ in range(3):
            with pytest.raises(RateLimited, match="1 long calls running") as refused:
                with queue.turn("a", hasty, threading.Event.wait):
                    raise AssertionError
            assert refused.value.details["retry_after_s"] == 1
        with queue.turn("b", hasty, threading.Event.wait):
            pass
    with queue.turn("a", hasty, threading.Event.wait):
        pass
    assert queue._lines == {}


def test_a_call_that_fails_or_is_given_up_frees_its_place() -> None:
    queue = FairQueue(1)

    def give_up(mine: threading.Event, seconds: float) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(ZeroDivisionError), queue.turn("a", LIMITS, threading.Event.wait):
        raise ZeroDivisionError
    with queue.turn("a", LIMITS, threading.Event.wait):
        with pytest.raises(KeyboardInterrupt), queue.turn("b", LIMITS, give_up):
            raise AssertionError
    with queue.turn("b", LIMITS, threading.Event.wait):
        pass
    assert queue._lines == {}
