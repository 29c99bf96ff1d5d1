"""What the columns of a query are made of, and what chose its rows.

syntax tree + the tables that exist -> Relation
"""

from collections.abc import Callable
from dataclasses import replace

from serving.errors import NotFollowed
from serving.lineage.expressions import Expressions
from serving.lineage.relations import Column, Relation, Scope
from serving.lineage.sources import Froms
from serving.lineage.stars import Expansion
from serving.lineage.tree import known, nodes_below, parse
from serving.lineage.values import NOTHING, Value, merged, plain, used
from serving.sandbox.syntax import Node

# Returns the table of these names (table, or schema and table, or with the database before).
Catalog = Callable[[list[str]], Relation | None]
_SET_OPERATIONS = frozenset({"UNION", "UNION_BY_NAME", "EXCEPT", "INTERSECT"})
# Inputs only ever grow and are finite, so a recursion settles; this is far beyond any real one.
_MAX_ROUNDS = 50


def read_query(sql: str, catalog: Catalog, functions: frozenset[str] = frozenset()) -> Relation:
    """Return what each column of a SELECT is made of.

    ``functions`` are those of the schema ``privacy``. NotFollowed says what cannot be followed
    and where.
    """
    try:
        return _Queries(catalog, functions).query(parse(sql), Scope())
    except RecursionError as error:
        raise NotFollowed("the SQL is nested too deeply") from error


class _Queries:
    def __init__(self, catalog: Catalog, functions: frozenset[str]) -> None:
        self._expressions = Expressions(functions, self.query)
        self._froms = Froms(catalog, self._expressions, self.query)

    def query(self, node: Node, scope: Scope) -> Relation:
        match known(node).get("type"):
            case "SELECT_NODE":
                return self._select(node, self._with_ctes(node, scope))
            case "SET_OPERATION_NODE":
                return self._set_operation(node, self._with_ctes(node, scope))
            case "RECURSIVE_CTE_NODE":
                return self._recursive(node, self._with_ctes(node, scope))
        raise NotFollowed(f"{node.get('type')} is no known kind of query", node)

    def _with_ctes(self, node: Node, scope: Scope) -> Scope:
        for entry in (node.get("cte_map") or {}).get("map", []):
            # A body is resolved before its own name is visible.
            body = self.query(entry["value"]["query"]["node"], scope)
            aliases = [plain(name) for name in entry["value"].get("aliases", [])]
            named = body.renamed(aliases) if aliases else body
            # Chosen once, where it is read: a CTE that nothing reads chooses no rows.
            scope = replace(scope, ctes={**scope.ctes, plain(entry["key"]): named})
        return scope

    def _select(self, node: Node, scope: Scope) -> Relation:
        tables = self._froms.tables(node.get("from_table") or {"type": "EMPTY"}, scope)
        inner = scope.inside(tables)
        columns: list[Column] = []
        others: Value | None = None
        for item in node["select_list"]:
            expansion = self._expressions.items(item, inner)
            columns += expansion.columns
            others = _both(others, expansion)
            if item.get("alias"):
                inner = _with_alias(inner, plain(item["alias"]), expansion)
        rows = tables.rows | self._rows(node, inner, columns)
        relation = Relation(tuple(columns), rows, others)
        return self._modified(node, relation, inner)

    def _rows(self, node: Node, scope: Scope, columns: list[Column]) -> Value:
        read = self._expressions.values
        filters = [*nodes_below(node.get("where_clause")), *nodes_below(node.get("having"))]
        rows = used(read([*filters, *nodes_below(node.get("qualify"))], scope), "filter")
        groups = NOTHING
        for group in nodes_below(node.get("group_expressions")):
            position = _position(group)
            groups |= (
                columns[position - 1][1]
                if position is not None and 0 < position <= len(columns)
                else read([group], scope)
            )
        if node.get("aggregate_handling") == "FORCE_AGGREGATES":
            plain_ones = [
                item for item in node["select_list"] if not self._expressions.has_aggregate(item)
            ]
            groups |= read(plain_ones, scope)
        return rows | used(groups, "group by")

    def _modified(self, node: Node, relation: Relation, scope: Scope) -> Relation:
        rows = relation.rows
        for modifier in node.get("modifiers", []):
            known(modifier)
            match modifier["type"]:
                case "ORDER_MODIFIER":
                    for order in modifier.get("orders", []):
                        rows |= used(self._order(known(order), relation, scope), "order by")
                case "DISTINCT_MODIFIER":
                    targets = nodes_below(modifier.get("distinct_on_targets"))
                    value = (
                        self._expressions.values(targets, scope)
                        if targets
                        else relation.everything()
                    )
                    rows |= used(value, "distinct")
                case "LIMIT_MODIFIER" | "LIMIT_PERCENT_MODIFIER":
                    limits = nodes_below([modifier.get("limit"), modifier.get("offset")])
                    rows |= used(self._expressions.values(limits, scope), "limit")
                case other:
                    raise NotFollowed(f"{other} is no known part of a query", node)
        return replace(relation, rows=rows)

    def _order(self, order: Node, relation: Relation, scope: Scope) -> Value:
        """An alias of the select list goes before a column of the tables here."""
        expression = order["expression"]
        position = _position(expression)
        if position is not None and 0 < position <= len(relation.columns):
            return relation.columns[position - 1][1]
        if expression.get("class") == "STAR":
            return relation.everything()
        if expression.get("class") == "COLUMN_REF" and len(expression["column_names"]) == 1:
            own = [
                value
                for name, value in relation.columns
                if name == plain(expression["column_names"][0])
            ]
            if own and relation.others is None:
                return merged(own)
        return self._expressions.value(expression, scope)

    def _set_operation(self, node: Node, scope: Scope) -> Relation:
        kind = node["setop_type"]
        if kind not in _SET_OPERATIONS:
            raise NotFollowed(f"{kind} is no known set operation", node)
        sides = [node[key] for key in ("left", "right") if key in node] + node.get("children", [])
        relations = [self.query(side, scope) for side in sides]
        result = relations[0]
        for other in relations[1:]:
            result = self._combined(kind, result, other, node)
        if not node.get("setop_all"):
            distinct = used(result.everything(), "distinct")
            result = replace(result, rows=result.rows | distinct)
        names = dict(result.columns)
        return self._modified(node, result, replace(scope.inside(), aliases=names))

    def _combined(self, kind: str, left: Relation, right: Relation, node: Node) -> Relation:
        if kind == "EXCEPT":
            gone = used(right.everything(), "except")
            return replace(left, rows=left.rows | right.rows | gone)
        if kind == "UNION_BY_NAME":
            return by_name(left, right)
        return by_position(left, right, node)

    def _recursive(self, node: Node, scope: Scope) -> Relation:
        name = plain(node["cte_name"])
        aliases = [plain(alias) for alias in node.get("aliases", [])]
        result = self.query(node["left"], scope)
        result = result.renamed(aliases) if aliases else result
        for _ in range(_MAX_ROUNDS):
            seen = replace(scope, ctes={**scope.ctes, name: result, f"recurring.{name}": result})
            step = by_position(result, self.query(node["right"], seen), node)
            if step == result:
                keys = merged(
                    self._expressions.value(key, replace(scope, aliases=dict(result.columns)))
                    for key in nodes_below(node.get("key_targets"))
                )
                chosen = keys if node.get("union_all") else result.everything()
                return replace(result, rows=result.rows | used(chosen, "distinct"))
            result = step
        raise NotFollowed(f"the recursion of {name} does not settle", node)


