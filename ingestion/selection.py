"""The condition that reads chosen rows of a database's table, by keys that came as texts."""

import uuid
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from ingestion.batch import Key

_READERS: dict[type, Callable[[str], Any]] = {
    int: int,
    str: str,
    Decimal: Decimal,
    date: date.fromisoformat,
    datetime: datetime.fromisoformat,
    uuid.UUID: uuid.UUID,
}


def chosen_rows(
    table: sa.Table, primary_key: Sequence[str], keys: Sequence[Key]
) -> sa.ColumnElement[bool]:
    """Return the condition that holds for the rows with these keys and no others."""
    columns = [table.c[name] for name in primary_key]
    typed = [tuple(map(_typed, columns, key)) for key in keys]
    if not typed:
        return sa.false()
    readable = [_comparable(column) for column in columns]
    if len(columns) == 1:
        return readable[0].in_([key[0] for key in typed])
    return sa.tuple_(*readable).in_(typed)


def _typed(column: sa.Column[Any], text: str) -> Any:
    return _READERS.get(_python_type(column), str)(text)


def _comparable(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """A column of a kind that has no literal (an inet, an enum) is compared as its text."""
    if _python_type(column) in _READERS and not isinstance(column.type, sa.Enum):
        return column
    return sa.cast(column, sa.Text)


def _python_type(column: sa.Column[Any]) -> type:
    try:
        return column.type.python_type
    except NotImplementedError:
        return object
