"""Answers from a home in forked processes that are killed: through the gateway, or over HTTP.

a line `gateway HOME` or `http HOME` -> `pid N` -> `answered ID` ..., or `at URL` -> `end`

The processes are forked after the imports, which take seconds.
"""

import importlib
import os
import sys
import threading
import warnings
from itertools import count
from pathlib import Path

from serving.gateway import Gateway
from serving.http_listen import Listening, serve

THREADS = 3
CALLS = (
    ("lookup", {"table": "agent_tickets", "value": 1}),
    ("lookup", {"table": "agent_products", "values": [1, 2, 3]}),
    ("list_tables", {"detail_level": "full"}),
    ("lookup", {"table": "agent_secrets", "value": 1}),
)


def told(line: str) -> None:
    """Write a line at once; one this short is never torn, not even by a kill."""
    os.write(1, f"{line}\n".encode())


def answer(home: Path) -> None:
    """Call without end, telling each answer's id after it was received."""
    gateway = Gateway(home)

    def call_on() -> None:
        for number in count():
            tool, arguments = CALLS[number % len(CALLS)]
            outcome = gateway.call(tool, arguments, agent="support_agent", surface="python")
            told(f"answered {outcome.meta.query_id}")

    for _ in range(THREADS):
        threading.Thread(target=call_on).start()


def main() -> None:
    """Serve lines until there are no more."""
    # lancedb mends itself after a fork and warns of the risk while it works; here it idles.
    warnings.filterwarnings("ignore", "lancedb fork support", RuntimeWarning)
    importlib.import_module("serving.search")
    for line in sys.stdin:
        kind, home = line.rstrip("\n").split(" ", 1)
        child = os.fork()
        if child == 0:
            if kind == "gateway":
                answer(Path(home))
            else:
                serve(Path(home), Listening(port=0), on_listening=lambda url: told(f"at {url}"))
            threading.Event().wait()
        told(f"pid {child}")
        os.waitpid(child, 0)
        told("end")


if __name__ == "__main__":
    main()
