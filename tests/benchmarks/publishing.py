"""A publish after few changes in a large view, beside the first one and beside copying its files.

``python -m tests.benchmarks.publishing [--rows 100000 1000000] [--changes 100] [--runs 7]``
"""

import argparse
import cProfile
import os
import pstats
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb

from orchestration import publishing
from orchestration.cycle import Cycle
from serving import snapshot
from serving.catalog import EmbedderSpec
from serving.declarations import (
    Declarations,
    DeclaredAgent,
    DeclaredColumn,
    DeclaredMask,
    DeclaredSource,
    DeclaredView,
    Serve,
    SourceColumn,
)
from serving.embedder import EmbedProgress, Vectors
from serving.privacy.proof import Proof
from tests.benchmarks.results import Figure, median, publish

VIEW = "agent_orders"
COLUMNS = {
    "order_id": ("i", "public"),
    "customer_key": ("'cus_' || md5((i % 100000)::varchar)", "public"),
    "status": ("['open', 'paid', 'sent', 'returned'][1 + i % 4]", "public"),
    "total": ("(i * 7 % 100000 / 100)::decimal(18, 2)", "public"),
    "created_at": ("timestamptz '2026-01-01' + to_seconds(i)", "public"),
    "product": ("'Product number ' || i % 5000", "public"),
    "channel": ("['web', 'store'][1 + i % 2]", "public"),
    "quantity": ("i % 5", "public"),
    "note": ("case when i % 3 = 0 then 'leave it at the door ' || i % 1000 end", "public"),
    "currency": ("'EUR'", "public"),
}
STEPS: dict[str, tuple[Any, str]] = {
    "checks of the warehouse": (publishing, "before_publishing"),
    "views": (snapshot, "export_views"),
    "personal values": (Cycle, "values"),
    "raw rows": (publishing, "live_rows"),
    "index and catalog": (snapshot, "build_index"),
    "verify": (snapshot, "verify"),
    "leak scan": (publishing, "scan"),
    "promote": (snapshot, "promote"),
    "expire": (snapshot, "expire"),
}


class NoModel:
    """No view is searched here: the index has a benchmark of its own."""

    model, dimensions, spec = "none", 1, EmbedderSpec()

    def embed(self, texts: list[str], on_progress: EmbedProgress | None = None) -> Vectors:
        """Fail: nothing here is searched."""
        raise AssertionError(f"{len(texts)} texts of views that are not searched")


