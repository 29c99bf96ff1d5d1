"""The clocks and the sleep of everything that waits, so that a test need not."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Timing:
    """``now`` is the wall clock in UTC; ``monotonic`` and ``sleep`` are in seconds."""

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def system_timing() -> Timing:
    """The machine's own clocks."""
    return Timing()
