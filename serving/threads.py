"""Where an event loop's calls are answered: in threads, so that no agent keeps another waiting.

quick calls (keys, lists)      -> threads that no statement ever holds
slow calls (statements, texts) -> threads of which one agent holds a part at most
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import anyio
from anyio import to_thread

from serving.cancellation import Cancellation, under
from serving.tools import TOOLS

# A quick call takes microseconds, or waits for the audit log's lock.
QUICK_THREADS = 8
# A slow one waits for a worker process or computes in numpy, which lets other threads run.
SLOW_THREADS = 64
SLOW_THREADS_OF_ONE = 16
SLOW_TOOLS = frozenset({"embeddings", *(tool.name for tool in TOOLS.values() if tool.is_long)})

T = TypeVar("T")


class Threads:
    """Runs the calls of one event loop; a call that is cancelled there is called off."""

    def __init__(self) -> None:
        self._quick = anyio.CapacityLimiter(QUICK_THREADS)
        self._slow = anyio.CapacityLimiter(SLOW_THREADS)
        self._slow_of: dict[str, anyio.CapacityLimiter] = {}

    async def run(self, work: Callable[[], T]) -> T:
        """Do what takes no longer than reading a small file."""
        return await to_thread.run_sync(work, limiter=self._quick)

    async def answer(self, work: Callable[[], T], *, tool: str, agent: str) -> T:
        """Answer one call of an authenticated agent."""
        if tool not in SLOW_TOOLS:
            return await self.run(work)
        own = self._slow_of.setdefault(agent, anyio.CapacityLimiter(SLOW_THREADS_OF_ONE))
        async with own:
            return await cancellable(work, self._slow)


async def cancellable(work: Callable[[], T], limiter: anyio.CapacityLimiter | None = None) -> T:
    """Do the work in a thread; where the waiting task is cancelled, so is the work."""
    cancellation = Cancellation()
    try:
        return await to_thread.run_sync(
            partial(_under, cancellation, work), limiter=limiter, abandon_on_cancel=True
        )
    except anyio.get_cancelled_exc_class():
        cancellation.cancel()
        raise


def _under(cancellation: Cancellation, work: Callable[[], T]) -> T:
    with under(cancellation):
        return work()
