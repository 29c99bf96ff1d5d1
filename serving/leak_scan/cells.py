"""Reads every cell of the stores that compress or nest what they hold.

DuckDB, SQLite, Lance, Parquet, Arrow -> Column: cells of one column with the keys of their rows
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import lancedb
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from lancedb.expr import col
from lancedb.table import Table

from serving.attached import attached
from serving.identifiers import literal, quoted
from serving.layers import SEQ
from serving.leak_scan.folding import CELL, CELL_TEXT
from serving.leak_scan.targets import Rows
from serving.leak_scan.values import leaves

_BATCH_ROWS = 20_000
_BATCH_CHARACTERS = 1 << 20
# A column of SQLite may hold a document in each row.
_FETCHED_ROWS = 100
# Of a file that is searched in parts each has every n-th of such blocks.
_BLOCK_ROWS = 10_000
# Keys that are asked for at once.
_MOST_NAMED = 5_000
# A number as short as these is searched for nowhere, so it need not be read.
_SMALLEST_NUMBER = 10**6
_NUMBERS = ("INT", "DECIMAL", "DOUBLE", "FLOAT", "HUGEINT")
_NESTED = ("STRUCT", "MAP", "UNION", "[")
_UNKEYED = "row"
# What begins an object or a list; an empty text begins with nothing.
_NESTING = ("{", "[")
# The faster parser makes a float of it.
_LONG_NUMBER = r"\d{19}"
_LARGEST_DOCUMENT = 64 << 20


@dataclass(frozen=True)
class Cells:
    """Some cells of one column of one table, each with the key of its row; none is NULL."""

    table: str
    column: str
    keys: Sequence[str] | pa.Array
    texts: pa.Array

    def key(self, number: int) -> str:
        """Return the key of the row of a cell."""
        return str(self.keys[number])

    def joined(self) -> bytes:
        """Return the cells as UTF-8 with ``CELL`` between them."""
        for texts in (self.texts, pc.replace_substring(self.texts, CELL_TEXT, " ")):
            whole = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
            text: bytes = pc.binary_join(whole, CELL_TEXT)[0].as_buffer().to_pybytes()
            if text.count(CELL) == len(texts) - 1:
                break
        return text


def cells_of(table: str, column: str, keys: Sequence[str], texts: list[str]) -> Cells:
    """Return cells of texts; what is no Unicode becomes a question mark."""
    try:
        return Cells(table, column, keys, pa.array(texts, pa.string()))
    except UnicodeEncodeError:
        plain = [text.encode("utf-8", "replace").decode() for text in texts]
        return Cells(table, column, keys, pa.array(plain, pa.string()))


def duckdb_cells(path: Path, rows: Rows | None) -> Iterator[Cells]:
    """Yield the cells of every table, and what the file says about them: comments, views, macros.

    A row goes by the cell of its key's column; where there is none, by its number.
    """
    with attached(path) as (connection, (database,)):
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = ?",
            [database],
        ).fetchall()
        for schema, table in tables:
            relation = f"{database}.{quoted(schema)}.{quoted(table)}"
            yield from _table_cells(connection, relation, table, rows)
        # Of a copied layer the rest was searched with the first one; functions take 65 ms to list.
        is_told = rows is None or (rows.since is None and rows.part == 0)
        told = _told(connection, database) if is_told else []
    for table, column, text in told:
        if text:
            yield cells_of(table, column, [""], [text])


def _told(connection: duckdb.DuckDBPyConnection, database: str) -> list[tuple[str, str, str]]:
    """Return what a file says of itself besides its rows."""
    of_file = f"where database_name = {literal(database)}"
    return connection.execute(
        f"select table_name, '(comment)', comment from duckdb_tables() {of_file} "
        "union all select table_name, column_name || ' (description)', comment "
        f"from duckdb_columns() {of_file} "
        "union all select table_name, column_name || ' (default)', column_default "
        f"from duckdb_columns() {of_file} "
        f"union all select view_name, '(view)', sql from duckdb_views() {of_file} "
        "union all select function_name, '(macro)', macro_definition "
        f"from duckdb_functions() {of_file} "
        f"union all select table_name, '(columns)', column_name from duckdb_columns() {of_file}"
    ).fetchall()


def sqlite_cells(path: Path, rows: Rows | None) -> Iterator[Cells]:
    """Yield the cells of every table; a JSON object's are told by the names of its fields."""
    # A file that nobody writes to is opened as such: a reader must leave no -shm beside it.
    live = path.with_name(path.name + "-wal").exists()
    uri = f"file:{quote(str(path.resolve()))}?mode=ro{'' if live else '&immutable=1'}"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        tables = connection.execute(
            "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
        ).fetchall()
        for (table,) in tables:
            result = connection.execute(f"select * from {quoted(table)}{_after(rows)}")
            names = [str(column[0]) for column in result.description]
            place = names.index(rows.key) if rows and rows.key in names else None
            yield from _rows_cells(table, names, place, result, rows)
        if rows is not None and rows.part > 0:
            return
        statements = connection.execute("select name, sql from sqlite_master").fetchall()
    for name, statement in statements:
        if statement:
            yield cells_of(str(name), "(definition)", [""], [str(statement)])


