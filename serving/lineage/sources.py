"""The tables of a FROM: base tables, CTEs, subqueries, joins, table functions, pivots.

What stands to the left is visible to the right (a subquery there may be lateral).
"""

from collections.abc import Callable
from dataclasses import replace

from serving.errors import NotFollowed
from serving.lineage.expressions import Expressions
from serving.lineage.relations import Column, Entry, Relation, Scope, Tables
from serving.lineage.tree import known, nodes_below
from serving.lineage.values import NOTHING, Value, merged, plain, used
from serving.sandbox.syntax import JOIN_REFERENCES, Node

_JSON_COLUMNS = "key value type atom id parent fullkey path".split()
# Those that read nothing but their arguments, with the columns that they return.
_TABLE_FUNCTIONS = {
    "generate_series": ["generate_series"],
    "json_each": _JSON_COLUMNS,
    "json_tree": _JSON_COLUMNS,
    "range": ["range"],
    "unnest": ["unnest"],
}
_ONE_SIDED = frozenset({"SEMI", "ANTI"})


class Froms:
    """Reads table references; a kind that is not known is NotFollowed."""

    def __init__(
        self,
        catalog: Callable[[list[str]], Relation | None],
        expressions: Expressions,
        query: Callable[[Node, Scope], Relation],
    ) -> None:
        self._catalog = catalog
        self._expressions = expressions
        self._query = query

    def tables(self, node: Node, scope: Scope) -> Tables:
        """Return the tables that a FROM makes visible."""
        match known(node)["type"]:
            case "EMPTY":
                return Tables()
            case "JOIN":
                return self._join(node, scope)
            case "BASE_TABLE":
                return self._base_table(node, scope)
            case "SUBQUERY":
                return _entry(node, self._query(node["subquery"]["node"], scope), [])
            case "EXPRESSION_LIST":
                return _entry(node, self._values(node, scope), [])
            case "TABLE_FUNCTION":
                return self._table_function(node, scope)
            case "PIVOT":
                return self._pivot(node, scope)
        raise NotFollowed(f"{node['type']} is no known kind of table", node)

    def _base_table(self, node: Node, scope: Scope) -> Tables:
        if node.get("at_clause"):
            raise NotFollowed("AT reads another state of a table", node)
        parts = [node.get("catalog_name"), node.get("schema_name"), node["table_name"]]
        names = [plain(part) for part in parts if part]
        relation = scope.ctes.get(".".join(names)) if len(names) < 3 else None
        if relation is None:
            relation = self._catalog(names)
        if relation is None:
            raise NotFollowed(
                f"{'.'.join(names)} is neither a model nor a source that the model declares", node
            )
        return _entry(node, relation, names)

    def _values(self, node: Node, scope: Scope) -> Relation:
        rows = [[self._expressions.value(cell, scope) for cell in row] for row in node["values"]]
        width = max((len(row) for row in rows), default=0)
        named = [plain(name) for name in node.get("expected_names", [])]
        names = [*named, *(f"col{number}" for number in range(len(named), width))]
        return Relation(
            tuple(
                (names[number], merged(row[number] for row in rows if number < len(row)))
                for number in range(width)
            )
        )

    def _table_function(self, node: Node, scope: Scope) -> Tables:
        function = known(node["function"])
        name = plain(function.get("function_name", ""))
        if function.get("catalog") or plain(function.get("schema", "")) not in ("", "main"):
            raise NotFollowed(f"table function {name} is called by a schema's name", node)
        if name not in _TABLE_FUNCTIONS:
            raise NotFollowed(f"table function {name} is none that can be followed", node)
        value = self._expressions.values(nodes_below(function.get("children", [])), scope)
        columns: list[Column] = [(column, value) for column in _TABLE_FUNCTIONS[name]]
        if node.get("with_ordinality") not in (None, False, "WITHOUT_ORDINALITY"):
            columns.append(("ordinality", NOTHING))
        # The elements that are unnested may be structs, each field a column.
        relation = Relation(tuple(columns), others=value if name == "unnest" else None)
        return _entry(node, relation, [name])

    def _pivot(self, node: Node, scope: Scope) -> Tables:
        """A pivot's new columns are named by values: each may hold whatever it reads."""
        tables = self.tables(node["source"], scope)
        inner = scope.inside(tables)
        named: list[Node] = nodes_below(node.get("aggregates", []))
        for pivot in node.get("pivots", []):
            if pivot.get("pivot_enum"):
                raise NotFollowed("a PIVOT needs its values in an IN list", node)
            named += nodes_below(pivot)
        source = merged(entry.relation.everything() for entry in tables.entries)
        made = source if node.get("unpivot_names") else self._expressions.values(named, inner)
        columns = tuple(column for entry in tables.entries for column in entry.visible())
        new = [name for name in node.get("unpivot_names", [])]
        new += [name for pivot in node.get("pivots", []) for name in pivot.get("unpivot_names", [])]
        relation = Relation(
            (*columns, *((plain(name), made) for name in new)), tables.rows, others=made
        )
        return _entry(node, relation, [])

    def _join(self, node: Node, scope: Scope) -> Tables:
        if node.get("ref_type") not in JOIN_REFERENCES:
            raise NotFollowed(f"{node.get('ref_type')} is no known kind of join", node)
        left = self.tables(node["left"], scope)
        right = self.tables(node["right"], replace(scope.inside(left), ctes=scope.ctes))
        inner = scope.inside(Tables((*left.entries, *right.entries)))
        condition = self._expressions.values(nodes_below(node.get("condition")), inner)
        shared = [plain(name) for name in node.get("using_columns", [])]
        if node["ref_type"] == "NATURAL":
            shared = _common(left, right, node)
        for name in shared:
            condition |= merged(
                entry.relation.column(name) or NOTHING for entry in inner.tables.entries
            )
        rows = left.rows | right.rows | used(condition, "join")
        if node.get("join_type") in _ONE_SIDED:
            return Tables(left.entries, rows)
        return Tables(_sharing(left, right, shared), rows)


def _entry(node: Node, relation: Relation, names: list[str]) -> Tables:
    aliases = [plain(name) for name in node.get("column_name_alias", [])]
    named = relation.renamed(aliases) if aliases else relation
    qualifiers = (plain(node["alias"]),) if node.get("alias") else tuple(names)
    # The rows of a table that is read count once, with all of this FROM.
    return Tables((Entry(qualifiers, replace(named, rows=NOTHING)),), named.rows)


def _common(left: Tables, right: Tables, node: Node) -> list[str]:
    sides = []
    for tables in (left, right):
        if any(entry.relation.others is not None for entry in tables.entries):
            raise NotFollowed("NATURAL JOIN over columns whose names are not known", node)
        sides.append([name for entry in tables.entries for name, _ in entry.visible()])
    return [name for name in dict.fromkeys(sides[0]) if name in set(sides[1])]


def _sharing(left: Tables, right: Tables, shared: list[str]) -> tuple[Entry, ...]:
    """Merge USING's columns: a star shows the left one, which may hold the right one's value."""
    entries = [*left.entries, *right.entries]
    for name in shared:
        value: Value = merged(entry.relation.column(name) or NOTHING for entry in entries)
        for number, entry in enumerate(entries):
            columns = tuple(
                (column, value if column == name else found)
                for column, found in entry.relation.columns
            )
            is_right = number >= len(left.entries)
            entries[number] = replace(
                entry,
                relation=replace(entry.relation, columns=columns),
                hidden=entry.hidden | {name} if is_right else entry.hidden,
            )
    return tuple(entries)
