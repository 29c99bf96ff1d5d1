"""Rows by key in microseconds: a SQLite file beside each view, opened as immutable.

view file -> rows as JSON text -> <view>.sqlite (and what changed since, in a layer) -> lookup
"""

import json
import re
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote

import duckdb
import orjson

from serving.catalog import CatalogView
from serving.errors import InvalidArgument, PublishError
from serving.identifiers import quoted
from serving.row_bytes import unpacked
from serving.row_json import days_written_alike, row_columns
from serving.values import INTEGERS, to_json

_INSTANT = "TIMESTAMP WITH TIME ZONE"
# The whole row as JSON; no view has a column of this name.
ROW_COLUMN = "_row"
_WRITTEN_INTEGER = re.compile(r"-?(0|[1-9]\d{0,18})")
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_BATCH_ROWS = 10_000
# In JSON; of a text in it SQLite sees what stands before.
_NUL = b"\\u0000"


class LookupStore:
    """The lookups of one view in one scope; shared by threads.

    A ``layer`` holds the rows that changed since the file was written; they come in place of its.
    """

    def __init__(self, path: Path, view: CatalogView, layer: Path | None = None) -> None:
        types = {column.name: column.type for column in view.columns}
        self._view = view.name
        self._columns = lookup_columns(view)
        select = _select if layer is None else _select_layered
        self._ways = {
            name: (_normaliser(name, types[name]), select(name, view.key)) for name in self._columns
        }
        self._key = view.key
        self._by_keys = (_select_keys if layer is None else _select_keys_layered)(view.key)
        self._lock = Lock()
        self._connection = sqlite3.connect(immutable(path), uri=True, check_same_thread=False)
        if layer is not None:
            self._connection.execute("attach ? as layer", (immutable(layer),))
        # The bodies go into a parser, which reads bytes.
        self._connection.text_factory = bytes
        self._cursor = self._connection.cursor()

    def get(self, column: str, values: Sequence[Any], limit: int) -> list[dict[str, Any]]:
        """Return at most ``limit`` rows, in the order of the values, then of the key."""
        return unpacked(self.find(column, values, limit))

    def find(self, column: str, values: Sequence[Any], limit: int) -> list[bytes]:
        """Return the same rows as the JSON that the file holds."""
        way = self._ways.get(column)
        if way is None:
            raise InvalidArgument(
                f"{self._view} has no lookup by that column; use {' or '.join(self._columns)}",
                allowed=self._columns,
            )
        normalise, statement = way
        if len(values) == 1:
            return self._found(statement, normalise(values[0]), limit)
        wanted = list(dict.fromkeys(map(normalise, values)))
        # A key has one row: all are asked for at once, in half the time. Of another column a value
        # may have any number, which would all be sorted.
        if column == self._key and _NUL not in (asked := orjson.dumps(wanted)):
            return self._found(self._by_keys, asked.decode(), limit)
        rows: list[bytes] = []
        for value in wanted:
            if len(rows) >= limit:
                break
            rows += self._found(statement, value, limit - len(rows))
        return rows

    def _found(self, statement: str, value: int | str, limit: int) -> list[bytes]:
        with self._lock:
            found = self._cursor.execute(statement, (value, limit)).fetchall()
        return [one[0] for one in found]

    def close(self) -> None:
        """Close the file; calls after this fail."""
        with self._lock:
            self._connection.close()


def immutable(path: Path) -> str:
    """Return a file's address for SQLite, by which it takes no lock and leaves nothing beside."""
    return f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"


def lookup_columns(view: CatalogView) -> list[str]:
    """Return the columns by which a view is looked up, its key first."""
    return list(dict.fromkeys([view.key, *view.lookups]))


def build_lookup(source: Path, target: Path, view: CatalogView) -> int:
    """Write the SQLite file of one view file and return its number of rows."""
    try:
        with duckdb.connect(str(source), read_only=True) as connection:
            return _write(target, view, _all_records(connection, view))
    except sqlite3.Error as error:
        raise PublishError(
            f"{view.name}: the lookup file cannot be written; is its key {view.key} unique?"
        ) from error
    except duckdb.Error as error:
        # Not chained: what DuckDB says may hold the value of a cell.
        raise PublishError(
            f"{view.name}: its rows cannot be written as JSON ({type(error).__name__})"
        ) from None


