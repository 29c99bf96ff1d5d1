"""Types commands in forked children of one process, so that a test costs no imports.

a job as a line of JSON -> the installed command's own ``run`` in a child -> its process id
a process id to wait for -> its exit status, or none yet

What a command imports takes it five to nine seconds, most of a test's time. Nothing is open here
and no thread is at work when it forks, so that a child is what a new process would be.
"""

import atexit
import importlib
import json
import os
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import Any

# What commands import, also those imports that only a run makes.
IMPORTS = (
    "adbc_driver_postgresql.dbapi",
    "dagster_dbt",
    "dbt.adapters.duckdb",
    "dbt.cli.main",
    "dlt.destinations.impl.duckdb.duck",
    "dlt.destinations.impl.duckdb.factory",
    "dlt.destinations.impl.duckdb.sql_client",
    "dlt.extract.extract",
    "dlt.load.load",
    "dlt.normalize.items_normalizers",
    "dlt.normalize.normalize",
    "lancedb",
    "orchestration.cli.summary",
    "orchestration.definitions",
    "orchestration.erasure.forget",
    "orchestration.leak_scan",
    "orchestration.rotation",
    "orchestration.run",
    "pandas",
    "psycopg",
    "pyarrow.parquet",
    "serving.search",
    "sqlalchemy.dialects.postgresql.psycopg",
)


def rehearse() -> None:
    """Compile the dbt project into a folder that goes away.

    dbt makes its validators and its packers when it first needs them: three of the five seconds
    that parsing takes. Its static parser is left out, whose own threads a fork would lose.
    """
    from orchestration.dbt_runner import compile_project

    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(GROUNDED_HOME=folder, DBT_STATIC_PARSER="false")
        compile_project(Path(folder))
    os.environ.clear()
    os.environ.update(before)


def child(job: dict[str, Any]) -> None:
    """Be the command: its environment, folder and streams, and its end."""
    code = 1
    try:
        if job["own_session"]:
            os.setsid()
        os.environ.clear()
        os.environ.update(job["environment"])
        os.chdir(job["folder"])
        # Where `out` is a pipe, its reader may take the folder away as soon as that is open.
        for stream, name in ((0, os.devnull), (2, job["err"]), (1, job["out"])):
            file = os.open(name, os.O_RDWR | os.O_CREAT)
            os.dup2(file, stream)
            os.close(file)
        if job["die_at"]:
            die_when_renamed(*job["die_at"])
        module, function = job["entry"].split(":")
        code = getattr(importlib.import_module(module), function)(job["arguments"])
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:  # noqa: BLE001  (the outermost door of a process)
        traceback.print_exc()
    finally:
        # As at the end of a process; what is left then are threads and the parent's own tests.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def die_when_renamed(ending: str, last: int) -> None:
    """Die by SIGKILL as a file is about to be renamed to this for the ``last``-th time."""
    times = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal times
        if event == "os.rename" and str(arguments[1]).endswith(ending):
            times += 1
            if times == last:
                os.kill(os.getpid(), 9)

    sys.addaudithook(watch)


def ended(process: int, *, now: bool) -> int | None:
    """Wait for a child and return its status; ``now`` asks whether it has ended and waits not."""
    found, status = os.waitpid(process, os.WNOHANG if now else 0)
    return os.waitstatus_to_exitcode(status) if found else None


def main() -> None:
    """Serve jobs until there are no more."""
    # lancedb mends itself after a fork and warns of the risk while it works; here it idles.
    warnings.filterwarnings("ignore", "lancedb fork support", RuntimeWarning)
    for name in IMPORTS:
        importlib.import_module(name)
    is_rehearsed = False
    for line in sys.stdin:
        job = json.loads(line)
        if "wait_for" in job:
            answer = ended(job["wait_for"], now=job["now"])
        else:
            if job["uses_dbt"] and not is_rehearsed:
                rehearse()
                is_rehearsed = True
            answer = os.fork()
            if answer == 0:
                child(job)
        os.write(1, f"{json.dumps(answer)}\n".encode())


if __name__ == "__main__":
    main()
