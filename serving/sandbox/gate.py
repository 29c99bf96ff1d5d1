"""Decides from a statement's syntax tree alone whether an agent may run it.

sql -> parse -> every node against the allow-lists -> Checked, or a refusal that helps

Nothing is recognised as bad: what is not known to be good is refused.
"""

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serving.errors import AnswerError, InvalidSql, PolicyDenied, UnknownTable
from serving.sandbox import bounds, functions, recursion, syntax
from serving.sandbox.statements import TOO_DEEP, character, engine_functions, parse
from serving.sandbox.syntax import Node

MAX_TABLE_REFERENCES = 24
# Common table expressions count as often as they are used: a dozen of them, each the join of the
# one before with itself, keep the planner busy for minutes.
MAX_EXPANDED_REFERENCES = 120
MAX_DEPTH = 200

Scope = frozenset[str]


@dataclass(frozen=True)
class Checked:
    """What an allowed statement reads.

    ``columns`` holds, for each view of known columns, those that the statement may read: the
    named ones, or all where a star, PIVOT, NATURAL JOIN or whole row takes what there is. A name
    that several views have counts for each of them. ``tree`` is the statement as it was parsed.
    """

    tables: list[str]
    columns: dict[str, list[str]]
    functions: list[str]
    tree: Node = field(repr=False, compare=False)


def check(sql: str, views: Collection[str]) -> Checked:
    """Return what ``sql`` reads if an agent of these views may run it; AnswerError if not.

    ``views`` may map each view to its columns; then ``columns`` of the result is known.
    """
    tree = parse(sql)
    walk = _Walk(sql, {view.lower(): view for view in views})
    try:
        walk.visit(tree, frozenset(), 0)
    except RecursionError as error:
        raise PolicyDenied(TOO_DEEP) from error
    return walk.result(views if isinstance(views, Mapping) else {}, tree)


@dataclass
class _Select:
    """The views in one FROM, and whether a star stands for their columns."""

    views: set[str] = field(default_factory=set)
    has_star: bool = False


