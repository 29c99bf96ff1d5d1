"""Lookups, SQL and search over HTTP by 1, 8 and 64 clients, beside an endpoint that does nothing.

``python -m tests.benchmarks.http [--seconds 3]``: one server process each. Keys are drawn from five
hundred, so that many a statement and search is answered from what is kept.
"""

import argparse
import asyncio
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

from serving import tokens
from serving.embedder import MiniLm, builtin_model_dir
from tests.benchmarks.load import bare_starlette, told
from tests.benchmarks.results import Figure, publish
from tests.load import Load, Question, after, generate, request
from tests.load_world import ORDERS_OF_ONE, fill, sql
from tests.load_world import publish as publish_generation
from tests.serving_process import serving

CLIENTS = (1, 8, 64)
PLACES: dict[str, Callable[[int], tuple[str, dict[str, object]]]] = {
    "a lookup": lambda key: ("/v1/lookup", {"table": "agent_orders", "value": key}),
    "a statement": lambda key: ("/v1/sql", {"sql": sql(key)}),
    "a search": lambda key: (
        "/v1/search",
        {"query": f"the paper jam of printer {key}", "limit": 3},
    ),
}


def main() -> None:
    """Measure and print; the figures go to ``data/bench/http.jsonl``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--out", type=Path, default=Path("data/bench/http.jsonl"))
    options = parser.parse_args()
    with bare_starlette() as port:
        assert port is not None
        empty = by_clients(port, lambda key: ("/", {"value": key}), "", options.seconds)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        fill(home, 1)
        publish_generation(home, 1, 0, MiniLm(builtin_model_dir()))
        token = tokens.issue(home, "agent_0")
        with serving(home) as port:
            for what, place in PLACES.items():
                own = by_clients(port, place, token, options.seconds)
                for clients in CLIENTS:
                    bench = f"{what} over HTTP, {clients} clients"
                    figures += told(bench, "grounded", own[clients])
                    figures += told(bench, "bare Starlette", empty[clients])
    publish(figures, options.out)


def by_clients(
    port: int,
    place: Callable[[int], tuple[str, dict[str, object]]],
    token: str,
    seconds: float,
) -> dict[int, Load]:
    """Ask by one client and by more, each at once again, after a warm-up."""

    def ask(chance: random.Random) -> Question:
        path, arguments = place(chance.randrange(ORDERS_OF_ONE))
        return Question(path, request(path, json.dumps(arguments).encode(), token), refuse_wrong)

    asyncio.run(generate(port, [ask] * 8, after(seconds / 2)))
    return {
        clients: asyncio.run(generate(port, [ask] * clients, after(seconds))) for clients in CLIENTS
    }


def refuse_wrong(status: int, body: bytes) -> None:
    """An answer that is an error would be measured as a fast one."""
    if status != 200:
        raise RuntimeError(f"{status}: {body[:300]!r}")


if __name__ == "__main__":
    main()
