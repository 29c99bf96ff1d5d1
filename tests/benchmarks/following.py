"""From a commit to an agent's answer by ``grounded follow``, and where a cycle's time goes.

``python -m tests.benchmarks.following [--rows 1000000] [--commits 200] [--rate 100]``

The demo's shop with as many orders, one process that follows it, one that commits at the rate and
looks up one order in so many until it is answered as it was committed. All checks are on. The
slowest cycle is told step by step, because a median does not show what stalls.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median as middle
from typing import Any

from psycopg.sql import SQL, Identifier

from ingestion.demo import down, up
from ingestion.demo.shop import as_owner
from ingestion.demo.state import Layout, load
from serving import connect
from serving.snapshot_store import read_pointer
from tests.benchmarks.results import Figure, publish
from tests.grounded import COMMAND, ROOT, environment
from tests.servers import server_folder

MORE_CUSTOMERS = """
insert into customers
select new_id, full_name || ' ' || word, word || '@mail.example',
    '+4930' || lpad(new_id::text, 8, '0'), street, postcode, city, country, birth_date,
    marketing_opt_in, created_at, now()
from (
    select %(last)s + number as new_id, 1 + number %% %(last)s as sample_id,
        translate((%(last)s + number)::text, '0123456789', 'abdefgikno') as word
    from generate_series(1, %(more)s) as number
) as more
join customers on id = sample_id
"""
MORE_ORDERS = """
insert into orders
select %(last)s + number, customers.id, 'paid', 'web', currency, items,
    placed_at + number * interval '1 second', now()
from generate_series(1, %(more)s) as number
join orders as sample on sample.id = 1 + number %% %(last)s
join customers on customers.id = 1 + number %% %(customers)s
"""
ORDERS_OF_A_CUSTOMER = 10
WARM_UP = 5
# How soon a new snapshot is seen; the agent, which may call 600 times a minute, then asks of it.
LOOK_S = 0.01


@dataclass
class Commits:
    """What was committed of the orders that are looked for, and when, on the monotonic clock."""

    at: dict[int, tuple[str, float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    written: int = 0
    behind: int = 0


def main() -> None:
    """Measure and print; the figures go to ``data/bench/latest.jsonl``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--commits", type=int, default=200)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--out", type=Path, default=Path("data/bench/latest.jsonl"))
    options = parser.parse_args()
    sys.stdout.write(f"load average before: {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores\n")
    with server_folder() as home:
        up(home, scale=0.2)
        try:
            more_orders(home, options.rows)
            figures = measured(home, options.commits, options.rate, options.rows)
        finally:
            down(home)
    publish(figures, options.out)


