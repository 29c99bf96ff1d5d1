"""Keeps our own calls below the rate that a source declares."""

from collections import deque
from datetime import timedelta

from ingestion.http.timing import Timing


class RateLimit:
    """Allows ``calls`` in any window of length ``per``; the next one waits."""

    def __init__(self, calls: int, per: timedelta, timing: Timing) -> None:
        self._per = per.total_seconds()
        self._recent: deque[float] = deque(maxlen=calls)
        self._timing = timing

    def wait(self) -> float:
        """Wait until one more call is allowed, and count it; returns the seconds waited."""
        waited = 0.0
        if len(self._recent) == self._recent.maxlen:
            waited = max(0.0, self._recent[0] + self._per - self._timing.monotonic())
            if waited > 0:
                self._timing.sleep(waited)
        self._recent.append(self._timing.monotonic())
        return waited
