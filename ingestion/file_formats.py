"""Reads the rows of a CSV, JSONL or Parquet file as Arrow tables.

file -> rows -> RowModel -> Arrow with the declared types; what is not declared is text
"""

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingestion.row_model import RowModel, SetAside
from ingestion.spec import FileTableSpec

ROW_NUMBER = "_file_row"
CHUNK_ROWS = 20_000
_MAX_CELL = 256 * 1024 * 1024
_UTC = pa.timestamp("us", tz="UTC")
_ARROW_TYPES = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "text": pa.string(),
    "boolean": pa.bool_(),
    "timestamp": _UTC,
    "date": pa.date32(),
    "object": pa.string(),
    "array": pa.string(),
}
Row = dict[str, Any]


class BrokenFile(Exception):
    """A file that cannot be parsed; ``may_heal`` where it may be one that is still written.

    The text names the rule, never a value.
    """

    def __init__(self, reason: str, *, may_heal: bool) -> None:
        super().__init__(reason)
        self.may_heal = may_heal


def file_rows(
    content: BinaryIO, table: FileTableSpec, set_aside: SetAside, last_try: bool
) -> Iterator[pa.Table]:
    """Yield the good rows of a file, each with its number in ROW_NUMBER; may raise BrokenFile.

    On the ``last_try`` what looks half-written is taken for what it is.
    """
    model = RowModel(table.row, table.primary_key)
    if table.format == "parquet":
        yield from _parquet(content, model, set_aside)
        return
    if table.format == "csv":
        rows = _csv(content, table, set_aside)
    else:
        rows = _jsonl(content, set_aside, last_try)
    chunk: list[Row] = []
    declared = {*table.row, *table.primary_key}
    for number, row in rows:
        if table.only_declared:
            row = {name: value for name, value in row.items() if name in declared}
        checked = model.check(row, set_aside)
        if checked is not None:
            chunk.append({**checked, ROW_NUMBER: number})
        if len(chunk) == CHUNK_ROWS:
            yield _as_arrow(chunk, table)
            chunk = []
    if chunk:
        yield _as_arrow(chunk, table)


def _csv(content: BinaryIO, table: FileTableSpec, set_aside: SetAside) -> Iterator[tuple[int, Row]]:
    # The limit is the interpreter's own, so it is raised for all; 131,072 is too low for a cell.
    csv.field_size_limit(_MAX_CELL)
    text = io.TextIOWrapper(content, encoding="utf-8-sig", newline="")
    lines = csv.reader(text, delimiter=table.delimiter, strict=True)
    try:
        header = next(lines, [])
        _refuse_header(header, table)
        empty_is_null = {name for name, kind in table.row.items() if kind.type != "text"}
        for number, values in enumerate(lines, start=1):
            if not values:
                continue
            if len(values) != len(header):
                told = "more" if len(values) > len(header) else "fewer"
                row = dict(zip(header, values, strict=False))
                set_aside(_line_key(table, row, number), f"line: {told}_values_than_columns", row)
                continue
            yield (
                number,
                {
                    name: None if value == "" and name in empty_is_null else value
                    for name, value in zip(header, values, strict=True)
                },
            )
    except csv.Error as error:
        raise BrokenFile("content: not CSV", may_heal=True) from error
    except UnicodeDecodeError as error:
        raise not_utf8(error) from error
    finally:
        text.detach()


def not_utf8(error: UnicodeDecodeError) -> BrokenFile:
    """A file that ends in the middle of a letter may still be written; no other will heal."""
    return BrokenFile("content: not UTF-8", may_heal=error.reason == "unexpected end of data")


def _refuse_header(header: list[str], table: FileTableSpec) -> None:
    if not header:
        return
    if len(set(header)) < len(header):
        raise BrokenFile("header: two columns have one name", may_heal=False)
    missing = [name for name in table.primary_key if name not in header]
    if missing:
        raise BrokenFile(f"header: no column {', '.join(missing)}", may_heal=False)


def _line_key(table: FileTableSpec, row: Mapping[str, Any], number: int) -> str:
    if all(row.get(name) is not None for name in table.primary_key):
        return RowModel({}, table.primary_key).key_of(row)
    return f"line {number}"


def _jsonl(content: BinaryIO, set_aside: SetAside, last_try: bool) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(content, start=1):
        text = line.removeprefix(codecs.BOM_UTF8).strip()
        if not text:
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            if not line.endswith(b"\n") and not last_try:
                raise BrokenFile("line: not_json at the end", may_heal=True) from error
            set_aside(f"line {number}", "line: not_json", {})
            continue
        if isinstance(row, dict):
            yield number, row
        else:
            set_aside(f"line {number}", "line: not_an_object", {})


def _as_arrow(rows: list[Row], table: FileTableSpec) -> pa.Table:
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {}
    for name in names:
        declared = table.row.get(name)
        kind = declared.type if declared else "integer" if name == ROW_NUMBER else "undeclared"
        write = _WRITERS.get(kind, _same)
        values = [write(row.get(name)) for row in rows]
        columns[name] = pa.array(values, _ARROW_TYPES.get(kind, pa.string()))
    return pa.table(columns)


def _same(value: Any) -> Any:
    return value


def _in_utc(value: datetime | None) -> datetime | None:
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else _json(value)


_WRITERS: dict[str, Callable[[Any], Any]] = {
    "timestamp": _in_utc,
    "object": _json,
    "array": _json,
    "undeclared": _text,
}


def _parquet(content: BinaryIO, model: RowModel, set_aside: SetAside) -> Iterator[pa.Table]:
    try:
        file = pq.ParquetFile(content)
        missing = [name for name in model.primary_key if name not in file.schema_arrow.names]
        if missing:
            raise BrokenFile(f"schema: no column {', '.join(missing)}", may_heal=False)
        read = 0
        for batch in file.iter_batches(batch_size=CHUNK_ROWS):
            rows = _plain(pa.Table.from_batches([batch]))
            numbers = pa.array(range(read + 1, read + rows.num_rows + 1), pa.int64())
            read += rows.num_rows
            yield model.filter_arrow(rows.append_column(ROW_NUMBER, numbers), set_aside)
    except (pa.ArrowException, OSError) as error:
        raise BrokenFile("content: not Parquet", may_heal=True) from error


def _plain(rows: pa.Table) -> pa.Table:
    """Write what raw has no type for as text: lists and structs as JSON, long decimals in full."""
    for index, field in enumerate(rows.schema):
        plain = _plain_column(rows.column(index), field.type)
        if plain is not None:
            rows = rows.set_column(index, field.name, plain)
    return rows.replace_schema_metadata(None)


def _plain_column(values: pa.ChunkedArray, kind: pa.DataType) -> Any:
    if pa.types.is_dictionary(kind):
        return values.cast(kind.value_type)
    if pa.types.is_nested(kind):
        return pa.array([_json(value) for value in values.to_pylist()], pa.string())
    if pa.types.is_decimal256(kind):
        return pc.cast(values, pa.string())
    if pa.types.is_uint64(kind):
        return values.cast(pa.decimal128(20, 0))
    if pa.types.is_float16(kind):
        return values.cast(pa.float32())
    if pa.types.is_null(kind) or pa.types.is_duration(kind):
        return values.cast(pa.int64()).cast(pa.string())
    return None