def measured(home: Path, commits: int, rate: float, rows: int) -> list[Figure]:
    """Follow, commit and look until so many commits were answered."""
    process = subprocess.Popen(
        [COMMAND, "follow", "--json", "--full-every", "600"],
        cwd=ROOT,
        env=environment(home),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    sys.stdout.write(f"first run in full: {first['seconds']:.1f} s {first['problems']}\n")
    told: list[dict[str, Any]] = []
    reader = threading.Thread(target=_read, args=(process, told), daemon=True)
    reader.start()
    done = Commits()
    try:
        _run(home, commits, rate, rows, done, told)
    finally:
        process.terminate()
        process.wait()
        reader.join()
    return _figures(done, told[WARM_UP:], rate)


def _run(
    home: Path,
    commits: int,
    rate: float,
    rows: int,
    done: Commits,
    told: list[dict[str, Any]],
) -> None:
    stop = threading.Event()
    lock = threading.Lock()
    writer = threading.Thread(target=_write, args=(home, rate, rows, commits, done, stop, lock))
    writer.start()
    try:
        with connect(home, "support_agent") as agent:
            seen = None
            while len(done.seconds) < commits and writer.is_alive():
                failed = [problem for status in told for problem in status["problems"]]
                if failed:
                    raise SystemExit(f"a cycle failed: {failed[0]}")
                stop.wait(LOOK_S)
                pointer = read_pointer(home)
                if pointer == seen:
                    continue
                seen = pointer
                with lock:
                    waiting = list(done.at.items())
                if not waiting:
                    continue
                orders = [order for order, _ in waiting]
                rows = agent.lookup("agent_orders", "order_id", values=orders).rows
                channels = {row["order_id"]: row["channel"] for row in rows}
                for order, (channel, committed) in waiting:
                    if channels.get(order) == channel:
                        done.seconds.append(time.monotonic() - committed)
                        with lock:
                            del done.at[order]
    finally:
        stop.set()
        writer.join()


def _write(
    home: Path,
    rate: float,
    rows: int,
    commits: int,
    done: Commits,
    stop: threading.Event,
    lock: threading.Lock,
) -> None:
    """Commit one change at a time; about two a second are looked for."""
    state = load(Layout.of(home))
    assert state is not None
    chance = random.Random(7)
    begun = time.monotonic()
    looked_for = 0
    with as_owner(state) as shop:
        shop.autocommit = True
        # The first cycles build what later ones keep.
        warm_until = begun + WARM_UP * 2
        while not stop.is_set():
            due = begun + done.written / rate
            wait = due - time.monotonic()
            if wait > 0:
                stop.wait(wait)
            else:
                done.behind += wait < -1
            order = chance.randrange(1, rows + 1)
            channel = f"c{done.written}"
            shop.execute(
                "update orders set channel = %s, updated_at = now() where id = %s",
                [channel, order],
            )
            done.written += 1
            is_looked_for = chance.random() < 2 / rate and time.monotonic() > warm_until
            if is_looked_for and looked_for < commits:
                looked_for += 1
                with lock:
                    done.at[order] = (channel, time.monotonic())


def _read(process: subprocess.Popen[str], told: list[dict[str, Any]]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        status = json.loads(line)
        if not status["in_full"]:
            told.append(status)


def _figures(done: Commits, told: list[dict[str, Any]], rate: float) -> list[Figure]:
    bench, count = "commit to answer", len(done.seconds)
    ordered = sorted(done.seconds)
    figures = [
        Figure(bench, "grounded", name, ordered[min(int(count * share), count - 1)], "s", count)
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    ]
    figures.append(Figure(bench, "grounded", "longest", ordered[-1], "s", count))
    slowest = max(told, key=lambda status: float(status["seconds"]))
    steps_of_it = ", ".join(f"{name} {took:.2f}" for name, took in slowest["steps"].items())
    sys.stdout.write(f"the slowest cycle took {slowest['seconds']:.2f} s: {steps_of_it}\n")
    cycles = [status["seconds"] for status in told]
    figures.append(Figure(bench, "grounded", "a cycle", middle(cycles), "s", len(cycles)))
    steps = sorted({step for status in told for step in status["steps"]})
    for step in steps:
        seconds = [status["steps"].get(step, 0.0) for status in told]
        figures.append(
            Figure(bench, "grounded", f"of it {step}", middle(seconds), "s", len(seconds))
        )
    figures.append(Figure(bench, "grounded", "changes offered", rate, "a second", 1))
    if done.behind:
        sys.stdout.write(f"the writer was over a second late {done.behind} times\n")
    return figures


def more_orders(home: Path, rows: int) -> None:
    """Let the demo's shop have so many orders, and a customer for each ten of them."""
    state = load(Layout.of(home))
    assert state is not None
    customers = rows // ORDERS_OF_A_CUSTOMER
    with as_owner(state) as shop:
        for table, statement, count in (
            ("customers", MORE_CUSTOMERS, customers),
            ("orders", MORE_ORDERS, rows),
        ):
            query = SQL("select max(id) from {}").format(Identifier(table))
            found = shop.execute(query).fetchone()
            assert found is not None
            given = {"last": found[0], "more": count - found[0], "customers": customers}
            shop.execute(statement, given)
        shop.commit()
        shop.autocommit = True
        shop.execute("analyze customers, orders")


if __name__ == "__main__":
    main()