def by_position(left: Relation, right: Relation, node: Node) -> Relation:
    """Return the union of two queries, column by column."""
    rows = left.rows | right.rows
    if left.others is not None or right.others is not None:
        whole = left.everything() | right.everything()
        return Relation(tuple((name, whole) for name, _ in left.columns), rows, whole)
    if len(left.columns) != len(right.columns):
        raise NotFollowed("the two sides of a set operation have not as many columns", node)
    columns = tuple(
        (name, one | two) for (name, one), (_, two) in zip(left.columns, right.columns, strict=True)
    )
    return Relation(columns, rows)


def by_name(left: Relation, right: Relation) -> Relation:
    """Return the union of two queries whose columns meet by their names."""
    names = list(dict.fromkeys(name for name, _ in (*left.columns, *right.columns)))
    columns = tuple(
        (name, (left.column(name) or NOTHING) | (right.column(name) or NOTHING)) for name in names
    )
    others = None
    if left.others is not None or right.others is not None:
        others = (left.others or NOTHING) | (right.others or NOTHING)
    return Relation(columns, left.rows | right.rows, others)


def _position(node: Node) -> int | None:
    if node.get("class") != "CONSTANT":
        return None
    value = node["value"].get("value")
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _both(others: Value | None, expansion: Expansion) -> Value | None:
    if expansion.others is None:
        return others
    return (others or NOTHING) | expansion.others


def _with_alias(scope: Scope, alias: str, expansion: Expansion) -> Scope:
    value = merged([*(found for _, found in expansion.columns), expansion.others or NOTHING])
    named = scope.aliases.get(alias, NOTHING) | value
    return replace(scope, aliases={**scope.aliases, alias: named})
