"""The personal values of the sources, read from raw: what no artefact outside may hold.

warehouse.duckdb (raw schemas) + classes of the columns -> PersonalValues
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from serving.declarations import Declarations
from serving.identifiers import quoted
from serving.leak_scan.loads import Loads, relation
from serving.leak_scan.rules import PUBLIC, ScanRule
from serving.warehouse import read_warehouse

_BATCH_ROWS = 100_000
_NESTED = ("STRUCT", "MAP", "UNION", "[", "JSON")

Held = Callable[[], AbstractContextManager[Path]]


@dataclass(frozen=True)
class ValueColumn:
    """The distinct values of one raw column; ``origin`` is ``source.table.column``."""

    origin: str
    privacy: str
    texts: list[str]
    rule: ScanRule | None = None


@dataclass(frozen=True)
class PersonalValues:
    """Every personal value, by the column that it comes from; never shown, so it has no repr.

    ``warehouse`` gives the file in which a hit's value is compared with the public columns, held
    for as long as it is read; None for no comparison.
    """

    columns: tuple[ValueColumn, ...]
    warehouse: Held | None = None
    public: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"PersonalValues({len(self):,} values of {len(self.columns)} columns)"

    def __len__(self) -> int:
        return sum(len(column.texts) for column in self.columns)

    def by_class(self) -> dict[str, int]:
        """Return how many values each class has."""
        counts: dict[str, int] = {}
        for column in self.columns:
            counts[column.privacy] = counts.get(column.privacy, 0) + len(column.texts)
        return counts


def personal_values(
    warehouse: Path,
    declarations: Declarations,
    hold: Held | None = None,
    loads: Loads | None = None,
) -> PersonalValues:
    """Read every value of every raw column whose class is personal.

    The caller holds the warehouse, or knows that nobody writes to it; ``hold`` holds it again where
    the scan comes back to it. A column without a class counts as personal. ``loads`` leaves out the
    rows of loads that were read before, and takes those that are read now.
    """
    columns, public = [], []
    with read_warehouse(warehouse) as connection:
        there = _raw_columns(connection)
        for name, source in declarations.sources.items():
            where = loads.unread(connection, name, there) if loads else ""
            for column, kind in there.get(name, {}).items():
                declared = source.columns.get(column)
                if declared is None and column.startswith("_"):
                    continue
                privacy = (declared.privacy if declared else None) or "unclassified"
                if privacy == PUBLIC:
                    public.append((name, column))
                    continue
                if where is None:
                    continue
                texts = list(_distinct(connection, name, column, kind, where))
                rule = declared.scan if declared else None
                columns.append(ValueColumn(f"{name}.{column}", privacy, texts, rule))
    held: Held = hold or (lambda: nullcontext(warehouse))
    return PersonalValues(tuple(columns), held, tuple(public))


def of(values: Iterable[tuple[str, str, str]]) -> PersonalValues:
    """Return chosen values, such as one person's, from (origin, class, value)."""
    columns: dict[tuple[str, str], list[str]] = {}
    for origin, privacy, value in values:
        columns.setdefault((origin, privacy), []).append(value)
    return PersonalValues(
        tuple(
            ValueColumn(origin, privacy, list(dict.fromkeys(texts)))
            for (origin, privacy), texts in columns.items()
        )
    )


def _raw_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    found = connection.execute(
        "select table_schema || '.' || table_name, column_name, data_type "
        "from information_schema.columns order by ordinal_position"
    ).fetchall()
    tables: dict[str, dict[str, str]] = {}
    for table, column, kind in found:
        tables.setdefault(table, {})[column] = kind
    return tables


def _distinct(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, kind: str, where: str
) -> Iterator[str]:
    is_nested = any(sign in kind for sign in _NESTED)
    text = f"to_json({quoted(column)})" if is_nested else quoted(column)
    if kind == "BLOB":
        text = f"try(decode({text}))"
    result = connection.execute(
        f"select distinct try_cast({text} as varchar) as value from {relation(table)} "
        f"where {quoted(column)} is not null{where}"
    )
    while batch := result.fetchmany(_BATCH_ROWS):
        for (value,) in batch:
            if is_nested:
                yield from map(str, leaves(json.loads(value)))
            elif value:
                yield value


def leaves(value: Any) -> Iterator[str | int | float]:
    """Yield every text and number that a JSON value holds, keys of objects too."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(item.keys())
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
        elif item is not None and not isinstance(item, bool):
            yield item