def main() -> None:
    """Measure each size and print; the figures go to ``data/bench/latest.jsonl``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    parser.add_argument("--out", type=Path, default=Path("data/bench/latest.jsonl"))
    options = parser.parse_args()
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            world = World(Path(folder), rows)
            publish(world.measured(options.changes, options.runs), options.out)
            if options.profile:
                world.profiled(options.changes)


class World:
    """A home with one keyed view, an agent that sees all of it and one that sees a part."""

    def __init__(self, home: Path, rows: int) -> None:
        self._home, self._rows, self._seq = home, rows, 0
        self._cycle = Cycle()
        self._cpu = 0.0
        self._declared = declared()
        self._write_warehouse()

    def measured(self, changes: int, runs: int) -> list[Figure]:
        """Return seconds of the first publish and of those that follow, and what they wrote."""
        bench = f"publish, {self._rows:,} rows, {changes} changed"
        first = self._publish()
        whole = self._size(self._rows_files())
        times, cpu, written, copies = [], [], [], []
        steps: dict[str, list[float]] = {name: [] for name in STEPS}
        for _ in range(runs):
            self._change(changes)
            with _stepwise() as spent:
                times.append(self._publish())
            cpu.append(self._cpu)
            for name, values in steps.items():
                values.append(spent.get(name, 0.0))
            written.append(self._size(self._own_files()))
            copies.append(self._copied())
        a_row = whole / self._rows
        return [
            median(bench, "grounded", "first publish, whole", [first], "s"),
            median(bench, "grounded", "publish of changes", times, "s"),
            median(bench, "grounded", "slowest of them", [max(times)], "s"),
            median(bench, "grounded", "processor seconds", cpu, "s"),
            median(bench, "cp and fsync of the files", "seconds", copies, "s"),
            median(bench, "grounded", "written", [one / 1e6 for one in written], "MB"),
            median(
                bench,
                "grounded",
                "written per changed byte",
                [one / (changes * a_row) for one in written],
                "x",
            ),
            *(median(bench, "a step", name, values, "ms") for name, values in steps.items()),
        ]

    def profiled(self, changes: int) -> None:
        """Print the functions in which one more publish spends its time."""
        self._change(changes)
        profile = cProfile.Profile()
        profile.runcall(self._publish)
        pstats.Stats(profile, stream=sys.stdout).sort_stats("cumulative").print_stats(60)
        pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(25)

    def _publish(self) -> float:
        began, self._cpu = time.perf_counter(), time.process_time()
        done = publishing.publish(
            self._home,
            self._declared,
            NoModel(),
            proof=Proof((), {}, (), (), 0.0),
            keys={"privacy key": b"0123456789abcdef0123456789abcdef"},
            cycle=self._cycle,
        )
        assert not done.blocking, done.blocking
        self._cpu = time.process_time() - self._cpu
        return time.perf_counter() - began

    def _write_warehouse(self) -> None:
        selected = ", ".join(f"{sql} as {name}" for name, (sql, _) in COLUMNS.items())
        with duckdb.connect(str(self._home / "warehouse.duckdb")) as connection:
            for statement in (
                "create schema agents",
                "create schema shop",
                "create schema changes",
                f"create table agents.{VIEW} as select {selected} from range({self._rows}) r(i)",
                f"create table shop.orders as select i as id, 'Ada' || i || ' Lovelace' || i % 977 "
                "as name, 'ada' || i || '@mail.example' as email, null::timestamptz as _deleted_at,"
                f" '1700000000.1' as _dlt_load_id from range({self._rows}) r(i)",
                "create table shop._dlt_loads as select '1700000000.1' as load_id",
                "create table shop._watermarks as select 'orders' as table_name, "
                "now() as watermark",
                f"create table changes.models as select '{VIEW}' as name, 'one' as generation, "
                "1::bigint as first_seq, 0::bigint as last_seq",
                f"create table changes.{VIEW} (seq bigint, order_id bigint)",
            ):
                connection.execute(statement)

    def _change(self, changes: int) -> None:
        """Change rows anywhere, as a load and a merge of the model would."""
        self._seq += 1
        load = f"17000{self._seq:05}.1"
        with duckdb.connect(str(self._home / "warehouse.duckdb")) as connection:
            connection.execute(
                f"create temp table keys as select distinct (hash(i * 31 + {self._seq}) % "
                f"{self._rows})::bigint as id from range({changes}) r(i)"
            )
            for statement in (
                f"update agents.{VIEW} set total = total + 1, status = 'paid' "
                "where order_id in (from keys)",
                f"insert into changes.{VIEW} select {self._seq}, id from keys",
                f"update changes.models set last_seq = {self._seq}",
                "create temp table rows as select * from shop.orders where id in (from keys)",
                "delete from shop.orders where id in (from keys)",
                f"insert into shop.orders by name select * replace ('{load}' as _dlt_load_id, "
                f"'new{self._seq}x' || id || '@mail.example' as email) from rows",
                f"insert into shop._dlt_loads values ('{load}')",
            ):
                connection.execute(statement)

    def _own_files(self) -> list[Path]:
        folder, _ = snapshot.current(self._home)
        files = [path for path in folder.rglob("*") if path.is_file()]
        return [path for path in files if path.stat().st_nlink == 1]

    def _rows_files(self) -> list[Path]:
        folder, catalog = snapshot.current(self._home)
        store = catalog.stores[VIEW]
        return [folder / name for name in store.files]

    def _size(self, files: list[Path]) -> int:
        return sum(path.stat().st_size for path in files)

    def _copied(self) -> float:
        """Return the seconds that a copy of all files of the snapshot takes, made durable."""
        folder, _ = snapshot.current(self._home)
        target = self._home / "copy"
        began = time.perf_counter()
        shutil.copytree(folder, target)
        for path in target.rglob("*"):
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
        took = time.perf_counter() - began
        shutil.rmtree(target)
        return took


@contextmanager
def _stepwise() -> Iterator[dict[str, float]]:
    """Collect the milliseconds of each step while a publish runs."""
    spent: dict[str, float] = {}
    with ExitStack() as stack:
        for step, (owner, name) in STEPS.items():
            timed = _timed(getattr(owner, name), step, spent)
            stack.enter_context(patch.object(owner, name, timed))
        yield spent


def _timed(call: Callable[..., Any], step: str, spent: dict[str, float]) -> Callable[..., Any]:
    def timed(*given: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return call(*given, **named)
        finally:
            spent[step] = spent.get(step, 0.0) + (time.perf_counter() - began) * 1e3

    return timed


def declared() -> Declarations:
    """Return one keyed view over one source, for one agent with a filter and one without."""
    view = DeclaredView(
        name=VIEW,
        unique_id=f"model.bench.{VIEW}",
        relation=f"agents.{VIEW}",
        description="Orders. One row per order.",
        columns=[DeclaredColumn(name=name, description=f"The {name}.") for name in COLUMNS],
        serve=Serve(key="order_id", lookups=["customer_key"], rows_from="shop.orders"),
        source_tables=["shop.orders"],
    )
    classes = {"id": "public", "name": "name", "email": "email"}
    source = DeclaredSource(
        source="shop",
        table="orders",
        file="sources.yml",
        columns={name: SourceColumn(name=name, privacy=kind) for name, kind in classes.items()},
    )
    agents = {
        "all": DeclaredAgent(name="all", purpose="Sees all.", views=[VIEW]),
        "some": DeclaredAgent(
            name="some", purpose="Sees a part.", views=[VIEW], rows={VIEW: "channel = 'web'"}
        ),
    }
    return Declarations(
        views={VIEW: view},
        agents=agents,
        sources={"shop.orders": source},
        contract_version="one",
        masks={"hidden": DeclaredMask(method="hidden", hides=["name", "email"])},
    )


if __name__ == "__main__":
    main()
