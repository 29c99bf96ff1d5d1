"""Whether a recursive common table expression says where it ends.

What it says may be wrong, and then the time or memory limit ends it. One that says nothing never
ends, so it is refused with what is missing.
"""

from collections.abc import Iterator
from typing import Any

from serving.sandbox import bounds
from serving.sandbox.syntax import Node

MOST_STEPS = bounds.MAX_TABLE_ROWS
_COMPARISONS = frozenset(
    f"COMPARE_{name}"
    for name in "LESSTHAN LESSTHANOREQUALTO GREATERTHAN GREATERTHANOREQUALTO EQUAL IN".split()
)


def refusal(node: Node) -> str | None:
    """Why this RECURSIVE_CTE_NODE may never end and what to add; None if it says where it ends.

    Its recursive part has to read a second table, or to compare with a value of its own.
    """
    name = str(node.get("cte_name", "")).lower()
    for part in _selects(node.get("right", {})):
        tables = [str(table.get("table_name", "")).lower() for table in _tables(part)]
        if name not in tables:
            continue
        ends = [end for end in map(_end, _conditions(part)) if end is not None]
        if any(end > MOST_STEPS for end in ends):
            return f"A recursion may count up to {MOST_STEPS}"
        if not ends and set(tables) == {name}:
            return (
                "A recursive common table expression needs an end in its second part, such as "
                "`where i < 100` or a join with a table of yours; to count, use range()"
            )
    return None


def _selects(node: Node) -> Iterator[Node]:
    """The SELECTs that a set operation is made of."""
    if node.get("type") == "SELECT_NODE":
        yield node
    for child in (node.get("left"), node.get("right"), *node.get("children", [])):
        if isinstance(child, dict):
            yield from _selects(child)


def _tables(value: Any) -> Iterator[Node]:
    if isinstance(value, list):
        for item in value:
            yield from _tables(item)
    elif isinstance(value, dict):
        if value.get("type") == "BASE_TABLE":
            yield value
        for item in value.values():
            yield from _tables(item)


def _conditions(select: Node) -> Iterator[Node]:
    """The conditions that all have to hold: of WHERE, of the joins and of QUALIFY."""
    waiting = [select.get("where_clause"), select.get("qualify"), select.get("from_table")]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict):
            continue
        if node.get("type") == "CONJUNCTION_AND":
            waiting += node.get("children", [])
        elif node.get("type") == "JOIN":
            waiting += [node.get("condition"), node.get("left"), node.get("right")]
        elif "class" in node:
            yield node


def _end(condition: Node) -> float | None:
    """The number that a comparison ends at, 0 for what is no number, None for no comparison."""
    sides = [condition.get(side) for side in ("left", "right")]
    if condition.get("class") == "BETWEEN":
        sides = [condition.get("input"), condition.get("upper")]
    elif condition.get("type") not in _COMPARISONS:
        return None
    spans = [bounds.span(side) for side in sides if isinstance(side, dict)]
    known = [abs(end) for found in spans if found is not None for end in found]
    return max(known, default=0.0)
