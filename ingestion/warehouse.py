"""The warehouse file and the right to write to it: one writer at a time, the rest wait."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ingestion.errors import WarehouseBusy

WAIT_S = 900.0


def warehouse_path(home: Path) -> Path:
    """The DuckDB file with every raw, staging, marts and agents schema."""
    return home / "warehouse.duckdb"


@contextmanager
def writing(
    home: Path, *, wait_s: float = WAIT_S, on_wait: Callable[[str], None] | None = None
) -> Iterator[Path]:
    """Hold the warehouse for writing, or for reading what must not change meanwhile.

    DuckDB allows one process with a write connection and refuses every other at once; this lock
    makes them wait in turn. Yields the warehouse's path.
    """
    path = warehouse_path(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if on_wait is not None:
            on_wait("waiting for another process to finish writing to the warehouse")
        try:
            lock.acquire(timeout=wait_s)
        except Timeout as error:
            raise WarehouseBusy(
                f"another process has held {path.name} for more than {wait_s:.0f} s; "
                "see `grounded status`, or stop that process and try again"
            ) from error
    try:
        yield path
    finally:
        lock.release()
