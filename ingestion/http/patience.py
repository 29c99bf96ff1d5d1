"""How often one request is tried, and how long it may wait.

Failures count as tries; being throttled does not, but all waits for it have one bound together.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tenacity import RetryCallState, wait_exponential_jitter

TRIES = 3


@dataclass(frozen=True)
class Failure:
    """Why a try failed, in our own words; ``wait`` is what the host asked for, in seconds."""

    what: str
    again: bool = True
    throttled: bool = False
    wait: float | None = None
    status: int | None = None


class Patience:
    """What one request has spent of its tries and of its waiting time."""

    def __init__(self, max_wait_s: float, host_is_given_up: Callable[[], bool]) -> None:
        self._max_wait_s = max_wait_s
        self._host_is_given_up = host_is_given_up
        self._backoff = wait_exponential_jitter(multiplier=0.5, max=30, jitter=0.5)
        self._waited = 0.0
        self._failed = 0
        self.tries = 0

    def wait(self, state: RetryCallState) -> float:
        """Seconds until the next try: at least what the host asked for."""
        failure = _failure(state)
        self._failed += not failure.throttled
        return max(self._backoff(state), failure.wait or 0.0)

    def is_spent(self, state: RetryCallState) -> bool:
        """Whether there is no other try."""
        failure = _failure(state)
        if self._failed >= TRIES or self._host_is_given_up():
            return True
        if failure.wait is not None or failure.throttled:
            self._waited += state.upcoming_sleep
            return self._waited > self._max_wait_s
        return False

    def told(self, failure: Failure) -> str:
        """The failure, and the wait that was too long where there was one."""
        if self._waited <= self._max_wait_s:
            return failure.what
        return (
            f"{failure.what} and wants {self._waited:.0f} s of waiting, "
            f"more than the declared max_wait of {self._max_wait_s:.0f} s"
        )


def _failure(state: RetryCallState) -> Failure:
    outcome = state.outcome.result() if state.outcome is not None else None
    assert isinstance(outcome, Failure)
    return outcome
