"""Reads every cell of the stores that compress or nest what they hold.

DuckDB, SQLite, Lance, Parquet, Arrow -> Column: cells of one column with the keys of their rows
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import lancedb
import pyarrow as pa
import pyarrow.parquet

from serving.identifiers import quoted
from serving.leak_scan.values import leaves

_BATCH_ROWS = 20_000
_BATCH_CHARACTERS = 1 << 20
# A number as short as these is searched for nowhere, so it need not be read.
_SMALLEST_NUMBER = 10**6
_NUMBERS = ("INT", "DECIMAL", "DOUBLE", "FLOAT", "HUGEINT")
_NESTED = ("STRUCT", "MAP", "UNION", "[")
_UNKEYED = "row"
_LARGEST_DOCUMENT = 64 << 20


@dataclass(frozen=True)
class Cells:
    """Some cells of one column of one table, each with the key of its row."""

    table: str
    column: str
    keys: list[str]
    texts: list[str]


def duckdb_cells(path: Path, key: str | None) -> Iterator[Cells]:
    """Yield the cells of every table, and what the file says about them: comments, views, macros.

    A row goes by the cell of its column ``key``; where there is none, by its number.
    """
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() where not internal"
        ).fetchall()
        for schema, table in tables:
            relation = f"{quoted(schema)}.{quoted(table)}"
            yield from _table_cells(connection, relation, table, key)
        told = connection.execute(
            "select table_name, '(comment)', comment from duckdb_tables() where not internal "
            "union all select table_name, column_name || ' (description)', comment "
            "from duckdb_columns() where not internal "
            "union all select table_name, column_name || ' (default)', column_default "
            "from duckdb_columns() where not internal "
            "union all select view_name, '(view)', sql from duckdb_views() where not internal "
            "union all select function_name, '(macro)', macro_definition from duckdb_functions() "
            "where not internal"
        ).fetchall()
        names = connection.execute(
            "select table_name, '(columns)', column_name from duckdb_columns() where not internal"
        ).fetchall()
    for table, column, text in [*told, *names]:
        if text:
            yield Cells(table, column, [""], [text])


def sqlite_cells(path: Path, key: str | None) -> Iterator[Cells]:
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
            result = connection.execute(f"select * from {quoted(table)}")
            names = [str(column[0]) for column in result.description]
            place = names.index(key) if key in names else None
            yield from _rows_cells(table, names, place, iter(result))
        statements = connection.execute("select name, sql from sqlite_master").fetchall()
    for name, statement in statements:
        if statement:
            yield Cells(str(name), "(definition)", [""], [str(statement)])


def lance_cells(folder: Path, key: str | None) -> Iterator[Cells]:
    """Yield the cells of a Lance table, of its older versions too where rows have changed."""
    table = lancedb.connect(folder.parent).open_table(folder.name.removesuffix(".lance"))
    versions = [entry["version"] for entry in table.list_versions()]
    # One data file and no deletion: every version has the rows of the last.
    is_fresh = len(list(folder.glob("data/*"))) <= 1 and not (folder / "_deletions").is_dir()
    for version in versions[-1:] if is_fresh else versions:
        table.checkout(version)
        names = [one.name for one in table.schema if not pa.types.is_fixed_size_list(one.type)]
        for batch in table.search().select(names).to_batches(_BATCH_ROWS):
            yield from _arrow_cells(table.name, batch, key)


def parquet_cells(path: Path, key: str | None) -> Iterator[Cells]:
    """Yield the cells of a Parquet file and its metadata."""
    with pyarrow.parquet.ParquetFile(path) as file:
        yield from _metadata(path.name, file.schema_arrow)
        for batch in file.iter_batches(_BATCH_ROWS):
            yield from _arrow_cells(path.name, batch, None)


def arrow_cells(path: Path, key: str | None) -> Iterator[Cells]:
    """Yield the cells of an Arrow file and its metadata."""
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
        yield from _metadata(path.name, file.schema)
        for number in range(file.num_record_batches):
            yield from _arrow_cells(path.name, file.get_batch(number), None)


def json_cells(path: Path, key: str | None) -> Iterator[Cells]:
    """Yield the texts of one JSON document by its outermost fields; none of a very large one."""
    if path.stat().st_size <= _LARGEST_DOCUMENT:
        yield from _unnested(Cells(path.name, "", [""], [path.read_text(encoding="utf-8")]))


def _table_cells(
    connection: duckdb.DuckDBPyConnection, relation: str, table: str, key: str | None
) -> Iterator[Cells]:
    described = connection.execute(f"describe {relation}").fetchall()
    names = {str(row[0]) for row in described}
    row_key = f"{quoted(key)}::varchar" if key in names else f"'{_UNKEYED} ' || (rowid + 1)"
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
            f"select coalesce({row_key}, ''), {text}::varchar from {relation} where {where}"
        )
        while batch := result.fetchmany(_BATCH_ROWS):
            keys, texts = zip(*batch, strict=True)
            yield from _unnested(Cells(table, name, list(keys), list(texts)))


def _rows_cells(
    table: str, names: list[str], key: int | None, rows: Iterator[tuple[Any, ...]]
) -> Iterator[Cells]:
    """Turn rows into cells by column, as many at a time as a batch may hold."""
    columns: dict[str, Cells] = {}
    size = 0
    for number, row in enumerate(rows, start=1):
        row_key = str(row[key]) if key is not None else f"{_UNKEYED} {number}"
        for name, value in zip(names, row, strict=True):
            text = _written(value)
            if text is None:
                continue
            cells = columns.setdefault(name, Cells(table, name, [], []))
            cells.keys.append(row_key)
            cells.texts.append(text)
            size += len(text)
        if size >= _BATCH_CHARACTERS:
            for cells in columns.values():
                yield from _unnested(cells)
            columns, size = {}, 0
    for cells in columns.values():
        yield from _unnested(cells)


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
        cells = Cells(table, name, [row for row, _ in found], [text for _, text in found])
        yield from _unnested(cells)


def _metadata(table: str, schema: pa.Schema) -> Iterator[Cells]:
    described = dict(schema.metadata or {})
    for one in schema:
        described.update(one.metadata or {})
    for name, value in described.items():
        text = value.decode("utf-8", "replace")
        yield Cells(table, f"{name.decode('utf-8', 'replace')} (metadata)", [""], [text])


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
    plain = Cells(cells.table, cells.column, [], [])
    names = Cells(cells.table, f"{cells.column} (fields)", [], [])
    nested: dict[str, Cells] = {}
    for key, text in zip(cells.keys, cells.texts, strict=True):
        value = _parsed(text)
        if value is None:
            plain.keys.append(key)
            plain.texts.append(text)
            continue
        for name, field in value.items() if isinstance(value, dict) else [(cells.column, value)]:
            if name not in nested:
                nested[name] = Cells(cells.table, name, [], [])
                names.keys.append(key)
                names.texts.append(name)
            found = list(_texts(field))
            nested[name].keys.extend([key] * len(found))
            nested[name].texts.extend(found)
    yield from (one for one in (plain, names, *nested.values()) if one.texts)


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts and large numbers of a JSON value; a text that is JSON is taken apart."""
    for leaf in leaves(value):
        written = _written(leaf)
        if isinstance(written, str):
            inner = _parsed(written)
            yield from [written] if inner is None else _texts(inner)


def _parsed(text: str) -> Any:
    if text[:1] not in ("{", "["):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict | list) else None
