"""A second opinion: sqlglot's lineage, another parser by other people, never sees a column more.

Ours may see more: sqlglot leaves out whole rows, lambdas and what it does not know.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage

from serving.lineage.queries import read_query
from serving.lineage.relations import Relation
from serving.lineage.values import Input
from tests.privacy.conftest import Manifest
from tests.privacy.test_lineage_of_queries import TABLES, read

SCHEMA = {
    "s": {
        table.partition(".")[2]: dict.fromkeys(columns, "text") for table, columns in TABLES.items()
    }
}
FILE = Path(__file__).parent / "lineage" / "second_opinion.txt"
QUERIES = [line for line in FILE.read_text().splitlines() if not line.startswith("#")]


def leaves(node: Node) -> Iterator[str]:
    """The columns of tables at the ends of sqlglot's lineage."""
    for one in node.walk():
        if isinstance(one.source, exp.Table) and not one.downstream:
            yield one.name.replace('"', "").rpartition(".")[2].lower()


@pytest.mark.parametrize("sql", QUERIES)
def test_no_column_of_sqlglots_is_missing_from_ours(sql: str) -> None:
    theirs = set(leaves(lineage("x", sql, schema=SCHEMA, dialect="duckdb")))
    ours = read(sql).column("x") or frozenset()
    assert theirs and theirs <= {one.column for one in ours}


def test_nor_in_any_column_of_the_project(manifest: Manifest) -> None:
    compared = 0
    relations = {
        f"{node['schema']}.{node.get('identifier') or node['alias']}": node
        for node in [*manifest["sources"].values(), *manifest["nodes"].values()]
        if node["resource_type"] in ("source", "model")
    }
    columns: dict[str, list[str]] = {}

    def catalog(names: list[str]) -> Relation | None:
        key = ".".join(names[-2:])
        return Relation(tuple((one, frozenset({Input(key, one)})) for one in known(key)))

    def known(key: str) -> list[str]:
        if key not in columns:
            node = relations[key]
            if node["resource_type"] == "source":
                columns[key] = [*node["columns"], "_loaded_at", "_deleted_at"]
            else:
                columns[key] = [name for name, _ in ours(key).columns]
        return columns[key]

    def ours(key: str) -> Relation:
        functions = frozenset(re.findall(r"privacy\.(\w+)\(", relations[key]["compiled_code"]))
        return read_query(relations[key]["compiled_code"], catalog, functions)

    for key, node in relations.items():
        if node["resource_type"] != "model":
            continue
        found = ours(key)
        schema: dict[str, dict[str, dict[str, dict[str, str]]]] = {"warehouse": {}}
        for parent in columns:
            name, _, table = parent.partition(".")
            tables = schema["warehouse"].setdefault(name, {})
            tables[table] = dict.fromkeys(columns[parent], "text")
        for name, value in found.columns:
            try:
                traced = lineage(name, node["compiled_code"], schema=schema, dialect="duckdb")
            except SqlglotError:
                continue
            assert set(leaves(traced)) <= {one.column for one in value}, (key, name)
            compared += 1
    assert compared >= 100
