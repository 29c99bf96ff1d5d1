"""What it costs to record a call, beside plain ways of keeping a line.

``python -m tests.benchmarks.audit [--calls 5000] [--runs 5]``
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from serving.audit import AuditLog, Entry, Erasable, verify
from tests.benchmarks.results import Figure, median, publish

BENCH = "audit log"
COLUMNS = ["order_id", "customer_key", "status", "channel", "currency", "total", "placed_at"]


def main() -> None:
    """Measure and print; the figures go to ``data/bench/latest.jsonl``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("data/bench/latest.jsonl"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        publish(measured(Path(folder), options.calls, options.runs), options.out)


def measured(folder: Path, calls: int, runs: int) -> list[Figure]:
    """Return microseconds a record, ours and others', and records a second of a verification."""
    line = json.dumps({"entry": entry()}).encode() + b"\n"
    plain = os.open(folder / "plain", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    log = AuditLog(folder)
    subjects: dict[str, tuple[Callable[[], object], int]] = {
        "grounded": (lambda: log.append(entry()), calls),
        "json and write, no chain": (
            lambda: os.write(plain, json.dumps(entry()).encode() + b"\n"),
            calls,
        ),
        "write alone": (lambda: os.write(plain, line), calls),
        "write and fsync": (lambda: (os.write(plain, line), os.fsync(plain)), calls // 10),
    }
    figures = []
    for name, (work, count) in subjects.items():
        # Taken in turns, the machine's load would fall on one subject alone; so each runs `runs`
        # times, and its median call of each counts.
        timed = [statistics.median(_microseconds(work, count)) for _ in range(runs)]
        figures.append(median(BENCH, name, "one record", timed, "us"))
    log.close()
    os.close(plain)
    return [*figures, _verification(folder, runs)]


def _microseconds(work: Callable[[], object], count: int) -> list[float]:
    taken = []
    for _ in range(count):
        began = time.perf_counter_ns()
        work()
        taken.append((time.perf_counter_ns() - began) / 1_000)
    return taken


def _verification(folder: Path, runs: int) -> Figure:
    rates = []
    for _ in range(runs):
        began = time.perf_counter()
        report = verify(folder)
        assert report.is_intact, report.problems
        rates.append(report.records / (time.perf_counter() - began))
    return median(BENCH, "grounded", "verification", rates, "records/s")


def entry() -> Entry:
    """A lookup of one row, as the gateway records it."""
    return Entry(
        query_id="0123456789abcdef0123456789abcdef",
        agent="support_agent",
        surface="http",
        tool="lookup",
        tables=["agent_orders"],
        columns={"agent_orders": COLUMNS},
        rows=1,
        bytes=240,
        elapsed_ms=0.041,
        snapshot_id="20260102T030405Z-1a2b3c",
        freshness="fresh",
        cache="miss",
        erasable=Erasable(arguments={"table": "agent_orders", "value": 42}, rows_sha256="0" * 64),
    )


if __name__ == "__main__":
    main()
