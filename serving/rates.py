"""How many calls an agent may make: a sliding minute for each agent of this process."""

import threading
import time
from collections import deque
from collections.abc import Callable

from serving.errors import RateLimited

WINDOW_S = 60.0


class CallWindow:
    """The calls of the last minute; a refused call is not counted, so that waiting always helps."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: dict[str, deque[float]] = {}

    def admit(self, agent: str, calls_per_minute: int) -> None:
        """Count one call, or raise RateLimited with the seconds until the next is welcome."""
        with self._lock:
            now = self._clock()
            calls = self._calls.setdefault(agent, deque())
            while calls and now - calls[0] >= WINDOW_S:
                calls.popleft()
            if len(calls) < calls_per_minute:
                calls.append(now)
                return
            # With a limit of none there is no oldest call to wait for.
            wait = WINDOW_S - (now - calls[0]) if calls else WINDOW_S
        raise RateLimited(
            f"{agent} may make {calls_per_minute} calls a minute; wait {wait:.1f} s",
            retry_after_s=round(wait, 3),
            calls_per_minute=calls_per_minute,
        )
