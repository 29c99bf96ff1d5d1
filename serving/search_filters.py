"""What a search may be filtered by: typed values that are bound, never text that is parsed.

{column: value or values} -> checked against the view's filters -> a LanceDB expression
"""

import math
from collections.abc import Mapping
from typing import Any

from lancedb.expr import Expr, col

from serving.catalog import CatalogView
from serving.documents import filter_kind, filter_value
from serving.errors import InvalidArgument
from serving.index_table import FILTER_PREFIX

_LONGEST_VALUE = 1_000
_MOST_VALUES = 100
_INTEGER_LIMIT = 2**63


def conditions(
    tables: Mapping[str, CatalogView], filters: Mapping[str, Any]
) -> dict[str, Expr | None]:
    """Return the condition of each table that has all filtered columns."""
    allowed = {name: view.search.filters if view.search else [] for name, view in tables.items()}
    every = sorted({column for columns in allowed.values() for column in columns})
    if not set(filters) <= set(every):
        usable = f"filter by {', '.join(every)}" if every else "leave the filter out"
        raise InvalidArgument(f"there is no such filter here; {usable}", allowed=every)
    return {
        name: _condition(view, filters)
        for name, view in tables.items()
        if set(filters) <= set(allowed[name])
    }


def _condition(view: CatalogView, filters: Mapping[str, Any]) -> Expr | None:
    kinds = {column.name: column.type for column in view.columns}
    where: Expr | None = None
    for name, wanted in filters.items():
        values = wanted if isinstance(wanted, list | tuple) else [wanted]
        if not 0 < len(values) <= _MOST_VALUES:
            raise InvalidArgument(f"filter {name}: give 1 to {_MOST_VALUES} values", column=name)
        typed = [_typed(name, kinds[name], value) for value in values]
        condition = col(f"{FILTER_PREFIX}{name}").isin(typed)
        where = condition if where is None else where & condition
    return where


def _typed(name: str, kind: str, value: Any) -> bool | int | float | str:
    """Return a filter value in its column's type; InvalidArgument where it has another."""
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    fits = {
        "bool": isinstance(value, bool),
        "int64": is_integer and abs(value) < _INTEGER_LIMIT,
        "double": is_integer or (isinstance(value, float) and math.isfinite(value)),
        "string": isinstance(value, str) and len(value) <= _LONGEST_VALUE and value.isprintable(),
    }
    if not fits[str(filter_kind(kind))]:
        raise InvalidArgument(
            f"filter {name} is {kind}: give a value of that type, or a list of them", column=name
        )
    typed: bool | int | float | str = filter_value(kind, value)
    return typed
