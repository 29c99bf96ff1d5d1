"""What a table's rows are, range by range and row by row, on one side of a comparison.

Side.ranges() -> range: (rows, hash);  Side.rows(ranges) -> key, row hash and cursor of each
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ingestion.batch import DELETED_AT
from ingestion.row_hash import (
    HASH_DIGITS,
    NULL,
    SEPARATOR,
    HashedColumn,
    hash_in_duckdb,
    hash_in_source,
    in_duckdb,
    in_source,
    source_name,
    source_text,
)
from ingestion.vanished import quoted
from ingestion.warehouse import reading, writing

HASHING_DIALECTS = ("postgresql", "mysql", "mariadb")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FETCH_ROWS = 10_000
_RANGES_A_QUERY = 1_000

Ranges = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Row:
    """One row: its key's texts, the hash of its comparable columns and its cursor's text."""

    key: tuple[str, ...]
    hash: int
    cursor: str | None


@dataclass(frozen=True)
class Compared:
    """A table as both sides compare it; ``digits`` of the key's hash name a range."""

    key: tuple[HashedColumn, ...]
    columns: tuple[HashedColumn, ...]
    cursor: HashedColumn | None
    digits: int


@dataclass(frozen=True)
class RawSide:
    """The live rows of a raw table."""

    home: Path
    source: str
    table: str
    compared: Compared

    def ranges(self) -> Ranges:
        """Return count and hash of every range that has rows."""
        return {
            row[0]: (row[1], int(row[2]))
            for row in self._ask(
                f"{self._range}, count(*), sum({hash_in_duckdb(in_duckdb(self.compared.columns))})",
                "group by 1",
            )
        }

    def rows(self, ranges: Collection[str]) -> Iterator[Row]:
        """Return the rows of these ranges."""
        compared = self.compared
        keys = [in_duckdb([column]) for column in compared.key]
        cursor = in_duckdb([compared.cursor]) if compared.cursor else "null"
        row_hash = hash_in_duckdb(in_duckdb(compared.columns))
        found = self._ask(
            f"{', '.join(keys)}, {row_hash}, {cursor}",
            f"and {self._range} in (select unnest(?))",
            [sorted(ranges)],
        )
        return (_row(row, len(compared.key)) for row in found)

    @property
    def _range(self) -> str:
        return f"substr(md5({in_duckdb(self.compared.key)}), 1, {self.compared.digits})"

    def _ask(self, columns: str, rest: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        name = f"{quoted(self.source)}.{quoted(self.table)}"
        with writing(self.home) as path, reading(path) as live:
            return live.execute(
                f"select {columns} from {name} where {DELETED_AT} is null {rest}", values
            ).fetchall()


@dataclass(frozen=True)
class HashingSide:
    """A table of a database that can hash its own rows: only summaries and odd ranges travel."""

    live: sa.Connection
    table: sa.Table
    compared: Compared

    def ranges(self) -> Ranges:
        """Return count and hash of every range that has rows."""
        row_hash = hash_in_source(self._dialect, in_source(self._dialect, self.compared.columns))
        found = self._ask(f"{self._range} as r, count(*), sum({row_hash})", "group by 1")
        return {row[0]: (row[1], int(row[2])) for row in found}

    def rows(self, ranges: Collection[str]) -> Iterator[Row]:
        """Return the rows of these ranges."""
        dialect, compared = self._dialect, self.compared
        keys = [source_text(dialect, column) for column in compared.key]
        cursor = source_text(dialect, compared.cursor) if compared.cursor else "null"
        row_hash = hash_in_source(dialect, in_source(dialect, compared.columns))
        ordered = sorted(ranges)
        for start in range(0, len(ordered), _RANGES_A_QUERY):
            # Hexadecimal digits: nothing in them could end the text.
            texts = ", ".join(f"'{name}'" for name in ordered[start : start + _RANGES_A_QUERY])
            found = self._ask(
                f"{', '.join(keys)}, {row_hash}, {cursor}", f"where {self._range} in ({texts})"
            )
            yield from (_row(row, len(compared.key)) for row in found)

    @property
    def _dialect(self) -> str:
        return self.live.dialect.name

    @property
    def _range(self) -> str:
        key = in_source(self._dialect, self.compared.key)
        return f"substr(md5({key}), 1, {self.compared.digits})"

    def _ask(self, columns: str, rest: str) -> list[Any]:
        parts = (self.table.schema, self.table.name)
        name = ".".join(source_name(self._dialect, part) for part in parts if part)
        statement = f"select {columns} from {name} {rest}".replace(":", "\\:")
        return list(self.live.execute(sa.text(statement)))


@dataclass(frozen=True)
class ListingSide:
    """A table of any other database: every row's comparable columns travel and are hashed here."""

    live: sa.Connection
    table: sa.Table
    compared: Compared

    def ranges(self) -> Ranges:
        """Return count and hash of every range that has rows."""
        found: Ranges = {}
        for name, row in self._all():
            count, total = found.get(name, (0, 0))
            found[name] = (count + 1, total + row.hash)
        return found

    def rows(self, ranges: Collection[str]) -> Iterator[Row]:
        """Return the rows of these ranges."""
        return (row for name, row in self._all() if name in ranges)

    def _all(self) -> Iterator[tuple[str, Row]]:
        compared = self.compared
        named = [*compared.columns, *([compared.cursor] if compared.cursor else [])]
        query = sa.select(*(self.table.c[column.name] for column in named))
        streamed = self.live.execution_options(yield_per=_FETCH_ROWS).execute(query)
        for values in streamed:
            texts = dict(zip(named, map(text_of, values), strict=True))
            key = tuple(texts[column] or NULL for column in compared.key)
            whole = [texts[c] if texts[c] is not None else NULL for c in compared.columns]
            cursor = texts[compared.cursor] if compared.cursor else None
            yield (
                _md5(SEPARATOR.join(key))[: compared.digits],
                Row(key, int(_md5(SEPARATOR.join(map(str, whole)))[:HASH_DIGITS], 16), cursor),
            )


def text_of(value: Any) -> str | None:
    """A value's text as both other sides write it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, datetime):
        instant = value if value.tzinfo else value.replace(tzinfo=UTC)
        return str((instant - _EPOCH) // timedelta(microseconds=1))
    if isinstance(value, date):
        return str((value - _EPOCH.date()).days)
    return str(value)


def key_as_read(column: HashedColumn) -> Callable[[str], str]:
    """Return how the comparison's text of a key becomes the text that a selection reads by."""
    if column.kind == "instant":
        return lambda text: (_EPOCH + timedelta(microseconds=int(text))).isoformat()
    if column.kind == "date":
        return lambda text: (_EPOCH.date() + timedelta(days=int(text))).isoformat()
    return str


def _row(values: Sequence[Any], width: int) -> Row:
    cursor = values[width + 1]
    return Row(tuple(values[:width]), int(values[width]), None if cursor == NULL else cursor)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
