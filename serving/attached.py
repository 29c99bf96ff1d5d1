"""Opens DuckDB files to read, in the one engine that this process keeps for it.

file -> attached under a name of its own, read-only -> a cursor; detached when it is done
"""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import duckdb

from serving.identifiers import literal

_NUMBERS = itertools.count()


@lru_cache(maxsize=1)
def _engine() -> duckdb.DuckDBPyConnection:
    """An engine takes 10 ms to start, which a publish of few changes would spend ten times."""
    return duckdb.connect()


# Its threads are not there in a forked process.
os.register_at_fork(after_in_child=_engine.cache_clear)


@contextmanager
def attached(*files: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[str]]]:
    """Give a cursor and the names under which it has these files."""
    names: list[str] = []
    with _engine().cursor() as cursor:
        cursor.execute("set timezone = 'UTC'")
        try:
            for file in files:
                name = f"file_{next(_NUMBERS)}"
                cursor.execute(f"attach {literal(str(file))} as {name} (read_only)")
                names.append(name)
            yield cursor, names
        finally:
            for name in names:
                cursor.execute(f"detach {name}")
