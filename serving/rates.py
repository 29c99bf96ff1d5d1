"""How much one agent may ask: calls and seconds in a sliding minute, and one call over and over.

Processes that answer at one address count together, in a file for each agent.
"""

import fcntl
import mmap
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from serving.catalog import Limits
from serving.errors import RateLimited
from serving.minute import NUMBERS, WINDOW_S, Minute, Numbers

# From so many equal calls in a row on the answer says so; the limit refuses.
TOLD_AFTER = 10
# A mark of the last call, how often it came in a row and when; then the calls and the seconds.
_MARK, _REPEATS, _LAST_AT, _CALLS = range(4)
_SECONDS = _CALLS + NUMBERS
_ALL = _SECONDS + NUMBERS
_BYTES = 8 * _ALL


class _Allowed(NamedTuple):
    """The limits that are looked at on each call: a model's take three times as long to read."""

    limits: Limits
    calls: int
    seconds: float
    identical: int

    @classmethod
    def by(cls, limits: Limits) -> "_Allowed":
        identical = limits.most_identical_calls
        return cls(limits, limits.calls_per_minute, limits.seconds_per_minute, identical)


@dataclass(eq=False, slots=True)
class _Agent:
    """One agent's counts; they are read and written under ``lock``."""

    lock: AbstractContextManager[Any]
    last: Numbers
    calls: Minute
    seconds: Minute
    allowed: _Allowed

    @classmethod
    def alone(cls) -> "_Agent":
        """The counts of one process: a list's numbers take a third of the time to read."""
        calls, seconds = Minute([0.0] * NUMBERS), Minute([0.0] * NUMBERS)
        return cls(threading.Lock(), [0.0] * _CALLS, calls, seconds, _Allowed.by(Limits()))

    @classmethod
    def shared(cls, descriptor: int) -> "_Agent":
        """The counts of all processes that opened this file."""
        numbers = memoryview(mmap.mmap(descriptor, _BYTES)).cast("d")
        calls, seconds = Minute(numbers[_CALLS:_SECONDS]), Minute(numbers[_SECONDS:_ALL])
        last, allowed = numbers[:_CALLS], _Allowed.by(Limits())
        return cls(_SharedLock(descriptor), last, calls, seconds, allowed)


class _SharedLock:
    """A lock of all threads of all processes that opened this file; it dies with its process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._lock.release()


class Rates:
    """What each agent has asked lately; a refused call is not counted, so waiting always helps.

    ``folder`` is shared by the processes that count together; without one this one counts alone.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, folder: Path | None = None
    ) -> None:
        self._clock = clock
        self._folder = folder
        self._lock = threading.Lock()
        self._agents: dict[str, _Agent] = {}
        self._descriptors: list[int] = []

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
        counts = self._agents.get(agent) or self._opened(agent)
        allowed = counts.allowed
        if allowed.limits is not limits:
            allowed = counts.allowed = _Allowed.by(limits)
        mark = _mark(f"{tool} {snapshot_id} {arguments!r}")
        with counts.lock:
            now = self._clock()
            if counts.calls.sum(now) >= allowed.calls:
                wait = counts.calls.wait(now, limits.calls_per_minute)
                raise _too_many_calls(agent, limits, wait)
            if counts.seconds.sum(now) >= allowed.seconds:
                wait = counts.seconds.wait(now, limits.seconds_per_minute)
                raise _too_many_seconds(agent, limits, wait)
            last = counts.last
            repeats = 1
            if mark == last[_MARK] and now - last[_LAST_AT] < WINDOW_S:
                repeats = int(last[_REPEATS]) + 1
                if repeats > allowed.identical:
                    raise _looping(limits, WINDOW_S - (now - last[_LAST_AT]))
            last[_MARK], last[_REPEATS], last[_LAST_AT] = mark, repeats, now
            counts.calls.add(now, 1)
            return repeats

    def spend(self, agent: str, seconds: float) -> None:
        """Count what a call has taken of the machine."""
        counts = self._agents.get(agent) or self._opened(agent)
        with counts.lock:
            now = self._clock()
            counts.seconds.sum(now)
            counts.seconds.add(now, seconds)

    def close(self) -> None:
        """Let go of the files."""
        with self._lock:
            self._agents.clear()
            while self._descriptors:
                os.close(self._descriptors.pop())

    def _opened(self, agent: str) -> _Agent:
        with self._lock:
            known = self._agents.get(agent)
            if known is None:
                known = self._agents[agent] = self._new(agent)
            return known

    def _new(self, agent: str) -> _Agent:
        if self._folder is None:
            return _Agent.alone()
        # A name may hold what a file's may not.
        path = self._folder / f"{sha256(agent.encode()).hexdigest()}.counts"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._descriptors.append(descriptor)
        # A file of this length with nothing in it: zeros, which is where every count begins.
        os.truncate(descriptor, _BYTES)
        return _Agent.shared(descriptor)


def _mark(call: str) -> int:
    """Equal calls have equal marks, in every process; others by chance, once in 4,000,000,000."""
    return crc32(call.encode("utf-8", "surrogatepass"))


def repeated(repeats: int) -> str | None:
    """What an agent that repeats itself is told with its answer, None while it hardly does."""
    if repeats < TOLD_AFTER:
        return None
    return (
        f"this is the same call for the {repeats}th time in a row, and the data has not changed "
        "since: use the answer, or ask something else"
    )


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
