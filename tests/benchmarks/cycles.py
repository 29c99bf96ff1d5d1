"""What a cycle of ``grounded follow`` costs as its table grows, and whether it keeps what it needs.

``python -m tests.benchmarks.cycles [--rows 10000 100000] [--changes 1000] [--runs 7]``
``python -m tests.benchmarks.cycles --cycles 10000``

Each size is a world and a process of its own, without a writer beside it: a run in full, then
cycles after so many changes of any orders. With ``--cycles`` so many of ten changes each, and the
memory of the process on its way.
"""

import argparse
import json
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import linear_regression, mean, median

from ingestion.demo import down, up
from ingestion.demo.shop import as_owner
from ingestion.demo.state import Layout, load
from orchestration.cli.following import Problems
from orchestration.resources import prepare_environment, read_settings
from orchestration.run import open_instance
from orchestration.warm import Ended, Warm
from tests.benchmarks.following import more_orders
from tests.benchmarks.results import Figure, publish
from tests.servers import server_folder

# The first ones build what later ones keep.
WARM_UP = 3
SMALLEST = 10_000
FEW = 10


class World:
    """The demo's shop with so many orders, and the pipeline over it after its run in full."""

    def __init__(self, home: Path, warm: Warm, rows: int) -> None:
        self._home, self._warm, self._rows = home, warm, rows
        self._chance = random.Random(7)
        self._commits = 0
        began = time.perf_counter()
        for source in ("shop", "helpdesk", "runbooks"):
            _well(warm.load([source]))
        _well(warm.run_in_full())
        self.in_full_s = time.perf_counter() - began

    def cycle(self, changes: int) -> tuple[float, float]:
        """Change orders, and return the seconds of the cycle and those of Dagster in it."""
        state = load(Layout.of(self._home))
        assert state is not None
        self._commits += 1
        changed = self._chance.sample(range(1, self._rows + 1), changes)
        with as_owner(state) as shop:
            shop.execute(
                "update orders set channel = %s, updated_at = now() where id = any(%s)",
                [f"c{self._commits}", changed],
            )
        began = time.perf_counter()
        loaded = _well(self._warm.load(["shop"]))
        made = _well(self._warm.follow(loaded.changed))
        self._warm.give_way()
        seconds = time.perf_counter() - began
        return seconds, loaded.seconds["orchestrator"] + made.seconds["orchestrator"]


def main() -> None:
    """Measure and print; the figures go to ``data/bench/latest.jsonl``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[SMALLEST, SMALLEST * 10])
    parser.add_argument("--changes", type=int, default=1_000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--cycles", type=int, help="so many, and the memory of the process")
    parser.add_argument("--one", action="store_true", help="the first size alone, told as JSON")
    parser.add_argument("--out", type=Path, default=Path("data/bench/latest.jsonl"))
    options = parser.parse_args()
    if options.cycles:
        with world(SMALLEST) as made:
            publish(_memory(made, options.cycles), options.out)
    elif options.one:
        with world(options.rows[0]) as made:
            cycles = [made.cycle(options.changes) for _ in range(WARM_UP + options.runs)]
        told = {"in_full": made.in_full_s, "cycles": cycles[WARM_UP:], "peak_mb": _status("VmHWM")}
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        publish(_against_size(options.rows, options.changes, options.runs), options.out)


@contextmanager
def world(rows: int) -> Iterator[World]:
    """Make a world and take it down."""
    with server_folder() as home:
        up(home, scale=0.2)
        try:
            more_orders(home, rows)
            settings = read_settings(home)
            prepare_environment(settings)
            with open_instance(home) as instance:
                warm = Warm(settings, instance, Problems())
                yield World(home, warm, rows)
                warm.rest()
        finally:
            down(home)


def _against_size(sizes: Sequence[int], changes: int, runs: int) -> list[Figure]:
    figures, in_full, by_changes = [], [], []
    for rows in sizes:
        given = ["--rows", str(rows), "--changes", str(changes), "--runs", str(runs), "--one"]
        command = [sys.executable, "-m", "tests.benchmarks.cycles", *given]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        told = json.loads(done.stdout.splitlines()[-1])
        seconds = [one for one, _ in told["cycles"]]
        dagster = median(one for _, one in told["cycles"])
        bench = f"a run, {rows:,} rows"
        in_full.append(told["in_full"])
        by_changes.append(median(seconds))
        figures += [
            Figure(bench, "grounded", "load and run in full", told["in_full"], "s", 1),
            Figure(bench, "grounded", f"{changes:,} changed", by_changes[-1], "s", runs),
            Figure(bench, "grounded", "of it Dagster", dagster, "s", runs),
            Figure(bench, "grounded", "memory at its peak", told["peak_mb"], "MB", 1),
        ]
    if len(sizes) > 1:
        bench, count = "a run against rows, log-log slope", len(sizes)
        figures += [
            Figure(bench, "grounded", "load and run in full", _slope(sizes, in_full), "", count),
            Figure(bench, "grounded", f"{changes:,} changed", _slope(sizes, by_changes), "", count),
        ]
    return figures


def _slope(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    return linear_regression([math.log(n) for n in sizes], [math.log(s) for s in seconds]).slope


def _memory(made: World, cycles: int) -> list[Figure]:
    """The memory after a tenth of the cycles, the first half and all of them."""
    bench, seconds, figures = f"memory, {cycles:,} cycles", [], []
    tenth = max(1, cycles // 10)
    looks = {tenth: "after a tenth", cycles // 2: "after a half", cycles: "after all"}
    for number in range(1, cycles + 1):
        seconds.append(made.cycle(FEW)[0])
        if number in looks:
            figures.append(Figure(bench, "grounded", looks[number], _status("VmRSS"), "MB", 1))
    for name, some in (("first tenth", seconds[:tenth]), ("last tenth", seconds[-tenth:])):
        figures.append(Figure(bench, "grounded", f"a cycle, {name}", mean(some), "s", len(some)))
    return figures


def _status(name: str) -> float:
    """A figure of this process's memory in MB; as getrusage's begins with the parent's."""
    for line in Path(f"/proc/{os.getpid()}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1000
    raise AssertionError(f"no {name} in the process's status")


def _well(ended: Ended) -> Ended:
    assert not ended.failures, ended.failures
    return ended


if __name__ == "__main__":
    main()
