"""The same first load by others: dlt's own backends, ingestr, and sling.

in turn, so often: grounded, then each other program -> rows counted -> medians, and the ratio

A way that takes half as long again as the fastest of the others is no candidate for the best of
them: it is measured once, and in every turn with ``--full``.

Each loads the table ``items`` into a DuckDB of its own, but sling, whose DuckDB is a download: into
a Parquet file.
"""

import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from tests.benchmarks.peer_programs import Absent, Program, installed
from tests.benchmarks.results import Figure, median

BACKENDS = {"dlt": ("pyarrow", "connectorx"), "ingestr": ("its default", "connectorx")}
BY_ROW = ("sqlalchemy+parquet", "sqlalchemy")
"""dlt's backends that take half a minute and two minutes for 1,000,000 rows, the second its
default: once, and by default for a tenth of them."""
FEWER = 10
CANDIDATE = 1.5


@dataclass
class Peer:
    """One way in which a program loads a table of so many rows, and the seconds that it took."""

    name: str
    load: Callable[[], float]
    seconds: list[float] = field(default_factory=list)

    def is_measured(self) -> bool:
        """Load once more; False, and told, where it cannot."""
        try:
            self.seconds.append(self.load())
        except (Absent, subprocess.TimeoutExpired) as error:
            _tell(f"absent: {self.name}: {error}")
            return False
        return True


def peers(
    url: str, rows: int, runs: int, ours: Callable[[], float], *, is_full: bool
) -> tuple[list[Figure], list[str]]:
    """Return the seconds of each and the ratio of the best to ours, which is measured in turn.

    And the names of those that are installed and do not load: without one the best may be another.
    """
    bench = f"first load of {rows:,} rows beside others"
    few = rows if is_full else rows // FEWER
    _make_tables(url, few)
    own: list[float] = []
    failed: list[str] = []
    with installed(_tell) as programs:
        fast, slow = _peers(url, programs, rows), _by_row(url, programs, few)
        for _ in range(runs):
            own.append(ours())
            turn = fast if is_full or len(own) == 1 else _candidates(fast)
            lost = [peer for peer in turn if not peer.is_measured()]
            fast = [peer for peer in fast if peer not in lost]
            failed += [peer.name for peer in lost]
        measured = [peer for peer in slow if peer.is_measured()]
        failed += [peer.name for peer in slow if peer not in measured]
    figures = [median(bench, "grounded", "seconds", own, "s")]
    figures += [median(bench, peer.name, "seconds", peer.seconds, "s") for peer in fast]
    figures += [_ratio(bench, own, fast)] if fast else []
    for peer in measured:
        rates = [few / taken for taken in peer.seconds]
        figures.append(median(bench, f"{peer.name}, {few:,} rows", "rows", rates, "1/s"))
    return figures, failed


def _candidates(others: Sequence[Peer]) -> list[Peer]:
    """Those that may be the best of all."""
    best = min((peer.seconds[0] for peer in others), default=0.0)
    return [peer for peer in others if peer.seconds[0] <= CANDIDATE * best]


def _ratio(bench: str, own: Sequence[float], others: Sequence[Peer]) -> Figure:
    """How many times as long as ours the best of the others takes."""
    in_all_turns = [peer for peer in others if len(peer.seconds) == len(own)]
    best = min(in_all_turns, key=lambda peer: statistics.median(peer.seconds))
    ratios = [theirs / mine for theirs, mine in zip(best.seconds, own, strict=True)]
    return median(bench, f"{best.name}, the best / grounded", "ratio", ratios, "x")


def _make_tables(url: str, few: int) -> None:
    """One row to warm a program with, and fewer for the slowest."""
    with psycopg.connect(url, autocommit=True) as live:
        for name, count in (("one", 1), ("few", few)):
            made = "create table {} as select * from items order by id limit {}"
            live.execute(sql.SQL(made).format(sql.Identifier(name), sql.Literal(count)))


def _peers(url: str, programs: Mapping[str, Program], rows: int) -> list[Peer]:
    found = [
        _by_script(programs[name], backend, url, "items", rows)
        for name, backends in BACKENDS.items()
        if name in programs
        for backend in backends
    ]
    if "sling" in programs:
        sling = programs["sling"]
        name = f"sling {sling.version}, to Parquet"
        found.append(Peer(name, lambda: sling.loads_by_sling(url, "items", rows)))
    return found


def _by_row(url: str, programs: Mapping[str, Program], few: int) -> list[Peer]:
    if "dlt" not in programs:
        return []
    return [_by_script(programs["dlt"], backend, url, "few", few) for backend in BY_ROW]


def _by_script(program: Program, backend: str, url: str, table: str, rows: int) -> Peer:
    name = f"{program.name} {program.version}, {backend}"
    return Peer(name, lambda: program.loads_by_script(backend, url, table, rows))


def _tell(message: str) -> None:
    sys.stderr.write(f"{message}\n")
