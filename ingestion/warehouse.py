"""The warehouse file and the right to write to it: one writer at a time, the rest wait."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from ingestion.errors import WarehouseBusy, WarehouseDamaged

WAIT_S = 900.0
_ASK_AGAIN_S = 1.0
_GIVE_WAY_S = 2.0
# An engine that stays open takes 0.2 MB more with each cycle, all of which closing it gives back;
# the cycle after that takes 0.3 s longer.
_ONE_ENGINE = 100
# Of older forms DuckDB opens a view with other words than it was made with, `DATE` for `"DATE"`; by
# them a keyed model tells that a view below it has changed, and makes all of its rows anew.
_FORM = "v1.5.0"
# The warehouses that this process keeps open, with its right to write, and the engine of each.
_KEPT: dict[Path, duckdb.DuckDBPyConnection] = {}


def warehouse_path(home: Path) -> Path:
    """The DuckDB file with every raw, staging, marts and agents schema."""
    return home / "warehouse.duckdb"


@contextmanager
def writing(
    home: Path, *, wait_s: float = WAIT_S, on_wait: Callable[[str], None] | None = None
) -> Iterator[Path]:
    """Hold the warehouse for writing, or for reading what must not change meanwhile.

    DuckDB allows one process with a write connection and refuses every other at once; this lock
    makes them wait in turn. Yields the warehouse's path; there is a file from now on.
    """
    path = warehouse_path(home)
    if _is_kept(path):
        yield path
        return
    lock = _acquired(path, wait_s, on_wait)
    try:
        yield path
    finally:
        lock.release()


def reading(path: Path) -> duckdb.DuckDBPyConnection:
    """Open the warehouse to read; the caller holds it.

    A process has one engine for a file: where it keeps one open that may write, that is read by.
    """
    return duckdb.connect(str(path), read_only=not _is_kept(path))


def kept_engine(path: Path) -> duckdb.DuckDBPyConnection | None:
    """Return the engine that this process keeps open for the file, where it does.

    While it is the same one, no other process has opened the file.
    """
    return _KEPT.get(path.resolve())


def tables_of(connection: duckdb.DuckDBPyConnection, source: str) -> set[str]:
    """Return the names of the tables in a source's raw schema, our own and dlt's among them."""
    found = connection.execute(
        "select table_name from duckdb_tables() "
        "where database_name = current_database() and schema_name = ?",
        [source],
    ).fetchall()
    return {row[0] for row in found}


class KeptOpen:
    """The warehouse of one home, open between the steps of a process that writes without pause.

    Opening, and writing back when closing, cost each step 20 to 100 ms, and the engine starts cold.
    Used by one thread, which gives way to whoever waits.
    """

    def __init__(self, home: Path) -> None:
        self._path = warehouse_path(home).resolve()
        self._lock: FileLock | None = None
        self._engine: duckdb.DuckDBPyConnection | None = None
        self._cycles = 0

    def take(self) -> None:
        """Open it for all steps until ``let_go``; where another has it, each step waits itself."""
        if self._engine is not None:
            return
        try:
            lock = _acquired(self._path, 0.0, None)
        except (WarehouseBusy, WarehouseDamaged):
            return
        try:
            self._engine = duckdb.connect(str(self._path))
        except duckdb.Error:
            lock.release()
            return
        self._lock, self._cycles = lock, 0
        _KEPT[self._path] = self._engine

    def let_go(self) -> None:
        """Close it, which writes all back into the one file."""
        if self._engine is None or self._lock is None:
            return
        self._engine.close()
        self._engine = None
        del _KEPT[self._path]
        self._lock.release()
        self._lock = None

    def give_way(self) -> None:
        """Let go where another process waits, and let it go first; else once in a while."""
        wanted = _wanted(self._path)
        self._cycles += 1
        if self._engine is None or not (wanted.exists() or self._cycles >= _ONE_ENGINE):
            return
        self.let_go()
        until = time.monotonic() + _GIVE_WAY_S
        while wanted.exists() and time.monotonic() < until:
            time.sleep(0.02)


def _is_kept(path: Path) -> bool:
    return kept_engine(path) is not None


def _acquired(path: Path, wait_s: float, on_wait: Callable[[str], None] | None) -> FileLock:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if on_wait is not None:
            on_wait("waiting for another process to finish writing to the warehouse")
        _wait_for(lock, path, wait_s)
    _wanted(path).unlink(missing_ok=True)
    try:
        if not path.exists():
            _make(path)
        elif not _is_whole(path):
            raise WarehouseDamaged(path)
    except BaseException:
        lock.release()
        raise
    return lock


def _make(path: Path) -> None:
    """Make the file, whole or not at all.

    One that DuckDB was killed over as it wrote the first pages cannot be opened ever after. What a
    file that is there no more has left beside it is none of the new one.
    """
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    duckdb.connect(str(new), config={"storage_compatibility_version": _FORM}).close()
    path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
    new.replace(path)


def _is_whole(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(12)[8:] == b"DUCK"


def _wait_for(lock: FileLock, path: Path, wait_s: float) -> None:
    """Wait, and say so again and again: whoever was let in took the word away."""
    until = time.monotonic() + wait_s
    while True:
        left = until - time.monotonic()
        try:
            if left > 0:
                _wanted(path).touch()
            lock.acquire(timeout=min(max(left, 0.0), _ASK_AGAIN_S))
            return
        except Timeout as error:
            if left <= _ASK_AGAIN_S:
                raise WarehouseBusy(
                    f"another process has held {path.name} for more than {wait_s:.0f} s; "
                    "see `grounded status`, or stop that process and try again"
                ) from error


def _wanted(path: Path) -> Path:
    """The file that says that another process waits for the warehouse."""
    return path.with_suffix(".wanted")