def lance_cells(folder: Path, rows: Rows | None) -> Iterator[Cells]:
    """Yield the cells of a Lance table, of its older versions too where rows have changed."""
    table = lancedb.connect(folder.parent).open_table(folder.name.removesuffix(".lance"))
    if rows is not None and rows.only is not None:
        yield from _lance_cells(table, rows)
        return
    versions = [entry["version"] for entry in table.list_versions()]
    # One data file and no deletion: every version has the rows of the last.
    is_fresh = len(list(folder.glob("data/*"))) <= 1 and not (folder / "_deletions").is_dir()
    for version in versions[-1:] if is_fresh else versions:
        table.checkout(version)
        yield from _lance_cells(table, rows)


def _lance_cells(table: Table, rows: Rows | None) -> Iterator[Cells]:
    names = [one.name for one in table.schema if not pa.types.is_fixed_size_list(one.type)]
    only = rows.only if rows else None
    for first in range(0, 1 if only is None else len(only), _MOST_NAMED):
        search = table.search().select(names)
        if only is not None:
            search = search.where(col("key_text").isin(list(only[first : first + _MOST_NAMED])))
        for batch in search.to_batches(_BATCH_ROWS):
            yield from _arrow_cells(table.name, batch, rows.key if rows else None)


def parquet_cells(path: Path, rows: Rows | None) -> Iterator[Cells]:
    """Yield the cells of a Parquet file and its metadata."""
    with pyarrow.parquet.ParquetFile(path) as file:
        yield from _metadata(path.name, file.schema_arrow)
        for batch in file.iter_batches(_BATCH_ROWS):
            yield from _arrow_cells(path.name, batch, None)


def arrow_cells(path: Path, rows: Rows | None) -> Iterator[Cells]:
    """Yield the cells of an Arrow file and its metadata."""
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
        yield from _metadata(path.name, file.schema)
        for number in range(file.num_record_batches):
            yield from _arrow_cells(path.name, file.get_batch(number), None)


def json_cells(path: Path, rows: Rows | None) -> Iterator[Cells]:
    """Yield the texts of one JSON document by its outermost fields; none of a very large one."""
    if path.stat().st_size <= _LARGEST_DOCUMENT:
        yield from _unnested(cells_of(path.name, "", [""], [path.read_text(encoding="utf-8")]))


def _table_cells(
    connection: duckdb.DuckDBPyConnection, relation: str, table: str, rows: Rows | None
) -> Iterator[Cells]:
    key = rows.key if rows else None
    described = connection.execute(f"describe {relation}").fetchall()
    names = {str(row[0]) for row in described}
    row_key = (
        f"{quoted(key)}::varchar"
        if key is not None and key in names
        else f"'{_UNKEYED} ' || (rowid + 1)"
    )
    for name, kind in ((str(row[0]), str(row[1])) for row in described):
        column = quoted(name)
        is_nested = any(sign in kind for sign in _NESTED)
        where = f"{column} is not null"
        if not is_nested and any(name in kind for name in _NUMBERS):
            where = f"abs(try_cast({column} as double)) >= {_SMALLEST_NUMBER}"
        elif kind == "BOOLEAN":
            continue
        text = f"to_json({column})" if is_nested else column
        if kind == "BLOB":
            text = f"coalesce(try(decode({column})), {column}::varchar)"
        result = connection.execute(
            f"select coalesce({row_key}, ''), {text}::varchar "
            f"from {relation}{_after(rows) or ' where true'} and {where}{_in_part(rows)}"
        )
        for batch in result.to_arrow_reader(_BATCH_ROWS):
            yield from _unnested(Cells(table, name, batch.column(0), batch.column(1)))


def _after(rows: Rows | None) -> str:
    """Return the condition for what has not been searched before; none for all."""
    return f" where {SEQ} > {rows.since}" if rows and rows.since is not None else ""


def _in_part(rows: Rows | None) -> str:
    """Return a further condition for the rows of one part; none for all."""
    if rows is None or rows.parts == 1:
        return ""
    return f" and rowid // {_BLOCK_ROWS} % {rows.parts} = {rows.part}"


