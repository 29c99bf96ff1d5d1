"""How much one agent may ask: calls and seconds in a sliding minute, and one call over and over.

What is counted is this process's own: several server processes count each for itself.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from serving.catalog import Limits
from serving.errors import RateLimited

WINDOW_S = 60.0
# What happens within one step counts as one: a minute is 1,200 steps, whatever the limits are.
_STEP_S = 0.05
# From so many equal calls in a row on the answer says so; the limit refuses.
TOLD_AFTER = 10


class _Minute:
    """The sum of what was added within the last minute."""

    def __init__(self) -> None:
        self._steps: deque[list[float]] = deque()
        self._sum = 0.0

    def add(self, now: float, amount: float) -> None:
        """Count an amount as of now."""
        if not self._steps or now - self._steps[-1][0] >= _STEP_S:
            self._steps.append([now, 0.0])
        self._steps[-1][1] += amount
        self._sum += amount

    def sum(self, now: float) -> float:
        """What the last minute holds."""
        while self._steps and now - self._steps[0][0] >= WINDOW_S:
            self._sum -= self._steps.popleft()[1]
        if not self._steps:
            self._sum = 0.0
        return self._sum

    def wait(self, now: float, most: float) -> float:
        """Seconds until the sum is below ``most``; a whole minute where it never is."""
        left = self._sum
        for began, amount in self._steps:
            left -= amount
            if left < most:
                return WINDOW_S - (now - began)
        return WINDOW_S


@dataclass
class _Agent:
    calls: _Minute = field(default_factory=_Minute)
    seconds: _Minute = field(default_factory=_Minute)
    last: tuple[str, Mapping[str, Any], str] | None = None
    last_at: float = 0.0
    repeats: int = 0


class Rates:
    """What each agent has asked lately; a refused call is not counted, so waiting always helps."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._agents: dict[str, _Agent] = {}

    def admit(
        self,
        agent: str,
        limits: Limits,
        *,
        tool: str,
        arguments: Mapping[str, Any],
        snapshot_id: str,
    ) -> int:
        """Count one call and return how often in a row it has come, this time included.

        RateLimited tells what is used up, and the seconds until the next call is welcome.
        """
        with self._lock:
            now = self._clock()
            counts = self._agents.get(agent)
            if counts is None:
                counts = self._agents[agent] = _Agent()
            if counts.calls.sum(now) >= limits.calls_per_minute:
                raise _too_many_calls(
                    agent, limits, counts.calls.wait(now, limits.calls_per_minute)
                )
            if counts.seconds.sum(now) >= limits.seconds_per_minute:
                wait = counts.seconds.wait(now, limits.seconds_per_minute)
                raise _too_many_seconds(agent, limits, wait)
            repeats = _repeats(counts, (tool, arguments, snapshot_id), now)
            if repeats > limits.most_identical_calls:
                raise _looping(limits, WINDOW_S - (now - counts.last_at))
            counts.repeats, counts.last_at = repeats, now
            counts.calls.add(now, 1)
            return repeats

    def spend(self, agent: str, seconds: float) -> None:
        """Count what a call has taken of the machine."""
        with self._lock:
            counts = self._agents.get(agent)
            if counts is not None:
                counts.seconds.add(self._clock(), seconds)


def repeated(repeats: int) -> str | None:
    """What an agent that repeats itself is told with its answer, None while it hardly does."""
    if repeats < TOLD_AFTER:
        return None
    return (
        f"this is the same call for the {repeats}th time in a row, and the data has not changed "
        "since: use the answer, or ask something else"
    )


def _repeats(counts: _Agent, call: tuple[str, Mapping[str, Any], str], now: float) -> int:
    if call == counts.last and now - counts.last_at < WINDOW_S:
        return counts.repeats + 1
    counts.last = call
    return 1


def _too_many_calls(agent: str, limits: Limits, wait: float) -> RateLimited:
    return RateLimited(
        f"{agent} may make {limits.calls_per_minute} calls a minute; wait {wait:.1f} s",
        retry_after_s=round(wait, 3),
        calls_per_minute=limits.calls_per_minute,
    )


def _too_many_seconds(agent: str, limits: Limits, wait: float) -> RateLimited:
    return RateLimited(
        f"the statements and searches of {agent} may run {limits.seconds_per_minute:g} s a minute "
        f"together; wait {wait:.1f} s, and filter or aggregate more",
        retry_after_s=round(wait, 3),
        seconds_per_minute=limits.seconds_per_minute,
    )


def _looping(limits: Limits, wait: float) -> RateLimited:
    return RateLimited(
        f"this very call was answered {limits.most_identical_calls} times in a row, and the data "
        "has not changed: stop repeating it, use the answer that you have, or ask something else",
        retry_after_s=round(wait, 3),
        identical_calls=limits.most_identical_calls,
    )
