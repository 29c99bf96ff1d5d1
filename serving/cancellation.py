"""A call that its caller gives up while another thread answers it.

A surface makes a Cancellation and answers the call under it; whatever waits inside for long, such
as for a worker process, says how that is called off.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from serving.errors import Cancelled

# How soon a call that waits for its turn learns that its caller has given it up.
LOOK_S = 0.2


class Cancellation:
    """Whether one call was given up; ``cancel`` is called by another thread than the call's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_cancelled = False
        self._call_off: Callable[[], None] | None = None

    def cancel(self) -> None:
        """Give the call up, and call off what it waits for."""
        with self._lock:
            self._is_cancelled = True
            if self._call_off is not None:
                self._call_off()

    def refuse_cancelled(self) -> None:
        """Raise Cancelled where the caller has given up."""
        if self._is_cancelled:
            raise Cancelled("the caller gave this call up")

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for the event, up to so long; Cancelled as soon as the caller gives up."""
        until = time.monotonic() + seconds
        while True:
            self.refuse_cancelled()
            left = until - time.monotonic()
            if event.wait(min(LOOK_S, max(left, 0.0))):
                return True
            if left <= 0:
                return False

    @contextmanager
    def waiting(self, call_off: Callable[[], None]) -> Iterator[None]:
        """Wait inside for something that ``call_off`` ends; it must be quick and never wait."""
        with self._lock:
            self.refuse_cancelled()
            self._call_off = call_off
        try:
            yield
        finally:
            with self._lock:
                self._call_off = None


_CURRENT: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


def current() -> Cancellation:
    """The cancellation of the call that this thread answers; one that never comes otherwise."""
    return _CURRENT.get() or Cancellation()


@contextmanager
def under(cancellation: Cancellation) -> Iterator[None]:
    """Answer a call that may be given up."""
    token = _CURRENT.set(cancellation)
    try:
        yield
    finally:
        _CURRENT.reset(token)
