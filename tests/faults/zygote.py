"""Loads and publishes in forked children, so that a trial costs no imports.

a job as a line of JSON -> ``pid N``, ``phase X`` ..., ``error T`` -> ``end CODE``

Nothing is opened here and no thread is used before a fork. The child's phases that no progress
message tells are known by the files it touches, so that nothing of it is patched.
"""

import gc
import importlib
import json
import os
import signal
import sys
import traceback
import warnings
from pathlib import Path

from ingestion.load import load_source
from ingestion.reconcile import reconcile
from ingestion.warehouse import writing
from tests.faults.views import declared, make_views, publish

# What a load imports only when it runs.
LATE_IMPORTS = (
    "adbc_driver_postgresql.dbapi",
    "dlt.destinations.impl.duckdb.duck",
    "dlt.destinations.impl.duckdb.factory",
    "dlt.destinations.impl.duckdb.sql_client",
    "dlt.extract.extract",
    "dlt.load.load",
    "dlt.normalize.items_normalizers",
    "dlt.normalize.normalize",
    "pandas",
    "psycopg",
    "pyarrow.compute",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "sqlalchemy.dialects.postgresql.psycopg",
)


STOPS_AT = set[str]()
"""The lines after which a child stops, for its parent to change the world about it."""


def told(line: str) -> None:
    """Write a line at once; one this short is never torn, not even by a kill."""
    os.write(1, f"{line}\n".encode())
    if line in STOPS_AT:
        os.kill(os.getpid(), signal.SIGSTOP)


def die_when_merged(table: str) -> None:
    """Die as soon as this table is merged into raw, whatever else of the load is not."""

    def watch_merges(event: str, arguments: tuple[object, ...]) -> None:
        if event == "os.rename" and "/completed_jobs/" in (target := str(arguments[1])):
            name = Path(target).name
            if name.startswith(f"{table}.") and name.endswith(".sql"):
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch_merges)


def watch(event: str, arguments: tuple[object, ...]) -> None:
    """Tell when a package is loaded, and when its watermarks are; then the slot is advanced."""
    if event == "os.rename" and "/loaded/" in str(arguments[1]):
        told("phase settle")
    elif event == "os.remove" and str(arguments[0]).endswith(".unfinished"):
        told("phase advance")


def progress(message: str) -> None:
    """Tell the phases of a load by their names."""
    phases = {"extracting": "extract", "normalising": "normalise", "loading": "load"}
    word = message.split(" ", 1)[0]
    if word in phases:
        told(f"phase {phases[word]}")
    elif word == "comparing":
        told("phase compare")


def work(job: dict[str, str]) -> None:
    """Do one job."""
    os.environ["SOURCES__OWN__URL"] = job["url"]
    sys.addaudithook(watch)
    STOPS_AT.add(f"phase {job['stop_at']}")
    if job["die_when_merged"]:
        die_when_merged(job["die_when_merged"])
    home = Path(job["home"])
    spec = declared("log" if job["capture"] == "log" else "cursor")
    told("phase begin")
    if "load" in job["steps"]:
        report = load_source("own", spec, home, on_progress=progress)
        for alarm in report.alarms:
            told(f"alarm {alarm}")
    if "reconcile" in job["steps"]:
        reconcile("own", spec, home, on_progress=progress)
    if "model" in job["steps"]:
        with writing(home) as warehouse:
            make_views(warehouse)
    if "export" in job["steps"]:
        publish(home, lambda phase: told(f"phase {phase}"), makes_views=False)
    if "publish" in job["steps"]:
        publish(home, lambda phase: told(f"phase {phase}"))


def child(job: dict[str, str]) -> None:
    """Do one job, tell how it failed, and end without cleaning up after the parent."""
    code = 1
    try:
        work(job)
        code = 0
    except Exception as error:  # noqa: BLE001  (the outermost door of a process)
        message = str(error).replace("\n", " ")
        told(f"error {type(error).__name__}: {message}"[:1500])
        traceback.print_exc()
    finally:
        os._exit(code)


def main() -> None:
    """Serve jobs until there are no more."""
    # lancedb mends itself after a fork and warns of the risk while it works; here it idles.
    warnings.filterwarnings("ignore", "lancedb fork support", RuntimeWarning)
    for name in LATE_IMPORTS:
        importlib.import_module(name)
    # Else each child's collector touches, and so copies, all that was imported here.
    gc.collect()
    gc.freeze()
    told("ready 0")
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            child(json.loads(line))
        told(f"pid {pid}")
        told(f"end {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}")


if __name__ == "__main__":
    main()
