"""Loads a table into DuckDB by another program, within the environment of that program alone.

``python load_by_another.py PROGRAM BACKEND URL TABLE FILE`` -> the seconds that it took

The table ``one`` of a single row is loaded first, so that nothing is imported in the seconds: ours
are those of a warm process too.
"""

import contextlib
import importlib
import sys
import time
from collections.abc import Callable

Load = Callable[[str, str], None]
"""Loads a table into a DuckDB file."""


def by_dlt(backend: str, url: str) -> Load:
    """Load by dlt's own database source; its load files have the format that dlt chooses."""
    dlt = importlib.import_module("dlt")
    sql_table = importlib.import_module("dlt.sources.sql_database").sql_table
    rows, _, file_format = backend.partition("+")
    options = {"backend_kwargs": {"conn": url}} if rows == "connectorx" else {}

    def load(table: str, out: str) -> None:
        pipeline = dlt.pipeline(
            pipeline_name="peer",
            pipelines_dir=f"{out}.work",
            destination=dlt.destinations.duckdb(out),
            dataset_name="loaded",
        )
        address = url.replace("postgresql://", "postgresql+psycopg://")
        source = sql_table(
            credentials=address, table=table, schema="public", backend=rows, **options
        )
        pipeline.run(source, loader_file_format=file_format or None)

    return load


def by_ingestr(backend: str, url: str) -> Load:
    """Load by ``ingestr ingest``, as its command does."""
    command = importlib.import_module("ingestr.main").app
    chosen = [] if backend == "its default" else ["--sql-backend", backend]

    def load(table: str, out: str) -> None:
        source = ["--source-uri", url, "--source-table", f"public.{table}"]
        target = ["--dest-uri", f"duckdb:///{out}", "--dest-table", f"loaded.{table}"]
        command(["ingest", *source, *target, *chosen, "--yes"], standalone_mode=False)

    return load


def main() -> None:
    """Load twice and tell the seconds of the second time; the program's own words go elsewhere."""
    program, backend, url, table, out = sys.argv[1:]
    with contextlib.redirect_stdout(sys.stderr):
        load = {"dlt": by_dlt, "ingestr": by_ingestr}[program](backend, url)
        load("one", f"{out}.one")
        began = time.perf_counter()
        load(table, out)
        taken = time.perf_counter() - began
    sys.stdout.write(f"{taken}\n")


if __name__ == "__main__":
    main()
