"""Turns the rows of a view into the documents that the index holds: chunks, keys, filters.

rows of a store -> chunks with the row's key and its filter columns
"""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import duckdb
import pyarrow as pa

from serving.catalog import CatalogView, SearchSpec
from serving.chunking import chunk_text
from serving.identifiers import quoted
from serving.values import INTEGERS, to_json

_BATCH_ROWS = 1_000


@dataclass(frozen=True)
class Document:
    """One chunk of one row; ``key`` is an integer or a text, as the lookup store keeps it."""

    chunk_id: str
    row_hash: str
    key: int | str
    number: int
    title: str
    heading: str
    text: str
    filters: dict[str, Any]

    @cached_property
    def embedded_text(self) -> str:
        """What the model reads."""
        return "\n".join(part for part in (self.title, self.heading, self.text) if part)

    @cached_property
    def content_hash(self) -> str:
        """Equal for equal texts in any view."""
        return hashlib.sha256(self.embedded_text.encode()).hexdigest()[:32]


def documents(
    connection: duckdb.DuckDBPyConnection,
    view: CatalogView,
    rows: str | None = None,
    keys: Collection[int | str] | None = None,
) -> Iterator[Document]:
    """Yield the documents of every row, or of the rows with these keys.

    ``rows`` is a table or more, as SQL; by default the relation of the view's name.
    """
    search = view.search
    assert search is not None
    wanted = list(dict.fromkeys([view.key, *search.text, *_titles(search), *search.filters]))
    kinds = {column.name: column.type for column in view.columns}
    selected = ", ".join(quoted(name) for name in wanted)
    found = _fetched(connection, f"{_row_hash(wanted)}, {selected}", rows or quoted(view.name))
    for values in found:
        row = dict(zip(wanted, values[1:], strict=True))
        key = _key(kinds[view.key], row[view.key])
        if keys is None or key in keys:
            yield from _row_documents(view, search, kinds, row, key, values[0])


def row_hashes(connection: duckdb.DuckDBPyConnection, view: CatalogView) -> dict[int | str, str]:
    """Return for each row's key a hash over all that its documents are made of."""
    search = view.search
    assert search is not None
    wanted = list(dict.fromkeys([view.key, *search.text, *_titles(search), *search.filters]))
    kinds = {column.name: column.type for column in view.columns}
    rows = _fetched(connection, f"{_row_hash(wanted)}, {quoted(view.key)}", quoted(view.name))
    return {_key(kinds[view.key], key): row_hash for row_hash, key in rows}


def document_keys(
    connection: duckdb.DuckDBPyConnection, view: CatalogView, rows: str
) -> list[int | str]:
    """Return the keys of some rows as documents have them."""
    kind = next(column.type for column in view.columns if column.name == view.key)
    return [_key(kind, key) for (key,) in _fetched(connection, quoted(view.key), rows)]


def _row_hash(columns: list[str]) -> str:
    fields = ", ".join(f"{quoted(name)} := {quoted(name)}" for name in columns)
    return f"md5(to_json(struct_pack({fields}))::varchar)"


def _fetched(
    connection: duckdb.DuckDBPyConnection, selected: str, rows: str
) -> Iterator[tuple[Any, ...]]:
    result = connection.execute(f"select {selected} from {rows}")
    while batch := result.fetchmany(_BATCH_ROWS):
        yield from batch


def _key(kind: str, value: Any) -> int | str:
    return int(value) if kind in INTEGERS else _as_text(value)


def _titles(search: SearchSpec) -> list[str]:
    return [search.title] if search.title else []


def _row_documents(
    view: CatalogView,
    search: SearchSpec,
    kinds: dict[str, str],
    row: dict[str, Any],
    key: int | str,
    row_hash: str,
) -> Iterator[Document]:
    title = _as_text(row[search.title]) if search.title else ""
    texts = [_as_text(row[name]) for name in search.text if name != search.title]
    filters = {name: filter_value(kinds[name], to_json(row[name])) for name in search.filters}
    for chunk in chunk_text(title, "\n\n".join(text for text in texts if text)):
        yield Document(
            chunk_id=chunk_id(view.name, key, chunk.number),
            row_hash=row_hash,
            key=key,
            number=chunk.number,
            title=title,
            heading=chunk.heading,
            text=chunk.text,
            filters=filters,
        )


def chunk_id(view: str, key: int | str, number: int) -> str:
    """Return the stable id of a chunk: the same row and number give the same id in every build."""
    return hashlib.sha256(f"{view}\n{key}\n{number}".encode()).hexdigest()[:32]


def _as_text(value: Any) -> str:
    return "" if value is None else str(to_json(value))


def filter_kind(column_type: str) -> pa.DataType:
    """Return the type in which a filter column of this DuckDB type is kept."""
    if column_type in INTEGERS:
        return pa.int64()
    if column_type == "BOOLEAN":
        return pa.bool_()
    if column_type in {"FLOAT", "DOUBLE"} or column_type.startswith("DECIMAL"):
        return pa.float64()
    return pa.string()


def filter_value(column_type: str, value: Any) -> Any:
    """Return a JSON value in the type of its filter column, None where there is none."""
    if value is None:
        return None
    kind = filter_kind(column_type)
    if pa.types.is_string(kind):
        return str(value)
    return float(value) if pa.types.is_floating(kind) else value
