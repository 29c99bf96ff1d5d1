"""Compiled SQL as DuckDB's own syntax tree, and the functions that DuckDB itself brings.

The parser is the one that will run the SQL: a second grammar would differ from it somewhere.
"""

import functools
import json
import threading
from typing import Any

import duckdb

from serving.errors import NotFollowed
from serving.sandbox.syntax import Node, kind_of

# Called with OVER alone, or as tables too, so not among the scalars of duckdb_functions().
_UNLISTED = frozenset(
    "cume_dist dense_rank fill first_value lag last_value lead nth_value ntile percent_rank rank "
    "rank_dense row_number unnest".split()
)
# What they give is not made of their arguments: session variables, settings, other tables, logs.
_READ_ELSEWHERE = frozenset(
    "error getvariable current_setting getenv nextval currval write_log query query_table "
    "read_text read_blob in_search_path current_query icu_sort_key_of".split()
)
_RECURSIVE = frozenset("aliases cte_map cte_name key_targets left modifiers right type".split())
_RECURSIVE_FIELDS = _RECURSIVE | {"union_all"}


class _Parser:
    """A connection that parses; one statement at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection = duckdb.connect(":memory:", config={"threads": 1})
        # IMPORT DATABASE would read a file while it is merely taken apart.
        self._connection.execute("set enable_external_access = false")

    def serialize(self, sql: str) -> dict[str, Any]:
        with self._lock:
            row = self._connection.execute(
                "select json_serialize_sql($1, skip_null := true, skip_empty := true)", [sql]
            ).fetchone()
        parsed: dict[str, Any] = json.loads(row[0]) if row else {}
        return parsed

    def functions(self) -> list[tuple[str, str]]:
        with self._lock:
            return self._connection.execute(
                "select distinct lower(function_name), function_type from duckdb_functions()"
            ).fetchall()


@functools.cache
def _parser() -> _Parser:
    return _Parser()


@functools.cache
def known_functions() -> frozenset[str]:
    """The engine's functions whose result is made of their arguments alone."""
    kinds = {"scalar", "aggregate", "macro"}
    names = {name for name, kind in _parser().functions() if kind in kinds}
    return frozenset(names | _UNLISTED) - _READ_ELSEWHERE


@functools.cache
def aggregates() -> frozenset[str]:
    """The names of the engine's aggregate functions."""
    return frozenset(name for name, kind in _parser().functions() if kind == "aggregate")


def parse(sql: str) -> Node:
    """Return the tree of the one SELECT in ``sql``; NotFollowed where it is something else."""
    try:
        parsed = _parser().serialize(sql)
    except (duckdb.Error, RecursionError, ValueError) as error:
        raise NotFollowed("the SQL cannot be taken apart; nested too deeply?") from error
    if parsed.get("error"):
        raise NotFollowed(
            "DuckDB's parser does not take this SQL apart as one SELECT; a PIVOT needs its values "
            "in an IN list"
        )
    statements = parsed.get("statements", [])
    if len(statements) != 1 or "node" not in statements[0]:
        raise NotFollowed("the SQL is not exactly one SELECT")
    node: Node = statements[0]["node"]
    return node


def known(node: Node) -> Node:
    """Return the node; NotFollowed for a kind, or a field of a kind, that is not on the list."""
    if node.get("type") == "RECURSIVE_CTE_NODE" and _RECURSIVE_FIELDS.issuperset(node):
        return node
    if kind_of(node) is None:
        raise NotFollowed(f"{node.get('class') or node.get('type')} is no known kind of SQL", node)
    return node


def nodes_below(value: Any) -> list[Node]:
    """Return the nearest nodes in a field's value: of lists and of plain objects too."""
    if isinstance(value, list):
        return [node for item in value for node in nodes_below(item)]
    if not isinstance(value, dict):
        return []
    if "class" in value:
        return [value]
    return [node for item in value.values() for node in nodes_below(item)]
