"""What is measured by one client and by more: the server of one agent, and the loads on it."""

import asyncio
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from serving import tokens
from serving.embedder import MiniLm, builtin_model_dir
from tests.load import Load, Question, after, generate
from tests.load_world import fill, publish
from tests.serving_process import serving

CLIENTS = (1, 8, 64)
# Until the server has opened what a first search waits for.
_WARM_UP_S = 5.0


@contextmanager
def served_agent() -> Iterator[tuple[int, str]]:
    """The port of a server of a published home, and a token of its one agent."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        fill(home, 1)
        publish(home, 1, 0, MiniLm(builtin_model_dir()))
        token = tokens.issue(home, "agent_0")
        with serving(home) as port:
            yield port, token


def by_clients(
    port: int, ask: Callable[[random.Random], Question], seconds: float
) -> dict[int, Load]:
    """Ask by one client and by more, each at once again, after a warm-up."""
    asyncio.run(generate(port, [ask] * 8, after(_WARM_UP_S)))
    return {
        clients: asyncio.run(generate(port, [ask] * clients, after(seconds))) for clients in CLIENTS
    }
