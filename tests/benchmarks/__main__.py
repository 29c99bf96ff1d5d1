"""Runs the benchmark suite, or one of it: ``python -m tests.benchmarks [--only NAME] [--full]``.

machine and versions -> each benchmark in a process of its own -> data/bench/NAME.jsonl, tables
                                                               -> data/bench/latest.jsonl, all
                                                               -> the README's table
"""

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.plots import draw
from tests.benchmarks.summary import read, table

FOLDER = Path("data/bench")
MEASURED_WITH = ("duckdb", "dlt", "dbt-core", "dagster", "lancedb", "pyarrow", "numpy", "mcp")


@dataclass(frozen=True)
class Bench:
    """A module and what it is given: in the suite as a rule, and at the largest sizes."""

    says: str
    module: str
    quick: Sequence[str] = ()
    full: Sequence[str] = ()


def _part(says: str, module: str, part: str, *full: str) -> Bench:
    """One of the parts of a module."""
    return Bench(says, module, quick=("--part", part), full=("--part", part, *full))


BENCHES: Mapping[str, Bench] = {
    "ingestion": _part("first and second loads, log capture", "ingestion", "ours"),
    "first_load": _part("a first load beside other programs", "ingestion", "peers", "--full"),
    "leak_scan": Bench(
        "the scan beside grep", "leak_scan", quick=("--values", "100000", "--megabytes", "100")
    ),
    "privacy": Bench(
        "masks and redaction", "privacy", quick=("--texts", "100000", "--people", "10000")
    ),
    "search": Bench("what search finds", "search"),
    "search_speed": Bench(
        "how fast it finds and embeds",
        "search_speed",
        quick=("--documents", "20000", "--embedded", "2000"),
    ),
    "audit": Bench("the audit log", "audit"),
    "lookup": _part("rows by key beside Redis, LMDB, SQLite", "serving", "lookup"),
    "sql": _part("a statement beside bare DuckDB", "serving", "sql"),
    "neighbours": _part("an agent beside one that drops bombs", "serving", "neighbours"),
    "load": Bench(
        "a thousand agents while snapshots change",
        "load",
        quick=("--seconds", "20"),
        full=("--real-runs", "--followed"),
    ),
    "mcp": Bench("MCP beside an empty tool", "mcp"),
    "http": Bench("HTTP beside an empty endpoint", "http"),
    "cycles": Bench(
        "a run against the rows of its table",
        "cycles",
        full=("--rows", "10000", "100000", "1000000", "10000000"),
    ),
    "memory": Bench(
        "memory over many cycles",
        "cycles",
        quick=("--cycles", "100"),
        full=("--cycles", "10000"),
    ),
    "following": Bench("commit to answer", "following"),
    "publishing": Bench(
        "a publish step by step", "publishing", full=("--rows", "100000", "1000000", "10000000")
    ),
}


def main() -> int:
    """Run what was asked for; exit status 1 where one of them did not end well."""
    width = max(map(len, BENCHES))
    names = "\n".join(f"  {name:<{width}}  {one.says}" for name, one in BENCHES.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=names,
    )
    parser.add_argument("--only", metavar="NAME", help="this one alone; list: tell all")
    parser.add_argument("--full", action="store_true", help="the largest sizes")
    arguments = parser.parse_args()
    if arguments.only == "list":
        sys.stdout.write(f"{names}\n")
        return 0
    if arguments.only and arguments.only not in BENCHES:
        parser.error(f"there is no benchmark {arguments.only}; there are\n{names}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    _tell_machine()
    chosen = [arguments.only] if arguments.only else list(BENCHES)
    failed = [name for name in chosen if not _ran_well(name, is_full=arguments.full)]
    results = (FOLDER / f"{name}.jsonl" for name in BENCHES)
    latest = "".join(file.read_text(encoding="utf-8") for file in results if file.exists())
    (FOLDER / "latest.jsonl").write_text(latest, encoding="utf-8")
    figures = read(FOLDER / "latest.jsonl")
    drawn = [f"drawn: {path}" for path in draw(figures)]
    sys.stdout.write("\n".join(["", *table(figures), *drawn, ""]))
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


def _ran_well(name: str, *, is_full: bool) -> bool:
    bench, out = BENCHES[name], FOLDER / f"{name}.jsonl"
    out.unlink(missing_ok=True)
    given = [f"tests.benchmarks.{bench.module}", *(bench.full if is_full else bench.quick)]
    sys.stdout.write(f"\n{name}: python -m {' '.join(given)}\n")
    sys.stdout.flush()
    done = subprocess.run([sys.executable, "-m", *given, "--out", str(out)], check=False)
    return done.returncode == 0


def _tell_machine() -> None:
    told = ", ".join(f"{name} {version(name)}" for name in MEASURED_WITH)
    load = os.getloadavg()[0]
    sys.stdout.write(f"{os.cpu_count()} cores, {platform.machine()}, load {load:.1f}\n")
    sys.stdout.write(f"Python {platform.python_version()}, {told}\n")


if __name__ == "__main__":
    sys.exit(main())