def records(
    view: CatalogView, rows: Iterable[Sequence[Any]], utc: Collection[str] = ()
) -> Iterator[tuple[Any, ...]]:
    """Yield what a lookup file holds of each row: its lookup columns, then the whole as JSON.

    The instants of the columns ``utc`` come without their zone.
    """
    columns = [column.name for column in view.columns]
    converters = [
        _utc_instant if column.name in utc else _converter(column.type) for column in view.columns
    ]
    places = [columns.index(name) for name in lookup_columns(view)]
    stored = [_stored(view.columns[place].type) for place in places]
    for row in rows:
        cells = [
            cell if convert is None else convert(cell)
            for cell, convert in zip(row, converters, strict=True)
        ]
        body = orjson.dumps(dict(zip(columns, cells, strict=True))).decode()
        keys = [
            None if cells[place] is None else store(cells[place])
            for place, store in zip(places, stored, strict=True)
        ]
        yield (*keys, body)


def stored_key(kind: str, key: Any) -> int | str:
    """Return a key of a DuckDB type as a lookup file holds it."""
    convert = _converter(kind)
    written: int | str = _stored(kind)(key if convert is None else convert(key))
    return written


def count_rows(path: Path) -> int:
    """Return the number of rows of a lookup file; sqlite3.Error where it is none."""
    connection = sqlite3.connect(immutable(path), uri=True)
    try:
        (count,) = connection.execute("select count(*) from rows").fetchone()
        return int(count)
    finally:
        connection.close()


def _all_records(
    connection: duckdb.DuckDBPyConnection, view: CatalogView
) -> Iterator[tuple[Any, ...]]:
    """Yield the records of a file; written by the engine, or by Python for types that need it."""
    connection.execute("set timezone = 'UTC'")
    written = row_columns(view, lookup_columns(view))
    if written is not None and _is_true(connection, view, days_written_alike(view)):
        return _fetched(connection, view, written)
    # An instant with its zone takes ten times as long to fetch.
    utc = [
        column.name
        for column in view.columns
        if column.type == _INSTANT
        # An infinite one loses more than its zone.
        and _is_true(connection, view, f"bool_and(isfinite({quoted(column.name)}))")
    ]
    told = [
        f"{quoted(column.name)} at time zone 'UTC'" if column.name in utc else quoted(column.name)
        for column in view.columns
    ]
    return records(view, _fetched(connection, view, told), utc)


