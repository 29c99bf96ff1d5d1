"""The columns that a star stands for: ``*``, ``t.*``, ``COLUMNS(...)``, with what they leave out.

Where it is not certain which columns a pattern takes, it takes all.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from serving.errors import NotFollowed
from serving.lineage.relations import Column, Entry, Scope
from serving.lineage.values import NOTHING, Value, plain
from serving.sandbox.syntax import Node

# Means the same to RE2 and to Python.
_SIMPLE_PATTERN = re.compile(r"[\w^$|.*+?()]*", re.ASCII)


@dataclass(frozen=True)
class Expansion:
    """Columns in order, and ``others`` of which the names are not known."""

    columns: tuple[Column, ...]
    others: Value | None = None


def expand(star: Node, scope: Scope, value: Callable[[Node], Value]) -> Expansion:
    """Return the columns of a star in this scope; ``value`` reads the expressions of REPLACE."""
    entries = _entries(star, scope)
    columns = [
        _renamed(star, entry, column)
        for entry in entries
        for column in entry.visible()
        if not _is_left_out(star, entry, column[0])
    ]
    opened = [entry.relation.others for entry in entries if entry.relation.others is not None]
    replaced = {plain(one["key"]): value(one["value"]) for one in star.get("replace_list", [])}
    columns = [(name, replaced.get(name, found)) for name, found in columns]
    wanted = _pattern(star.get("expr"))
    columns = [column for column in columns if wanted is None or wanted(column[0])]
    steering = value(star["expr"]) if _is_expression(star.get("expr")) else NOTHING
    columns = [(name, found | steering) for name, found in columns]
    return Expansion(tuple(columns), NOTHING.union(*opened) if opened else None)


def _entries(star: Node, scope: Scope) -> list[Entry]:
    name = star.get("relation_name")
    if not name:
        return list(scope.tables.entries)
    called = plain(name)
    found = [entry for entry in scope.tables.entries if entry.is_called([called])]
    if found:
        # `t.*` shows what USING has merged away, too.
        return [Entry(entry.qualifiers, entry.relation) for entry in found]
    raise NotFollowed(f"{called}.* is of no table that is known here", star)


def _is_left_out(star: Node, entry: Entry, name: str) -> bool:
    if name in {plain(one) for one in star.get("exclude_list", [])}:
        return True
    return any(
        plain(one.get("column", "")) == name and entry.is_called([plain(one.get("table", ""))])
        for one in star.get("qualified_exclude_list", [])
    )


def _renamed(star: Node, entry: Entry, column: Column) -> Column:
    for one in star.get("rename_list", []):
        table = plain(one["key"].get("table", ""))
        if plain(one["key"]["column"]) == column[0] and (not table or entry.is_called([table])):
            return plain(one["value"]), column[1]
    return column


def _is_expression(expr: Any) -> bool:
    return isinstance(expr, dict) and expr.get("class") not in (None, "CONSTANT", "FUNCTION")


def _pattern(expr: Any) -> Callable[[str], bool] | None:
    if not isinstance(expr, dict) or expr.get("class") != "CONSTANT":
        return None
    text = expr["value"].get("value")
    if not isinstance(text, str) or not _SIMPLE_PATTERN.fullmatch(text):
        return None
    try:
        compiled = re.compile(text, re.IGNORECASE)
    except re.error:
        return None
    return lambda name: name == "?" or compiled.search(name) is not None
