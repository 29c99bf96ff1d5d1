"""The same first load by others: dlt's own backends, and ingestr and sling where they can be had.

Each loads the table ``items`` into a DuckDB of its own, but sling, whose DuckDB is a download: into
a Parquet file. Peers come from the package index into an environment that is thrown away.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dlt
from dlt.sources.sql_database import sql_table

from tests.benchmarks.results import Figure, median

PEERS = ("ingestr>=0.14,<0.15", "sling>=1.2,<1.3")
"""The newest that run with no download of their own."""

INSTALL_S, RUN_S = 600, 900
BACKENDS: dict[str, dict[str, Any]] = {
    "dlt sql_database, pyarrow": {"backend": "pyarrow"},
    "dlt sql_database, sqlalchemy, Parquet files": {"backend": "sqlalchemy", "file": "parquet"},
    "dlt sql_database, its default": {"backend": "sqlalchemy", "file": None},
}
SLOW = "sqlalchemy"
"""Half a minute and two minutes for 1,000,000 rows: measured once."""


@dataclass(frozen=True)
class Peer:
    """A command that loads the table, and what it needs beside its arguments."""

    name: str
    command: list[str]
    environment: dict[str, str]


def peers(url: str, name: str, runs: int) -> list[Figure]:
    """Return the seconds of each; what cannot be had is told on standard error."""
    figures = [
        median(name, backend, "seconds", [_by_dlt(url, **options) for _ in range(times)], "s")
        for backend, options in BACKENDS.items()
        for times in [1 if options["backend"] == SLOW else runs]
    ]
    with _environment() as programs:
        for peer in _peers(url, programs) if programs else []:
            taken = [_by_command(peer) for _ in range(runs)]
            good = [seconds for seconds in taken if seconds is not None]
            if good:
                figures.append(median(name, peer.name, "seconds", good, "s"))
    return figures


def _by_dlt(url: str, backend: str, file: str | None = None) -> float:
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            pipeline_name="peer",
            pipelines_dir=folder,
            destination=dlt.destinations.duckdb(f"{folder}/peer.duckdb"),
            dataset_name="loaded",
        )
        address = url.replace("postgresql://", "postgresql+psycopg://")
        table = sql_table(credentials=address, table="items", schema="public", backend=backend)
        began = time.perf_counter()
        pipeline.run(table, loader_file_format=file)
        return time.perf_counter() - began


@contextmanager
def _environment() -> Iterator[Path | None]:
    """The folder of the peers' programs, or None where they could not be installed."""
    with tempfile.TemporaryDirectory() as folder:
        uv = [sys.executable, "-m", "uv"]
        into = {**os.environ, "VIRTUAL_ENV": folder}
        try:
            subprocess.run([*uv, "venv", "--quiet", "--allow-existing", folder], check=True)
            install = [*uv, "pip", "install", "--quiet", *PEERS]
            subprocess.run(install, check=True, timeout=INSTALL_S, env=into)
        except (subprocess.SubprocessError, OSError) as error:
            sys.stderr.write(f"absent: {', '.join(PEERS)} ({type(error).__name__})\n")
            yield None
            return
        yield Path(folder) / "bin"


def _peers(url: str, programs: Path) -> list[Peer]:
    source = ["ingest", "--source-uri", url, "--source-table", "public.items", "--yes"]
    ingestr = [str(programs / "ingestr"), *source, "--dest-table", "public.items"]
    plain = {"INGESTR_DISABLE_TELEMETRY": "true", "SLING_DISABLE_TELEMETRY": "true"}
    sling = [str(programs / "sling"), "run", "--src-conn", "PEER", "--src-stream", "public.items"]
    address = f"{url.replace('postgresql://', 'postgres://')}?sslmode=disable"
    return [
        Peer("ingestr, its default", [*ingestr, "--dest-uri", "duckdb:///{out}.duckdb"], plain),
        Peer(
            "ingestr, connectorx",
            [*ingestr, "--dest-uri", "duckdb:///{out}.duckdb", "--sql-backend", "connectorx"],
            plain,
        ),
        Peer(
            "sling, to Parquet",
            [*sling, "--tgt-object", "file://{out}.parquet"],
            {**plain, "PEER": address},
        ),
    ]


def _by_command(peer: Peer) -> float | None:
    """Seconds with the program's start, as a user waits for it; None where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        command = [part.replace("{out}", f"{folder}/peer") for part in peer.command]
        environment = {**os.environ, **peer.environment, "HOME": folder}
        began = time.perf_counter()
        done = subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, timeout=RUN_S, check=False
        )
        taken = time.perf_counter() - began
        if done.returncode:
            told = (done.stderr or done.stdout).decode(errors="replace").strip()[-500:]
            sys.stderr.write(f"absent: {peer.name} ended with {done.returncode}: {told}\n")
            return None
        return taken
