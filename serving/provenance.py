"""Which columns of the views each column of a statement's answer may carry; pure.

DuckDB's own syntax tree (``json_serialize_sql``) -> a set of (view, column) for each output

Errs on the wide side: what it cannot follow (pivots, ``columns(*)``, recursion, table functions) it
gives up, and the caller then takes every column that the statement can reach.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Origins = frozenset[tuple[str, str]]
Node = Mapping[str, Any]
NOTHING: Origins = frozenset()


class CannotFollowError(Exception):
    """The statement uses a construct whose columns are not followed."""


@dataclass(frozen=True)
class Output:
    """One column that a statement or relation gives, and where its values may come from."""

    name: str
    origins: Origins


@dataclass(frozen=True)
class _Relation:
    alias: str
    columns: tuple[Output, ...]


_Scope = tuple[_Relation, ...]


@dataclass(frozen=True)
class _Context:
    """What names mean at one place: common table expressions, then scopes from the inside out."""

    ctes: Mapping[str, tuple[Output, ...]]
    scopes: tuple[_Scope, ...] = ()
    aliases: Mapping[str, Origins] | None = None

    def inside(self, scope: _Scope) -> "_Context":
        return _Context(self.ctes, (scope, *self.scopes), None)


def output_origins(
    statement: Node, views: Mapping[str, Sequence[str]]
) -> tuple[Output, ...] | None:
    """The outputs of one statement node in order, or None where they cannot be followed."""
    follow = _Follower({name.lower(): (name, tuple(columns)) for name, columns in views.items()})
    try:
        return follow.statement(statement, _Context({}))
    except (CannotFollowError, KeyError, TypeError, RecursionError):
        return None


class _Follower:
    def __init__(self, views: Mapping[str, tuple[str, tuple[str, ...]]]) -> None:
        self._views = views

    def statement(self, node: Node, context: _Context) -> tuple[Output, ...]:
        context = self._with_ctes(node, context)
        if node["type"] == "SELECT_NODE":
            return tuple(self._select(node, context))
        if node["type"] == "SET_OPERATION_NODE":
            return self._set_operation(node, context)
        raise CannotFollowError

    def _with_ctes(self, node: Node, context: _Context) -> _Context:
        ctes = dict(context.ctes)
        for entry in (node.get("cte_map") or {}).get("map", []):
            body = _Context(dict(ctes), context.scopes)
            query = entry["value"]["query"]["node"]
            outputs = self.statement(query, body)
            ctes[entry["key"].lower()] = _renamed(outputs, entry["value"].get("aliases"))
        return _Context(ctes, context.scopes)

    def _set_operation(self, node: Node, context: _Context) -> tuple[Output, ...]:
        if "BY_NAME" in str(node.get("setop_type")) or "left" not in node:
            raise CannotFollowError
        left = self.statement(node["left"], context)
        right = self.statement(node["right"], context)
        if len(left) != len(right):
            raise CannotFollowError
        return tuple(
            Output(one.name, one.origins | other.origins)
            for one, other in zip(left, right, strict=True)
        )

    def _select(self, node: Node, context: _Context) -> Iterator[Output]:
        scope = self._relations(node["from_table"], context)
        aliases: dict[str, Origins] = {}
        here = _Context(context.ctes, (scope, *context.scopes), aliases)
        for item in node["select_list"]:
            if item["class"] == "STAR":
                yield from self._star(item, here)
                continue
            origins = self._expression(item, here)
            name = item.get("alias") or (item.get("column_names") or [""])[-1]
            aliases.setdefault(name.lower(), origins)
            yield Output(name, origins)

    def _star(self, item: Node, context: _Context) -> Iterator[Output]:
        if item.get("columns") or item.get("rename_list") or item.get("expr"):
            raise CannotFollowError
        excluded = {str(name).lower() for name in item.get("exclude_list", [])}
        replaced = {
            entry["key"].lower(): self._expression(entry["value"], context)
            for entry in item.get("replace_list", [])
        }
        if item.get("qualified_exclude_list"):
            raise CannotFollowError
        only = str(item.get("relation_name") or "").lower()
        for relation in context.scopes[0]:
            if only and relation.alias != only:
                continue
            for output in relation.columns:
                name = output.name.lower()
                if name not in excluded:
                    yield Output(output.name, replaced.get(name, output.origins))

    def _relations(self, table: Node, context: _Context) -> _Scope:
        kind = table["type"]
        if kind == "EMPTY":
            return ()
        if kind == "JOIN":
            return self._join(table, context)
        if kind == "BASE_TABLE":
            name = table["table_name"].lower()
            outputs = context.ctes[name] if name in context.ctes else self._view(name)
            alias = table.get("alias") or name
        elif kind == "SUBQUERY":
            outputs = self.statement(table["subquery"]["node"], context)
            alias = table.get("alias") or ""
        elif kind == "EXPRESSION_LIST":
            outputs = self._values(table, context)
            alias = table.get("alias") or ""
        else:
            raise CannotFollowError
        return (_Relation(alias.lower(), _renamed(outputs, table.get("column_name_alias"))),)

    def _join(self, table: Node, context: _Context) -> _Scope:
        if table.get("ref_type") == "NATURAL":
            raise CannotFollowError
        left = self._relations(table["left"], context)
        right = self._relations(table["right"], context.inside(left))
        if table.get("join_type") in ("SEMI", "ANTI", "RIGHT_SEMI", "RIGHT_ANTI"):
            return left
        shared = {name.lower() for name in table.get("using_columns", [])}
        return (
            *(_merged(one, right, shared) for one in left),
            *(_without(r, shared) for r in right),
        )

    def _values(self, table: Node, context: _Context) -> tuple[Output, ...]:
        rows = [[self._expression(cell, context) for cell in row] for row in table["values"]]
        return tuple(
            Output(f"col{position}", NOTHING.union(*cells))
            for position, cells in enumerate(zip(*rows, strict=True))
        )

    def _view(self, name: str) -> tuple[Output, ...]:
        view, columns = self._views[name]
        return tuple(Output(column, frozenset({(view, column)})) for column in columns)

    def _expression(self, node: Any, context: _Context) -> Origins:
        if isinstance(node, list):
            return NOTHING.union(*(self._expression(item, context) for item in node))
        if not isinstance(node, Mapping):
            return NOTHING
        kind = node.get("class")
        if kind in ("STAR", "POSITIONAL_REFERENCE"):
            raise CannotFollowError
        if kind == "COLUMN_REF":
            return _resolve([str(name).lower() for name in node["column_names"]], context)
        if kind == "CONSTANT":
            return NOTHING
        if kind == "SUBQUERY":
            outputs = self.statement(node["subquery"]["node"], context)
            inner = NOTHING.union(*(output.origins for output in outputs))
            return inner | self._expression(node.get("child"), context)
        return NOTHING.union(*(self._expression(value, context) for value in node.values()))


def _resolve(names: list[str], context: _Context) -> Origins:
    """A name's columns in the innermost scope that has it; a lambda's own variable has none."""
    for depth, scope in enumerate(context.scopes):
        found = _in_scope(names, scope)
        if found is not None:
            return found
        if depth == 0 and context.aliases is not None and names[0] in context.aliases:
            return context.aliases[names[0]]
    return NOTHING


def _in_scope(names: list[str], scope: _Scope) -> Origins | None:
    found: list[Origins] = []
    for relation in scope:
        if relation.alias == names[0]:
            inside = [column for column in relation.columns if column.name.lower() in names[1:2]]
            found += [column.origins for column in inside or relation.columns]
        found += [c.origins for c in relation.columns if c.name.lower() == names[0]]
    return NOTHING.union(*found) if found else None


def _renamed(outputs: tuple[Output, ...], names: Sequence[str] | None) -> tuple[Output, ...]:
    given = list(names or [])
    rest = [output.name for output in outputs[len(given) :]]
    return tuple(
        Output(name, output.origins) for name, output in zip([*given, *rest], outputs, strict=False)
    )


def _merged(one: _Relation, right: _Scope, shared: set[str]) -> _Relation:
    """A column of ``using`` holds either side's value."""
    if not shared:
        return one
    also: dict[str, Origins] = {}
    for relation in right:
        for column in relation.columns:
            name = column.name.lower()
            if name in shared:
                also[name] = also.get(name, NOTHING) | column.origins
    columns = (
        Output(column.name, column.origins | also.get(column.name.lower(), NOTHING))
        for column in one.columns
    )
    return _Relation(one.alias, tuple(columns))


def _without(relation: _Relation, shared: set[str]) -> _Relation:
    kept = tuple(column for column in relation.columns if column.name.lower() not in shared)
    return _Relation(relation.alias, kept)
