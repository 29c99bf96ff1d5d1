"""Lookups, SQL and search over HTTP by 1, 8 and 64 clients, beside an endpoint that does nothing.

``python -m tests.benchmarks.http [--seconds 3]``: one server process each. Keys are drawn from five
hundred, so that many a statement and search is answered from what is kept.
"""

import argparse
import json
import random
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.clients import CLIENTS, by_clients, served_agent
from tests.benchmarks.load import bare_starlette, told
from tests.benchmarks.results import Figure, publish
from tests.load import Question, request
from tests.load_world import ORDERS_OF_ONE, sql

Place = Callable[[int], tuple[str, dict[str, object]]]
PLACES: dict[str, Place] = {
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
        empty = by_clients(port, asker(lambda key: ("/", {"value": key}), ""), options.seconds)
    figures: list[Figure] = []
    with served_agent() as (port, token):
        for what, place in PLACES.items():
            own = by_clients(port, asker(place, token), options.seconds)
            for clients in CLIENTS:
                bench = f"{what} over HTTP, {clients} clients"
                figures += told(bench, "grounded", own[clients])
                figures += told(bench, "bare Starlette", empty[clients])
    publish(figures, options.out)


def asker(place: Place, token: str) -> Callable[[random.Random], Question]:
    """What asks at a place with ever other keys."""

    def ask(chance: random.Random) -> Question:
        path, arguments = place(chance.randrange(ORDERS_OF_ONE))
        return Question(path, request(path, json.dumps(arguments).encode(), token), refuse_wrong)

    return ask


def refuse_wrong(status: int, body: bytes) -> None:
    """An answer that is an error would be measured as a fast one."""
    if status != 200:
        raise RuntimeError(f"{status}: {body[:300]!r}")


if __name__ == "__main__":
    main()