def _rows_cells(
    table: str, names: list[str], key: int | None, result: sqlite3.Cursor, rows: Rows | None
) -> Iterator[Cells]:
    """Turn rows into cells by column, as many at a time as a batch may hold."""
    part, parts = (rows.part, rows.parts) if rows else (0, 1)
    columns: dict[str, tuple[list[str], list[str]]] = {}
    size = number = 0
    while some := result.fetchmany(_FETCHED_ROWS):
        if number // _BLOCK_ROWS % parts != part:
            number += len(some)
            continue
        row_keys = (
            [str(row[key]) for row in some]
            if key is not None
            else [f"{_UNKEYED} {number + nth}" for nth in range(1, len(some) + 1)]
        )
        number += len(some)
        for name, values in zip(names, zip(*some, strict=True), strict=True):
            keys, texts = columns.setdefault(name, ([], []))
            written = [text for text in map(_written, values) if text is not None]
            keys += (
                row_keys
                if len(written) == len(some)
                else [
                    row
                    for row, value in zip(row_keys, values, strict=True)
                    if _written(value) is not None
                ]
            )
            texts += written
            size += sum(map(len, written))
        if size >= _BATCH_CHARACTERS:
            yield from _columns_cells(table, columns)
            columns, size = {}, 0
    yield from _columns_cells(table, columns)


def _columns_cells(table: str, columns: dict[str, tuple[list[str], list[str]]]) -> Iterator[Cells]:
    for name, (keys, texts) in columns.items():
        yield from _unnested(cells_of(table, name, keys, texts))


def _arrow_cells(table: str, batch: pa.RecordBatch, key: str | None) -> Iterator[Cells]:
    names = batch.schema.names
    row_keys = (
        [str(value) for value in batch.column(key).to_pylist()]
        if key in names
        else [f"{_UNKEYED} {number}" for number in range(1, batch.num_rows + 1)]
    )
    for name in names:
        texts = [_written(value) for value in batch.column(name).to_pylist()]
        found = [(row, text) for row, text in zip(row_keys, texts, strict=True) if text is not None]
        if found:
            keys, written = [row for row, _ in found], [text for _, text in found]
            yield from _unnested(cells_of(table, name, keys, written))


def _metadata(table: str, schema: pa.Schema) -> Iterator[Cells]:
    described = dict(schema.metadata or {})
    for one in schema:
        described.update(one.metadata or {})
    for name, value in described.items():
        text = value.decode("utf-8", "replace")
        yield cells_of(table, f"{name.decode('utf-8', 'replace')} (metadata)", [""], [text])


def _written(value: Any) -> str | None:
    """Return a value as text; None where it is none or too small a number to matter."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, int | float):
        return str(value) if abs(value) >= _SMALLEST_NUMBER else None
    if isinstance(value, dict | list):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)


def _unnested(cells: Cells) -> Iterator[Cells]:
    """Yield cells that are no JSON as they are, and each leaf of the others as a cell.

    A leaf of an object goes by the name of its outermost field.
    """
    may_nest = pc.match_substring_regex(cells.texts, r"^[\[{]")
    if pc.any(may_nest).as_py():
        yield from _leaves_of(cells, pc.indices_nonzero(may_nest).to_pylist(), may_nest)
    elif len(cells.texts):
        yield cells


def _leaves_of(cells: Cells, numbers: list[int], may_nest: pa.Array) -> Iterator[Cells]:
    nested: dict[str, tuple[list[str], list[str]]] = {}
    names: dict[str, str] = {}
    plain = pc.indices_nonzero(pc.invert(may_nest)).to_pylist()
    texts = cells.texts.take(pa.array(numbers, pa.int64()))
    are_long = pc.match_substring_regex(texts, _LONG_NUMBER).to_pylist()
    for number, text, is_long in zip(numbers, texts.to_pylist(), are_long, strict=True):
        value = _parsed(text, is_long=is_long)
        if value is None:
            plain.append(number)
            continue
        key = cells.key(number)
        for name, field in value.items() if isinstance(value, dict) else [(cells.column, value)]:
            keys, found = nested.setdefault(name, ([], []))
            names.setdefault(name, key)
            if isinstance(field, str) and field[:1] not in _NESTING:
                keys.append(key)
                found.append(field)
            elif isinstance(field, dict | list | str):
                texts_of = list(_texts(field))
                keys.extend([key] * len(texts_of))
                found.extend(texts_of)
            elif (written := _written(field)) is not None:
                keys.append(key)
                found.append(written)
    if plain:
        kept = cells.texts.take(pa.array(plain, pa.int64()))
        yield Cells(cells.table, cells.column, [cells.key(number) for number in plain], kept)
    yield cells_of(cells.table, f"{cells.column} (fields)", list(names.values()), list(names))
    for name, (keys, found) in nested.items():
        if found:
            yield cells_of(cells.table, name, keys, found)


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts and large numbers of a JSON value; a text that is JSON is taken apart."""
    for leaf in leaves(value):
        written = _written(leaf)
        if isinstance(written, str):
            inner = _parsed(written, is_long=True)
            yield from [written] if inner is None else _texts(inner)


def _parsed(text: str, *, is_long: bool) -> Any:
    """Return an object or a list; None for another text. ``is_long`` where a number may be."""
    if text[:1] not in _NESTING:
        return None
    try:
        value = json.loads(text) if is_long else orjson.loads(text)
    except (ValueError, RecursionError):
        value = _leniently(text)
    return value if isinstance(value, dict | list) else None


def _leniently(text: str) -> Any:
    """Parse what only Python's own parser takes: NaN, half of a sign, nesting without end."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
