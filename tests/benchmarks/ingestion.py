"""Extract and load from PostgreSQL beside its limit, a binary COPY to nothing, in the same run.

``python -m tests.benchmarks.ingestion [--rows 1000000] [--runs 5] [--part peers] [--full]``; the
server is its own. The part ``peers`` loads the rows by other programs in turn with ours; ``--full``
lets the slowest of them load all rows too, each in every turn.
"""

import argparse
import functools
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from ingestion.load import load_source
from ingestion.spec import SourcesFile, SourceSpec
from tests.benchmarks.load_peers import peers
from tests.benchmarks.results import Figure, median, publish
from tests.servers import Postgres, server_folder

CREATE = """
create table items as
select i as id, 'name of item ' || i as name, md5(i::text) as code, i % 97 as category,
    (i * 7 % 100000)::numeric(12, 2) as price, (i % 3 = 0) as is_active,
    i * 1.5::float8 as weight, date '2020-01-01' + (i % 2000)::int as made_on,
    timestamptz '2024-01-01' + i * interval '1 second' as changed_at,
    'a somewhat longer text that a product of this kind would have, number ' || i as text
from generate_series(1, %(rows)s::bigint) i
"""
CHANGED = (1_000, 100, 10)
"""One row in so many changes before a second load, whose cost must follow the changes."""


def main() -> None:
    """Measure and print; the figures go to ``data/bench/latest.jsonl``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("data/bench/latest.jsonl"))
    parser.add_argument("--part", choices=["ours", "peers"], help="this part alone")
    parser.add_argument("--full", action="store_true", help="the slowest of them with all rows")
    options = parser.parse_args()
    sys.stdout.write(f"load average before: {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores\n")
    with server_folder() as folder:
        server = Postgres(folder)
        server.start()
        try:
            fill(server.url(), options.rows)
            figures: list[Figure] = []
            failed: list[str] = []
            if options.part != "peers":
                figures += measured(server.url(), options.rows, options.runs)
            if options.part != "ours":
                first = functools.partial(first_seconds, declared("cursor"))
                given = server.url(), options.rows, options.runs, first
                beside, failed = peers(*given, is_full=options.full)
                figures += beside
            publish(figures, options.out)
            if failed:
                sys.exit(f"installed and not measured: {', '.join(failed)}")
        finally:
            server.stop()


def fill(url: str, rows: int) -> None:
    """Make the table, and let the source ``items`` find it."""
    os.environ["SOURCES__ITEMS__URL"] = url
    with psycopg.connect(url, autocommit=True) as live:
        live.execute(psycopg.sql.SQL(CREATE.replace("%(rows)s", str(rows))))
        live.execute("alter table items add primary key (id)")
        live.execute("create index on items (changed_at)")
        live.execute("vacuum analyze items")


def measured(url: str, rows: int, runs: int) -> list[Figure]:
    """Return our own figures, beside the limit; each run loads into a home of its own."""
    cursor, log = declared("cursor"), declared("log")
    copies, firsts, captures = [], [], []
    log_firsts: list[float] = []
    seconds: dict[int, list[float]] = {share: [] for share in CHANGED}
    cpu: list[float] = []
    for _ in range(runs):
        copies.append(timed(lambda: copy_to_nothing(url)))
        with tempfile.TemporaryDirectory() as home:
            before = time.process_time()
            firsts.append(timed(lambda: load_source("items", cursor, Path(home))))
            cpu.append(time.process_time() - before)
            for share in CHANGED:
                change(url, rows // share)
                seconds[share].append(timed(lambda: load_source("items", cursor, Path(home))))
        with tempfile.TemporaryDirectory() as home:
            log_firsts.append(timed(lambda: load_source("items", log, Path(home))))
            change(url, rows // 10)
            captures.append(timed(lambda: load_source("items", log, Path(home))))
        with psycopg.connect(url, autocommit=True) as live:
            live.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots")
            live.execute("vacuum items")
    ratios = [first / copy for first, copy in zip(firsts, copies, strict=True)]
    log_ratios = [first / copy for first, copy in zip(log_firsts, copies, strict=True)]
    rates = [rows // 10 / taken for taken in captures]
    name = f"extract and load {rows:,} rows"
    again = {
        f"second load, {rows // share:,} rows changed, cursor": taken
        for share, taken in seconds.items()
    }
    return [
        median(name, "COPY binary to nothing", "seconds", copies, "s"),
        median(name, "grounded", "seconds", firsts, "s"),
        median(name, "grounded / COPY", "ratio", ratios, "x"),
        median(name, "grounded, log capture's first load", "seconds", log_firsts, "s"),
        median(name, "log capture's first load / COPY", "ratio", log_ratios, "x"),
        median(name, "grounded, in our process", "CPU seconds", cpu, "s"),
        *(median(what, "grounded", "seconds", taken, "s") for what, taken in again.items()),
        median("log capture into raw", "grounded", "row changes", rates, "1/s"),
    ]


def first_seconds(source: SourceSpec) -> float:
    """Seconds of a first load into a home of its own."""
    with tempfile.TemporaryDirectory() as home:
        return timed(lambda: load_source("items", source, Path(home)))


def declared(capture: str) -> SourceSpec:
    """The source ``items`` with either kind of capture."""
    table: dict[str, Any] = {"primary_key": ["id"], "cursor": {"column": "changed_at"}}
    source = {
        "kind": "sql_database",
        "description": "Benchmark",
        "owner": "team:bench",
        "schedule": "0 * * * *",
        "db_schema": "public",
        "capture": capture,
        "tables": {"items": table},
    }
    return SourcesFile.model_validate({"sources": {"items": source}}).sources["items"]


def change(url: str, rows: int) -> None:
    """Change this many rows, spread over the table."""
    with psycopg.connect(url, autocommit=True) as live:
        live.execute(
            "update items set price = price + 1, changed_at = now() "
            "where id in (select id from items order by hashint8(id) limit %s)",
            [rows],
        )


def copy_to_nothing(url: str) -> None:
    """Read the whole table in PostgreSQL's binary format and drop it."""
    with (
        psycopg.connect(url) as live,
        live.cursor() as cursor,
        cursor.copy("copy items to stdout (format binary)") as copy,
    ):
        for _ in copy:
            pass


def timed(work: Any) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
