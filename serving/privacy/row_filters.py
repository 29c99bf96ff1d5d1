"""Which columns of a view an agent's row filter reads."""

from serving.errors import NotFollowed
from serving.lineage.queries import read_query
from serving.lineage.relations import Relation
from serving.lineage.tree import parse
from serving.lineage.values import Input, plain

_PARTS = frozenset("type select_list from_table where_clause aggregate_handling".split())


def filtered_columns(view: str, columns: list[str], condition: str) -> list[str]:
    """Return the view's columns in a condition; NotFollowed where it is more than a condition."""
    name = plain(view)
    sql = f'select 1 from "{name}" where {condition}'
    node = parse(sql)
    if not _PARTS.issuperset(node) or node["from_table"]["type"] != "BASE_TABLE":
        raise NotFollowed("it is more than one condition")
    relation = Relation(
        tuple((column, frozenset({Input(name, column)})) for column in map(plain, columns))
    )
    found = read_query(sql, lambda names: relation if names == [name] else None)
    return sorted({one.column for one in found.rows})