@dataclass
class _Walk:
    sql: str
    views: dict[str, str]
    tables: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)
    aliases: dict[str, set[str]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    alone: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)
    references: int = 0
    weights: dict[str, int] = field(default_factory=dict)
    select: _Select = field(default_factory=_Select)

    def visit(self, value: Any, scope: Scope, depth: int) -> int:
        """Check a node and all below it; return how many table references it expands to."""
        if isinstance(value, list):
            return sum(self.visit(item, scope, depth) for item in value)
        if not isinstance(value, dict):
            return 0
        if depth > MAX_DEPTH:
            raise PolicyDenied(TOO_DEEP)
        kind = syntax.kind_of(value)
        if kind is None:
            raise self._unknown_kind(value)
        if kind in syntax.QUERY_NODES:
            return self._query(value, scope, depth)
        own = self._own(kind, value, scope)
        below = 0
        for name, item in value.items():
            if kind == "TABLE_FUNCTION" and name == "function":
                below += self._table_function(item, scope, depth + 1)
            elif isinstance(item, dict | list):
                below += self.visit(item, scope, depth + 1)
        if own + below > MAX_EXPANDED_REFERENCES:
            raise self._too_many()
        return own + below

    def result(self, columns: Mapping[str, Sequence[str]], tree: Node) -> Checked:
        """What was read, in the order of the names."""
        tables = sorted(self.tables)
        # A table's name or alias in place of a column is its whole row.
        rows = [self.aliases[name] for name in self.alone & set(self.aliases)]
        whole = self.whole.union(*rows)
        return Checked(
            tables=tables,
            columns={
                table: [
                    name for name in columns[table] if table in whole or name.lower() in self.names
                ]
                for table in tables
                if table in columns
            },
            functions=sorted(self.calls),
            tree=tree,
        )

    def _query(self, node: Node, scope: Scope, depth: int) -> int:
        outer, self.weights = self.weights, dict(self.weights)
        around, self.select = self.select, _Select()
        for entry in (node.get("cte_map") or {}).get("map", []):
            # A body is resolved before its own name is visible.
            weight = self.visit(entry["value"], scope, depth + 1)
            name = str(entry["key"]).lower()
            self.weights[name] = max(weight, 1)
            scope |= {name}
        own = self._recursion(node, scope) if node["type"] == "RECURSIVE_CTE_NODE" else scope
        total = sum(
            self.visit(item, own if key == "right" else scope, depth + 1)
            for key, item in node.items()
            if key != "cte_map"
        )
        if self.select.has_star:
            self.whole |= self.select.views
        self.weights, self.select = outer, around
        return total

    def _recursion(self, node: Node, scope: Scope) -> Scope:
        """The scope of the part that repeats: it alone sees the expression's own name."""
        problem = recursion.refusal(node)
        if problem:
            raise self._refuse(problem, node)
        name = str(node["cte_name"]).lower()
        self.weights[name] = 1
        return scope | {name}

    def _own(self, kind: str, node: Node, scope: Scope) -> int:
        match kind:
            case "BASE_TABLE":
                return self._table(node, scope)
            case "SHOW_REF":
                self._show(node)
            case "JOIN":
                self._join(node)
            case "PIVOT":
                self.select.has_star = True
            case "expression COLUMN_REF":
                self._column(node)
            case "expression STAR":
                self._star(node)
            case "expression FUNCTION" | "expression WINDOW":
                self._call(node, as_table=False)
            case "expression OPERATOR":
                if node["type"] not in syntax.OPERATORS:
                    raise self._refuse("This operator is not allowed", node)
            case "UNBOUND_TYPE_INFO" | "plain":
                self._plain(node)
        return 0

    def _table(self, node: Node, scope: Scope) -> int:
        self.references += 1
        if self.references > MAX_TABLE_REFERENCES:
            raise self._too_many()
        name = str(node["table_name"]).lower()
        if node.get("at_clause"):
            raise self._refuse("AT is not allowed; pin a snapshot_id instead", node)
        if node.get("catalog_name") or node.get("schema_name"):
            raise self._unknown_table(name, node, qualified=True)
        if name in scope:
            return self.weights.get(name, 1)
        if name not in self.views:
            raise self._unknown_table(name, node)
        view = self.views[name]
        self.tables.add(view)
        self.select.views.add(view)
        self.aliases.setdefault(str(node.get("alias") or name).lower(), set()).add(view)
        return 1

    def _show(self, node: Node) -> None:
        described = node.get("show_type") in syntax.SHOWN and "query" in node
        if not described or any(node.get(k) for k in ("catalog_name", "schema_name", "table_name")):
            raise self._refuse("SHOW is not available; call list_tables or describe_table", node)

    def _join(self, node: Node) -> None:
        if node.get("ref_type") not in syntax.JOIN_REFERENCES:
            raise self._refuse("This kind of join is not allowed; use an ordinary join", node)
        if node["ref_type"] == "NATURAL":
            self.select.has_star = True
        self.names.update(str(name).lower() for name in node.get("using_columns", []))

    def _column(self, node: Node) -> None:
        names = [str(name).lower() for name in node.get("column_names", [])]
        if len(names) == 1 and names[0] in functions.HIDDEN_CALLS:
            raise self._refuse(f"{names[0]} is not available; leave it out", node)
        self.names.update(names)
        if len(names) == 1:
            self.alone.update(names)

    def _star(self, node: Node) -> None:
        if node.get("relation_name"):
            self.alone.add(str(node["relation_name"]).lower())
        else:
            self.select.has_star = True

    def _call(self, node: Node, *, as_table: bool) -> None:
        name = str(node["function_name"]).lower()
        allowed = functions.TABLE_FUNCTIONS if as_table else functions.SCALARS
        if node.get("catalog") or node.get("export_state") or name not in allowed:
            raise self._refused_call(name, node)
        self.calls.add(name)
        arguments = list(node.get("children", []))
        schema = node.get("schema")
        if schema and schema != "main":
            # `body.repeat(3)`: the column comes as the schema of the function.
            receiver = {"class": "COLUMN_REF", "column_names": [schema]}
            self.names.add(str(schema).lower())
            arguments.insert(0, receiver)
        problem = bounds.refusal(name, arguments, as_table=as_table)
        if problem:
            raise self._refuse(problem, node)

    def _table_function(self, node: Node, scope: Scope, depth: int) -> int:
        if syntax.kind_of(node) != "expression FUNCTION":
            raise self._unknown_kind(node)
        self._call(node, as_table=True)
        return sum(
            self.visit(item, scope, depth + 1)
            for item in node.values()
            if isinstance(item, dict | list)
        )

    def _plain(self, node: Node) -> None:
        if node.get("pivot_enum"):
            raise self._refuse("PIVOT needs its values in an IN list", node)
        if "id" in node and str(node["id"]).lower() not in functions.TYPES | {"unbound"}:
            raise self._refuse("This type is not allowed; cast to an ordinary SQL type", node)
        if "user_type_modifiers" in node or "name" in node:
            foreign = node.get("catalog") or node.get("schema")
            if foreign or str(node.get("name", "")).lower() not in functions.TYPES:
                raise InvalidSql("The statement casts to a type that does not exist.")

    def _refused_call(self, name: str, node: Node) -> AnswerError:
        if node.get("catalog"):
            return self._refuse("Functions are called by their bare name", node)
        if name in functions.INSTEAD or name in engine_functions():
            instead = functions.instead_of(name)
            return self._refuse(f"The function {name}() is not allowed; {instead}", node)
        near = difflib.get_close_matches(name, functions.SCALARS, n=2, cutoff=0.7)
        hint = f" Did you mean {' or '.join(f'{one}()' for one in near)}?" if near else ""
        return InvalidSql(f"There is no such function{self._at(node)}.{hint}", **self._where(node))

    def _unknown_table(self, name: str, node: Node, *, qualified: bool = False) -> UnknownTable:
        # The name that was asked for is not repeated: it may be another agent's.
        mine = sorted(self.views.values())
        near = difflib.get_close_matches(name, list(self.views), n=1, cutoff=0.6)
        hint = f" Did you mean {self.views[near[0]]}?" if near else ""
        how = " Write a table's bare name, with no schema before it." if qualified else ""
        listed = f"Your tables: {', '.join(mine)}." if mine else "You have no tables."
        return UnknownTable(
            f"There is no such table among yours{self._at(node)}.{how}{hint} {listed}",
            tables=mine,
            **self._where(node),
        )

    def _too_many(self) -> PolicyDenied:
        return PolicyDenied(
            f"The statement reads more than {MAX_TABLE_REFERENCES} tables, or uses its common "
            "table expressions too often. Split it into several statements."
        )

    def _unknown_kind(self, node: Node) -> AnswerError:
        kind = str(node.get("class") or node.get("type"))
        if kind == "PARAMETER":
            return self._invalid("Parameters are not supported; write the value itself", node)
        if kind == "RECURSIVE_CTE_NODE":
            return self._refuse("USING KEY is not allowed; keep the last row by a window", node)
        return self._refuse("This part of the statement is not allowed; write plain SQL", node)

    def _refuse(self, what: str, node: Node) -> PolicyDenied:
        return PolicyDenied(f"{what}{self._at(node)}.", **self._where(node))

    def _invalid(self, what: str, node: Node) -> InvalidSql:
        return InvalidSql(f"{what}{self._at(node)}.", **self._where(node))

    def _at(self, node: Node) -> str:
        where = self._where(node)
        return f" (character {where['position']})" if where else ""

    def _where(self, node: Node) -> dict[str, int]:
        location = node.get("query_location")
        if not isinstance(location, int) or location >= len(self.sql.encode()):
            return {}
        return {"position": character(self.sql, location)}
