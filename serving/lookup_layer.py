"""Brings the lookups of a layer up to date: a copy of the last one, with the changed keys replaced.

layers/<scope>.sqlite (copied) + changed rows and keys -> layers/<scope>.sqlite
"""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from serving.catalog import CatalogView
from serving.identifiers import quoted
from serving.layers import SEQ
from serving.lookup_store import (
    ROW_COLUMN,
    create_indexes,
    create_rows,
    immutable,
    lookup_columns,
    open_new,
    records,
    stored_key,
)


def write_lookup_layer(
    target: Path,
    view: CatalogView,
    *,
    rows: Iterable[Sequence[Any]],
    gone: Iterable[Any],
    seq: int,
) -> None:
    """Write changed rows, and keys that have no row any more, into a layer.

    ``target`` is a copy of the last layer, or is made.
    """
    kind = _key_kind(view)
    width = len(lookup_columns(view))
    empty = (None,) * width
    is_new = not target.exists()
    with closing(open_new(target)) as connection:
        if is_new:
            rest = f"{ROW_COLUMN} text, {SEQ} integer not null"
            create_rows(connection, view, rest, is_layer=True)
            create_indexes(connection, view)
        insert = f"insert or replace into rows values ({', '.join('?' * (width + 2))})"
        connection.executemany(insert, ((*record, seq) for record in records(view, rows)))
        connection.executemany(insert, ((stored_key(kind, key), *empty, seq) for key in gone))
        connection.commit()


def known_keys(lookup: Path, view: CatalogView, keys: Sequence[Any]) -> list[bool]:
    """Tell of each key whether a lookup file has a row of it."""
    kind = _key_kind(view)
    with closing(sqlite3.connect(immutable(lookup), uri=True)) as connection:
        look = f"select 1 from rows where {quoted(view.key)} = ?"
        return [
            connection.execute(look, (stored_key(kind, key),)).fetchone() is not None
            for key in keys
        ]


def _key_kind(view: CatalogView) -> str:
    return next(column.type for column in view.columns if column.name == view.key)


def count_entries(path: Path) -> tuple[int, int]:
    """Return the number of keys and of rows in a layer; sqlite3.Error where it is none."""
    with closing(sqlite3.connect(immutable(path), uri=True)) as connection:
        counted = f"select count(*), count({ROW_COLUMN}) from rows"
        entries, live = connection.execute(counted).fetchone()
        return int(entries), int(live)


def changed_keys(path: Path, view: CatalogView, since: int) -> list[int | str]:
    """Return the keys of the rows that a layer took after a change."""
    rows = f"select {quoted(view.key)} from rows where {SEQ} > ? and {ROW_COLUMN} is not null"
    with closing(sqlite3.connect(immutable(path), uri=True)) as connection:
        return [key for (key,) in connection.execute(rows, (since,))]
