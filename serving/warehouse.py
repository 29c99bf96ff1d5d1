"""Opens the warehouse to read what is published of it."""

from pathlib import Path

import duckdb


def read_warehouse(path: Path) -> duckdb.DuckDBPyConnection:
    """Return a connection in UTC; duckdb.Error where another process has the file.

    A process has one engine for a file: where this one has it open for writing, as one that loads
    and publishes without pause does, that is read by.
    """
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.ConnectionException:
        connection = duckdb.connect(str(path))
    connection.execute("set timezone = 'UTC'")
    return connection
