"""Other programs that load tables, each installed into an environment of its own.

package index -> environments that are thrown away -> a load -> its seconds, if all rows came
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import duckdb

SCRIPT = Path(__file__).with_name("load_by_another.py")
PACKAGES: Mapping[str, Sequence[str]] = {
    "dlt": ("connectorx", "pandas", "psycopg[binary]", "pyarrow"),
    "ingestr": ("ingestr>=0.14,<0.15", "connectorx"),
    "sling": ("sling>=1.2,<1.3",),
}
"""The newest that run with no download of their own; of dlt and DuckDB those that we have."""

INSTALL_S, RUN_S = 600, 900
QUIET = {"INGESTR_DISABLE_TELEMETRY": "true", "SLING_DISABLE_TELEMETRY": "true"}


class Absent(Exception):
    """A program that cannot be measured here, and why."""


@dataclass(frozen=True)
class Program:
    """A program that is installed in a folder."""

    name: str
    version: str
    folder: Path

    def run(self, arguments: Sequence[str], home: str, **environment: str) -> str:
        """Run one of its commands with a home of its own and return what it says."""
        command = [str(self.folder / "bin" / arguments[0]), *arguments[1:]]
        done = subprocess.run(
            command,
            env={**os.environ, **QUIET, "HOME": home, **environment},
            cwd=home,
            capture_output=True,
            timeout=RUN_S,
            check=False,
        )
        if done.returncode:
            told = (done.stderr or done.stdout).decode(errors="replace").strip()[-800:]
            raise Absent(f"ended with {done.returncode}: {told}")
        return done.stdout.decode()

    def loads_by_script(self, backend: str, url: str, table: str, rows: int) -> float:
        """Seconds of a load in a warm process; Absent where not all rows came."""
        with tempfile.TemporaryDirectory() as home:
            out = f"{home}/peer.duckdb"
            # Isolated: beside the script lie modules that are named as those of the library.
            arguments = ["python", "-I", str(SCRIPT), self.name, backend, url, table, out]
            taken = float(self.run(arguments, home))
            with duckdb.connect(out, read_only=True) as loaded:
                _refuse_fewer(loaded, f"loaded.{table}", rows)
        return taken

    def loads_by_sling(self, url: str, table: str, rows: int) -> float:
        """Seconds of a load into a Parquet file with the program's start, which is short."""
        with tempfile.TemporaryDirectory() as home:
            out = f"{home}/peer.parquet"
            source = ["--src-conn", "PEER", "--src-stream", f"public.{table}"]
            address = f"{url.replace('postgresql://', 'postgres://')}?sslmode=disable"
            began = time.perf_counter()
            self.run(["sling", "run", *source, "--tgt-object", f"file://{out}"], home, PEER=address)
            taken = time.perf_counter() - began
            with duckdb.connect() as loaded:
                _refuse_fewer(loaded, f"read_parquet('{out}')", rows)
        return taken


def _refuse_fewer(loaded: duckdb.DuckDBPyConnection, relation: str, rows: int) -> None:
    counted = loaded.execute(f"select count(*) from {relation}").fetchone()
    if counted != (rows,):
        raise Absent(f"loaded {counted} of {rows:,} rows")


@contextmanager
def installed(tell: Callable[[str], None]) -> Iterator[dict[str, Program]]:
    """Those programs that can be had, by name; ``tell`` hears of the others."""
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for name, packages in PACKAGES.items():
            try:
                found[name] = _installed(name, Path(folder) / name, packages)
            except subprocess.SubprocessError as error:
                tell(f"absent: {name} could not be installed ({type(error).__name__})")
        yield found


def _installed(name: str, folder: Path, packages: Sequence[str]) -> Program:
    uv = [sys.executable, "-m", "uv"]
    ours = [f"dlt[duckdb,sql-database]=={version('dlt')}", f"duckdb=={version('duckdb')}"]
    wanted = [*packages, *(ours if name == "dlt" else [])]
    make = [*uv, "venv", "--quiet", "--python", sys.executable, str(folder)]
    subprocess.run(make, check=True)
    # `python -m uv` takes VIRTUAL_ENV for that of its own python: it would install beside us.
    into = ["--python", str(folder / "bin/python")]
    install = [*uv, "pip", "install", "--quiet", "--compile-bytecode", *into, *wanted]
    subprocess.run(install, check=True, timeout=INSTALL_S)
    program = Program(name, "", folder)
    asked = f"from importlib.metadata import version; print(version('{name}'))"
    return Program(name, program.run(["python", "-c", asked], str(folder)).strip(), folder)
