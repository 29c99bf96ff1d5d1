"""Opens a store's rows for whoever works on a snapshot's files: base and layer as one relation.

views/<scope>.duckdb, layers/<scope>.duckdb -> attached, read-only -> a view named as the agent's
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from serving.attached import attached
from serving.catalog import CatalogView, Store
from serving.identifiers import quoted
from serving.layers import layered


@dataclass(frozen=True)
class StoreRows:
    """A store that is open: its files and their tables as SQL, the layer's None without one.

    On ``connection`` the view's name stands for all rows.
    """

    connection: duckdb.DuckDBPyConnection
    databases: list[str]
    base: str
    layer: str | None


@contextmanager
def open_store(folder: Path, view: CatalogView, store: Store) -> Iterator[StoreRows]:
    """Open a store's files to read."""
    files = [store.duckdb, *([store.layer.duckdb] if store.layer else [])]
    with attached(*(folder / name for name in files)) as (connection, names):
        tables = [f"{name}.main.{quoted(view.name)}" for name in names]
        rows = f"select * from {tables[0]}"
        if len(tables) > 1:
            rows = layered(tables[0], tables[1], view.key)
        connection.execute(f"create temp view {quoted(view.name)} as {rows}")
        yield StoreRows(connection, names, tables[0], tables[1] if len(tables) > 1 else None)


@contextmanager
def store_rows(
    folder: Path, view: CatalogView, store: Store
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection on which the view's name stands for the rows of a store."""
    with open_store(folder, view, store) as opened:
        yield opened.connection
