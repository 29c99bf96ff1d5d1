"""The parts of DuckDB's syntax tree that a statement may be made of.

Each kind of node is listed with the fields it may have. A kind or a field that is not here is
refused, so a construct that a newer DuckDB brings stays out until it is added on purpose.
"""

from functools import lru_cache
from typing import Any

_REF = "alias query_location sample type "
_EXPRESSION = "alias class query_location type "

_QUERY_NODES = {
    "SELECT_NODE": "aggregate_handling cte_map from_table group_expressions group_sets having "
    "modifiers qualify sample select_list type where_clause",
    "RECURSIVE_CTE_NODE": "aliases cte_map cte_name left modifiers right type union_all",
    "SET_OPERATION_NODE": "children cte_map left modifiers right setop_all setop_type type",
}
_TABLE_REFERENCES = {
    "BASE_TABLE": _REF + "at_clause catalog_name column_name_alias schema_name table_name",
    "EMPTY": _REF,
    "EXPRESSION_LIST": _REF + "expected_names expected_types values",
    "JOIN": _REF + "condition delim_flipped duplicate_eliminated_columns join_type left ref_type "
    "right using_columns",
    "PIVOT": _REF + "aggregates column_name_alias groups include_nulls pivots source unpivot_names",
    "SHOW_REF": _REF + "catalog_name query schema_name show_type table_name",
    "SUBQUERY": _REF + "column_name_alias subquery",
    "TABLE_FUNCTION": _REF + "column_name_alias function with_ordinality",
}
_EXPRESSIONS = {
    "BETWEEN": _EXPRESSION + "input lower upper",
    "CASE": _EXPRESSION + "case_checks else_expr",
    "CAST": _EXPRESSION + "cast_type child try_cast",
    "COLLATE": _EXPRESSION + "child collation",
    "COLUMN_REF": _EXPRESSION + "column_names",
    "COMPARISON": _EXPRESSION + "left right",
    "CONJUNCTION": _EXPRESSION + "children",
    "CONSTANT": _EXPRESSION + "value",
    "FUNCTION": _EXPRESSION + "catalog children distinct export_state filter function_name "
    "is_operator order_bys schema",
    "LAMBDA": _EXPRESSION + "expr lhs syntax_type",
    "OPERATOR": _EXPRESSION + "children",
    "POSITIONAL_REFERENCE": _EXPRESSION + "index",
    "STAR": _EXPRESSION + "columns exclude_list expr qualified_exclude_list relation_name "
    "rename_list replace_list",
    "SUBQUERY": _EXPRESSION + "child comparison_type subquery subquery_type",
    "WINDOW": _EXPRESSION + "arg_orders catalog children default_expr distinct end end_expr "
    "exclude_clause filter_expr function_name ignore_nulls offset_expr orders partitions schema "
    "start start_expr",
}
_MODIFIERS = {
    "DISTINCT_MODIFIER": "distinct_on_targets type",
    "LIMIT_MODIFIER": "limit offset type",
    "LIMIT_PERCENT_MODIFIER": "limit offset type",
    "ORDER_MODIFIER": "orders type",
    "ORDER_DEFAULT": "expression null_order type",
    "ASCENDING": "expression null_order type",
    "DESCENDING": "expression null_order type",
}
_TYPE_INFOS = {
    name + "_TYPE_INFO": "alias extension_info type " + fields
    for name, fields in {
        "ARRAY": "child_type size",
        "DECIMAL": "scale width",
        "LIST": "child_type",
        "STRUCT": "child_types",
        "UNBOUND": "catalog name schema user_type_modifiers",
    }.items()
}
_SHAPES = [
    "error statements",
    "node named_param_map",
    "map",
    "key value",
    "aliases key_targets materialized query",
    "then_expr when_expr",
    "is_percentage method sample_size seed",
    "entries pivot_enum pivot_expressions unpivot_names",
    "alias star_expr values",
    "catalog column schema table",
    "first second",
    # Constants: the parts of long numbers, intervals and nested values.
    "lower upper",
    "micros months days",
    "children",
    "id type_info",
    "is_null type value",
]


def _fields(kinds: dict[str, str]) -> dict[str, frozenset[str]]:
    return {kind: frozenset(fields.split()) for kind, fields in kinds.items()}


QUERY_NODES = _fields(_QUERY_NODES)
TABLE_REFERENCES = _fields(_TABLE_REFERENCES)
EXPRESSIONS = _fields(_EXPRESSIONS)
_BY_TYPE = {**QUERY_NODES, **TABLE_REFERENCES, **_fields(_MODIFIERS), **_fields(_TYPE_INFOS)}
_PLAIN = [frozenset(shape.split()) for shape in _SHAPES]

OPERATORS = frozenset(
    """
    ARRAY_CONSTRUCTOR ARRAY_EXTRACT ARRAY_SLICE COMPARE_IN COMPARE_NOT_IN GROUPING_FUNCTION
    OPERATOR_COALESCE OPERATOR_IS_NOT_NULL OPERATOR_IS_NULL OPERATOR_NOT OPERATOR_NULLIF
    OPERATOR_TRY OPERATOR_UNPACK STRUCT_EXTRACT
    """.split()
)
JOIN_REFERENCES = frozenset({"REGULAR", "NATURAL", "CROSS", "POSITIONAL", "ASOF"})
SHOWN = frozenset({"DESCRIBE", "SUMMARY", "SUMMARIZE"})

Node = dict[str, Any]


def kind_of(node: Node) -> str | None:
    """What this node is; None for a kind or a field that is not on the list."""
    if "class" in node:
        kind, shapes = str(node["class"]), EXPRESSIONS
        prefix = "expression "
    elif isinstance(node.get("type"), str):
        kind, shapes, prefix = node["type"], _BY_TYPE, ""
    else:
        return "plain" if _is_plain(frozenset(node)) else None
    allowed = shapes.get(kind)
    return prefix + kind if allowed is not None and allowed.issuperset(node) else None


@lru_cache(maxsize=256)
def _is_plain(fields: frozenset[str]) -> bool:
    return any(fields <= shape for shape in _PLAIN)
