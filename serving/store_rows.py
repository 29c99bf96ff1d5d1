"""Opens a store's rows for whoever works on a snapshot's files: base and layer as one relation.

views/<scope>.duckdb, layers/<scope>.duckdb -> attached, read-only -> a view named as the agent's
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from serving.catalog import CatalogView, Store
from serving.identifiers import literal, quoted
from serving.layers import layered

BASE, LAYER = "base", "layer"


@contextmanager
def store_rows(
    folder: Path, view: CatalogView, store: Store
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection on which the view's name stands for the rows of this store."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        relation = attach_store(connection, folder, view, store)
        connection.execute(f"create view {quoted(view.name)} as {relation}")
        yield connection


def attach_store(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    view: CatalogView,
    store: Store,
    prefix: str = "",
) -> str:
    """Attach a store's files and return a query over its rows.

    The databases are called ``BASE`` and ``LAYER``, after the ``prefix``.
    """
    base, layer = prefix + BASE, prefix + LAYER
    _attach(connection, folder / store.duckdb, base)
    if store.layer is None:
        return f"select * from {table_of(base, view)}"
    _attach(connection, folder / store.layer.duckdb, layer)
    return layered(table_of(base, view), table_of(layer, view), view.key)


def table_of(database: str, view: CatalogView) -> str:
    """Return the one table of an attached file as SQL."""
    return f"{quoted(database)}.main.{quoted(view.name)}"


def _attach(connection: duckdb.DuckDBPyConnection, file: Path, name: str) -> None:
    connection.execute(f"attach {literal(str(file))} as {quoted(name)} (read_only)")
