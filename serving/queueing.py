"""Whose turn it is: long calls run a few at a time, and no agent's crowd keeps another waiting.

call -> its agent's line -> the line that was served longest ago goes first -> runs -> next
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from serving.catalog import Limits
from serving.errors import RateLimited

_SHORTEST_RETRY_S = 1.0


@dataclass
class _Line:
    most: int
    # When it was served last, counted in calls; between those counts when it came new.
    served: float
    running: int = 0
    waiting: deque[threading.Event] = field(default_factory=deque)


class FairQueue:
    """Lets ``most`` long calls of all agents run at once, and of each as many as it may."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._lines: dict[str, _Line] = {}
        self._running = 0
        self._served = 0

    @contextmanager
    def turn(
        self, agent: str, limits: Limits, wait: Callable[[threading.Event, float], bool]
    ) -> Iterator[None]:
        """Hold a place; RateLimited where none came free in ``limits.wait_seconds``.

        ``wait`` waits for an event up to some seconds, as ``threading.Event.wait`` does.
        """
        mine = self._join(agent, limits)
        try:
            if not mine.is_set() and not wait(mine, limits.wait_seconds):
                self._give_up(agent, limits, mine)
            yield
        finally:
            self._leave(agent, mine)

    def _join(self, agent: str, limits: Limits) -> threading.Event:
        mine = threading.Event()
        with self._lock:
            line = self._lines.setdefault(agent, _Line(limits.concurrent, self._served - 0.5))
            line.most = limits.concurrent
            line.waiting.append(mine)
            self._serve()
        return mine

    def _give_up(self, agent: str, limits: Limits, mine: threading.Event) -> None:
        with self._lock:
            if mine.is_set():
                return
            ahead = len(self._lines[agent].waiting)
        raise RateLimited(
            f"{agent} already has {limits.concurrent} long calls running and {ahead} waiting, and "
            f"none ended within {limits.wait_seconds:g} s; ask again, with fewer at once",
            retry_after_s=max(limits.wait_seconds, _SHORTEST_RETRY_S),
            concurrent=limits.concurrent,
        )

    def _leave(self, agent: str, mine: threading.Event) -> None:
        with self._lock:
            line = self._lines[agent]
            if mine.is_set():
                line.running -= 1
                self._running -= 1
            else:
                line.waiting.remove(mine)
            if not line.running and not line.waiting:
                del self._lines[agent]
            self._serve()

    def _serve(self) -> None:
        """Give every free place to the line that was served longest ago."""
        while self._running < self._most:
            ready = [one for one in self._lines.values() if one.waiting and one.running < one.most]
            if not ready:
                return
            line = min(ready, key=lambda one: one.served)
            self._served += 1
            self._running += 1
            line.running += 1
            line.served = self._served
            line.waiting.popleft().set()