def _fetched(
    connection: duckdb.DuckDBPyConnection, view: CatalogView, columns: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    result = connection.execute(f"select {', '.join(columns)} from {quoted(view.name)}")
    return (row for batch in iter(partial(result.fetchmany, _BATCH_ROWS), []) for row in batch)


def _is_true(connection: duckdb.DuckDBPyConnection, view: CatalogView, condition: str) -> bool:
    return connection.execute(f"select {condition} from {quoted(view.name)}").fetchone() == (True,)


def _write(target: Path, view: CatalogView, records: Iterable[tuple[Any, ...]]) -> int:
    connection = open_new(target)
    try:
        create_rows(connection, view, f"{ROW_COLUMN} text not null")
        marks = ", ".join("?" * (len(lookup_columns(view)) + 1))
        inserted = connection.executemany(f"insert into rows values ({marks})", records).rowcount
        create_indexes(connection, view)
        connection.commit()
        return max(inserted, 0)
    finally:
        connection.close()


def open_new(target: Path) -> sqlite3.Connection:
    """Open a file that nobody reads yet: it is thrown away if this process dies."""
    connection = sqlite3.connect(target)
    connection.execute("pragma journal_mode = off")
    connection.execute("pragma synchronous = off")
    return connection


def create_rows(
    connection: sqlite3.Connection, view: CatalogView, rest: str, *, is_layer: bool = False
) -> None:
    """Create the table of a lookup file: the view's lookup columns, then the ``rest``.

    The rows stand in the order of the key, but in a layer in that in which they come: of its pages
    as few as can be differ from those of the layer before, which were searched for leaks.
    """
    types = {column.name: column.type for column in view.columns}
    names = lookup_columns(view)
    kinds = {name: "integer" if types[name] in INTEGERS else "text" for name in names}
    declared = [f"{quoted(name)} {kinds[name]}" for name in names]
    declared[0] += " not null unique" if is_layer else " not null primary key"
    without = "" if is_layer or kinds[view.key] == "integer" else " without rowid"
    connection.execute(f"create table rows ({', '.join(declared)}, {rest}){without}")


def create_indexes(connection: sqlite3.Connection, view: CatalogView) -> None:
    """Create the indexes of all lookups but the key, which is the table itself."""
    for number, name in enumerate(lookup_columns(view)[1:]):
        connection.execute(
            f"create index lookup_{number} on rows ({quoted(name)}, {quoted(view.key)})"
        )


def _select(column: str, key: str) -> str:
    return (
        f"select {ROW_COLUMN} from rows where {quoted(column)} = ? order by {quoted(key)} limit ?"
    )


def _select_layered(column: str, key: str) -> str:
    """The same over both files: SQLite merges the two, each in the order of its own index."""
    name, key = quoted(column), quoted(key)
    return (
        f"select {ROW_COLUMN}, {key} from layer.rows "
        f"where {name} = ?1 and {ROW_COLUMN} is not null "
        f"union all select {ROW_COLUMN}, {key} from main.rows as base where {name} = ?1 "
        f"and not exists (select 1 from layer.rows where rows.{key} = base.{key}) "
        "order by 2 limit ?2"
    )


def _select_keys(key: str) -> str:
    """The rows of a JSON array of keys, in its order."""
    return (
        f"select {ROW_COLUMN} from json_each(?1) as asked cross join rows "
        f"where rows.{quoted(key)} = asked.value order by asked.key limit ?2"
    )


def _select_keys_layered(key: str) -> str:
    name = quoted(key)
    return (
        f"select {ROW_COLUMN}, asked.key from json_each(?1) as asked cross join layer.rows "
        f"where rows.{name} = asked.value and {ROW_COLUMN} is not null "
        f"union all select {ROW_COLUMN}, asked.key from json_each(?1) as asked "
        f"cross join main.rows as base where base.{name} = asked.value "
        f"and not exists (select 1 from layer.rows where rows.{name} = base.{name}) "
        "order by 2 limit ?2"
    )


def _converter(kind: str) -> Callable[[Any], Any] | None:
    """Return the function that makes a cell of this type JSON, None where it already is."""
    same = kind in {"VARCHAR", "BOOLEAN"} or kind in (INTEGERS - {"BIGINT"})
    return None if same else to_json


def _utc_instant(value: Any) -> Any:
    """Return a UTC instant that came without its zone as ``to_json`` would with it."""
    if isinstance(value, datetime):
        return f"{value.isoformat()}Z"
    # A year that Python does not know comes as text.
    return f"{value}+00" if isinstance(value, str) else value


def _stored(kind: str) -> Callable[[Any], Any]:
    return int if kind in INTEGERS else _as_text


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _normaliser(column: str, kind: str) -> Callable[[Any], int | str]:
    """Return the function from a caller's value to what the file holds."""

    def integer(value: Any) -> int | str:
        if isinstance(value, str) and _WRITTEN_INTEGER.fullmatch(value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidArgument(f"{column} is {kind}: give a whole number", column=column)
        if not _SMALLEST <= value <= _LARGEST:
            raise InvalidArgument(f"{column} is {kind}: the number is too large", column=column)
        return int(value)

    def text(value: Any) -> int | str:
        if value is None or isinstance(value, dict | list):
            raise InvalidArgument(f"{column} is {kind}: give one value", column=column)
        written = _as_text(to_json(value))
        if not _is_encodable(written):
            raise InvalidArgument(f"{column}: the text is not valid Unicode", column=column)
        return written

    return integer if kind in INTEGERS else text


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= sign <= "\udfff" for sign in text)
