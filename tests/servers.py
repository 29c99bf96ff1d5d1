"""Real servers that tests own, on loopback, stopped by their own process id."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from ingestion.demo import postgres
from ingestion.demo.state import free_ports

PASSWORD = "only-for-tests"


@contextmanager
def server_folder() -> Iterator[Path]:
    """A folder that a server of another account can enter.

    pytest closes its own temporary folder to other accounts whenever another session starts, and
    PostgreSQL does not run as root.
    """
    with tempfile.TemporaryDirectory(prefix="grounded-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def programs(version: int) -> Path | None:
    """The folder of a PostgreSQL's programs: of the demo's wheel, Debian's, or .ci/run's npm."""
    wheel = {16: "pginstall", 18: "pginstall18"}
    if version in wheel:
        return postgres.bundled(wheel[version])
    root = Path(__file__).parents[1]
    places = [
        Path(f"/usr/lib/postgresql/{version}/bin"),
        root / f".venv/node_modules/postgresql-{version}/native/bin",
    ]
    return next((place for place in places if (place / "initdb").exists()), None)


class Postgres:
    """A PostgreSQL with logical decoding: the demo's 18, or the one of a folder of programs."""

    def __init__(self, folder: Path, programs: Path | None = None) -> None:
        self._folder, self._programs = folder, programs
        self._port = free_ports(1)[0]
        self._process = 0
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Start it, on the same port as before where that is free."""
        self._process, self._port = postgres.start(
            self._folder, port=self._port, password=PASSWORD, programs=self._programs
        )

    def stop(self) -> None:
        """Cut off every client and stop."""
        postgres.end(self._folder, self._process)

    def kill(self) -> None:
        """Kill the server and its backends at once, as a crash of the machine would.

        A backend that outlives the postmaster holds the shared memory, and so blocks a restart.
        """
        postmaster = psutil.Process(self._process)
        # Stopped first, so that none is forked between the listing and the kill.
        postmaster.suspend()
        family = [postmaster, *postmaster.children(recursive=True)]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        while any(_is_alive(process) for process in family):
            time.sleep(0.01)
        # A zombie still owns the id in this file, which stops the next start.
        (self._folder / "data" / "postmaster.pid").unlink(missing_ok=True)

    def url(self, database: str = "postgres") -> str:
        """The superuser's address of a database."""
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self._port}/{database}"


def _is_alive(process: psutil.Process) -> bool:
    """Whether it still holds anything; a zombie that nobody has waited for does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
