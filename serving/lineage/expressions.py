"""What an expression is made of.

An unknown node is NotFollowed; a known function's result is made of all of its arguments.
"""

from collections.abc import Callable
from dataclasses import replace

from serving.errors import NotFollowed
from serving.lineage.relations import Column, Relation, Scope
from serving.lineage.stars import Expansion, expand
from serving.lineage.tree import aggregates, known, known_functions, nodes_below
from serving.lineage.values import (
    HELPER_SCHEMA,
    NOTHING,
    PRIVACY_SCHEMA,
    Passed,
    Value,
    merged,
    plain,
    through,
    used,
)
from serving.sandbox.syntax import OPERATORS, Node

Query = Callable[[Node, Scope], Relation]
# They tell how many values there are, not what these are.
_COUNTS = frozenset({"count"})
_NULL_TESTS = frozenset({"OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"})
_WITHOUT_PARENTHESES = frozenset(
    "current_catalog current_date current_localtime current_localtimestamp current_role "
    "current_schema current_time current_timestamp current_user localtime localtimestamp "
    "session_user user".split()
)
_GENERIC = frozenset({"BETWEEN", "CAST", "COLLATE", "COMPARISON", "CONJUNCTION"})


class Expressions:
    """Reads expressions; ``functions`` are those that the schema ``privacy`` has."""

    def __init__(self, functions: frozenset[str], query: Query) -> None:
        self._functions = functions
        self._query = query
        self._star: tuple[Node, Value] | None = None

    def value(self, node: Node, scope: Scope) -> Value:
        """Return what the expression is made of; NotFollowed with the place where it is unknown."""
        match known(node).get("class"):
            case "CONSTANT":
                return NOTHING
            case "COLUMN_REF":
                return self._column(node, scope)
            case "FUNCTION":
                return self._function(node, scope)
            case "OPERATOR":
                return self._operator(node, scope)
            case "CASE":
                return self._case(node, scope)
            case "WINDOW":
                return self._window(node, scope)
            case "SUBQUERY":
                return self._subquery(node, scope)
            case "LAMBDA":
                return self._lambda(node, scope, NOTHING)
            case "STAR":
                return self._starred(node, scope)
            case "POSITIONAL_REFERENCE":
                return merged(entry.relation.everything() for entry in scope.tables.entries)
            case kind if kind in _GENERIC:
                return self.values(nodes_below([node[key] for key in node]), scope)
        raise NotFollowed(f"{node.get('class')} is no known expression", node)

    def values(self, nodes: list[Node], scope: Scope) -> Value:
        """Return what several expressions together are made of."""
        return merged(self.value(node, scope) for node in nodes)

    def items(self, node: Node, scope: Scope) -> Expansion:
        """Return the columns that one item of a select list gives: several for a star."""
        star = _star_in(node)
        if star is None:
            column = (self.name(node), self.value(node, scope))
            is_several = node.get("function_name") == "unnest"
            return Expansion((column,), column[1] if is_several else None)
        expansion = self._expansion(star, scope)
        if star is node:
            return _aliased(expansion, node.get("alias"))
        columns: list[Column] = []
        for name, value in expansion.columns:
            columns.append((name, self._with_star(star, value, node, scope)))
        others = expansion.others
        if others is not None:
            others = self._with_star(star, others, node, scope)
        return _aliased(Expansion(tuple(columns), others), node.get("alias"))

    def name(self, node: Node) -> str:
        """Return the name of a select list's item."""
        if node.get("alias"):
            return plain(node["alias"])
        if node.get("class") == "COLUMN_REF":
            return plain(node["column_names"][-1])
        return "?"

    def has_aggregate(self, node: Node) -> bool:
        """Whether an aggregate function is called anywhere in the expression."""
        if node.get("class") == "SUBQUERY":
            return False
        own = node.get("class") == "FUNCTION" and plain(node["function_name"]) in aggregates()
        return own or any(
            self.has_aggregate(below) for below in nodes_below([node[key] for key in node])
        )

    def _column(self, node: Node, scope: Scope) -> Value:
        names = [plain(name) for name in node["column_names"]]
        found = scope.find(names)
        if found is not None:
            return found
        if len(names) == 1 and names[0] in _WITHOUT_PARENTHESES:
            return NOTHING
        raise NotFollowed(f"column {'.'.join(names)} is of no table that is known here", node)

    def _function(self, node: Node, scope: Scope) -> Value:
        name, schema = plain(node["function_name"]), plain(node.get("schema", ""))
        arguments = nodes_below(node.get("children", []))
        if node.get("catalog") or node.get("export_state"):
            raise NotFollowed(f"function {name} is called by a database's name or state", node)
        if schema == PRIVACY_SCHEMA:
            return self._privacy_function(name, node, arguments, scope)
        if schema == HELPER_SCHEMA:
            return self._arguments(arguments, NOTHING, scope) | self._steering(node, scope)
        receiver = NOTHING
        if schema not in ("", "main"):
            # `body.reverse()`: the column comes as the schema of the function.
            found = scope.find([schema])
            if found is None:
                raise NotFollowed(f"function {schema}.{name} is none of DuckDB's own", node)
            receiver = found
        if name not in known_functions():
            raise NotFollowed(f"function {name} is none whose result can be followed", node)
        direct = receiver | self._arguments(arguments, receiver, scope)
        direct = used(direct, "count") if name in _COUNTS else direct
        return direct | self._steering(node, scope)

    def _steering(self, node: Node, scope: Scope) -> Value:
        filters = used(self.values(nodes_below(node.get("filter")), scope), "filter")
        orders = self.values(nodes_below(node.get("order_bys")), scope)
        return filters | used(orders, "order by")

    def _arguments(self, arguments: list[Node], receiver: Value, scope: Scope) -> Value:
        plain_ones = [argument for argument in arguments if argument.get("class") != "LAMBDA"]
        direct = receiver | self.values(plain_ones, scope)
        lambdas = [argument for argument in arguments if argument.get("class") == "LAMBDA"]
        return merged([direct, *(self._lambda(one, scope, direct) for one in lambdas)])

    def _privacy_function(
        self, name: str, node: Node, arguments: list[Node], scope: Scope
    ) -> Value:
        if name not in self._functions:
            raise NotFollowed(f"the schema {PRIVACY_SCHEMA} has no declared function {name}", node)
        if any(argument.get("alias") for argument in arguments):
            raise NotFollowed(f"{PRIVACY_SCHEMA}.{name} is called with named arguments", node)
        if any(_star_in(argument) for argument in arguments):
            raise NotFollowed(f"{PRIVACY_SCHEMA}.{name} is called with a star", node)
        return merged(
            through(self.value(argument, scope), Passed(name, position))
            for position, argument in enumerate(arguments)
        ) | self._steering(node, scope)

    def _lambda(self, node: Node, scope: Scope, arguments: Value) -> Value:
        known(node)
        names = [
            plain(name) for left in nodes_below(node["lhs"]) for name in _parameter_names(left)
        ]
        # The tree does not tell `lambda a: b` from `a -> b`, which may also be JSON extraction, of
        # which the left side is a column.
        outside = merged(found for name in names if (found := scope.find([name])) is not None)
        outside |= self.values(
            [left for left in nodes_below(node["lhs"]) if not _parameter_names(left)], scope
        )
        inner = replace(scope.inside(), aliases=dict.fromkeys(names, arguments | outside))
        return outside | self.values(nodes_below(node["expr"]), inner)

    def _operator(self, node: Node, scope: Scope) -> Value:
        kind = node["type"]
        if kind not in OPERATORS:
            raise NotFollowed(f"{kind} is no known operator", node)
        value = self.values(nodes_below(node.get("children", [])), scope)
        if kind in _NULL_TESTS:
            return used(value, "null test")
        return used(value, "group by") if kind == "GROUPING_FUNCTION" else value

    def _case(self, node: Node, scope: Scope) -> Value:
        results = nodes_below(node.get("else_expr"))
        value = NOTHING
        for check in node["case_checks"]:
            value |= used(self.values(nodes_below(check["when_expr"]), scope), "condition")
            results += nodes_below(check["then_expr"])
        return value | self.values(results, scope)

    def _window(self, node: Node, scope: Scope) -> Value:
        name = plain(node["function_name"])
        if node.get("catalog") or plain(node.get("schema", "")) not in ("", "main"):
            raise NotFollowed(f"window function {name} is called by a schema's name", node)
        if name not in known_functions():
            raise NotFollowed(f"window function {name} is none that is known", node)
        own = ("children", "default_expr")
        direct = self.values(nodes_below([node.get(key) for key in own]), scope)
        rest = [node[key] for key in node if key not in own]
        steering = used(self.values(nodes_below(rest), scope), "window")
        return (used(direct, "count") if name in _COUNTS else direct) | steering

    def _subquery(self, node: Node, scope: Scope) -> Value:
        relation = self._query(node["subquery"]["node"], scope)
        if node["subquery_type"] in ("EXISTS", "NOT_EXISTS"):
            return relation.rows
        if node["subquery_type"] not in ("SCALAR", "ANY"):
            raise NotFollowed(f"{node['subquery_type']} is no known kind of subquery", node)
        child = self.values(nodes_below(node.get("child")), scope)
        return child | relation.everything() | relation.rows

    def _starred(self, node: Node, scope: Scope) -> Value:
        if self._star is not None and self._star[0] is node:
            return self._star[1]
        expansion = self._expansion(node, scope)
        return merged([*(value for _, value in expansion.columns), expansion.others or NOTHING])

    def _with_star(self, star: Node, value: Value, node: Node, scope: Scope) -> Value:
        around, self._star = self._star, (star, value)
        try:
            return self.value(node, scope)
        finally:
            self._star = around

    def _expansion(self, star: Node, scope: Scope) -> Expansion:
        return expand(known(star), scope, lambda node: self.value(node, scope))


def _star_in(node: Node) -> Node | None:
    """Return the star that multiplies an expression; one behind ``*COLUMNS(...)`` does not."""
    if node.get("class") == "STAR":
        return node
    if node.get("class") == "SUBQUERY" or node.get("type") == "OPERATOR_UNPACK":
        return None
    below = nodes_below([node[key] for key in node])
    return next((star for one in below if (star := _star_in(one)) is not None), None)


def _aliased(expansion: Expansion, alias: object) -> Expansion:
    """An alias may hold groups of the pattern, so every column may have any name."""
    if not alias:
        return expansion
    columns = tuple(("?", value) for _, value in expansion.columns)
    return replace(expansion, columns=columns)


def _parameter_names(node: Node) -> list[str]:
    """Return a lambda's parameters: one name, or several in brackets."""
    if node.get("class") == "COLUMN_REF" and len(node["column_names"]) == 1:
        return [str(node["column_names"][0])]
    if node.get("class") == "FUNCTION" and node.get("function_name") == "row":
        return [name for one in nodes_below(node["children"]) for name in _parameter_names(one)]
    return []
