"""The rules of the layers, read from dbt's manifest: who reads whom, what every view declares."""

import re
from typing import Any

import duckdb
import pytest

from tests.transform.conftest import Build

CLASSES = {
    "public",
    "identifier",
    "name",
    "email",
    "phone",
    "address",
    "birth_date",
    "free_text",
    "secret",
}
READS = {
    "staging": {"source"},
    # Whoever the texts of tickets and documents mention is known from one mart, `dim_people`.
    "marts": {"staging", "marts"},
    "agents": {"marts"},
    "privacy": {"marts"},
}

Node = dict[str, Any]


@pytest.fixture(scope="module")
def manifest(build: Build) -> dict[str, Any]:
    """The manifest of the finished build."""
    return build.manifest()


@pytest.fixture(scope="module")
def models(manifest: dict[str, Any]) -> dict[str, Node]:
    """All models by their unique id."""
    return {
        key: node for key, node in manifest["nodes"].items() if node["resource_type"] == "model"
    }


@pytest.fixture(scope="module")
def views(models: dict[str, Node]) -> dict[str, Node]:
    """The agent views by name."""
    return {node["name"]: node for node in models.values() if node["schema"] == "agents"}


def column_tests(manifest: dict[str, Any], view: Node, column: str) -> set[str]:
    """The names of the generic tests on one column."""
    return {
        node["test_metadata"]["name"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test"
        and node["attached_node"] == view["unique_id"]
        and node["column_name"] == column
    }


# One that several read, and one whose sums are kept by key.
MARTS_BELOW_MARTS = {"model.grounded.dim_people", "model.grounded.fct_orders"}


def test_every_layer_reads_only_the_one_before_it(models: dict[str, Node]) -> None:
    assert len(models) >= 17
    for node in models.values():
        parents = node["depends_on"]["nodes"]
        layers = {
            "source" if parent.startswith("source.") else models[parent]["schema"]
            for parent in parents
        }
        assert layers and layers <= READS[node["schema"]], node["name"]
        if "marts" in layers and node["schema"] == "marts":
            marts = {p for p in parents if not p.startswith("source.")} & MARTS_BELOW_MARTS
            assert marts == {p for p in parents if models[p]["schema"] == "marts"}, node["name"]


def test_no_agent_view_selects_a_star(views: dict[str, Node]) -> None:
    for name, node in views.items():
        assert not re.search(r"(select|,|\.)\s*\*", node["raw_code"]), name


def test_every_agent_view_declares_what_serving_needs(
    manifest: dict[str, Any], views: dict[str, Node]
) -> None:
    raw_tables = {f"{s['source_name']}.{s['name']}" for s in manifest["sources"].values()}
    for name, node in views.items():
        serve, columns = node["config"]["meta"]["serve"], set(node["columns"])
        search = serve.get("search", {"text": [], "filters": []})
        named = {serve["key"], *serve.get("lookups", []), *serve["untrusted"]}
        named |= {*search["text"], *search["filters"]}
        assert named <= columns, name
        assert search.get("title", serve["key"]) in columns, name
        assert (serve.get("rows_from") in raw_tables) != ("min_group" in serve), name
        assert serve["on_stale"] in ("warn", "refuse"), name
        assert {"warn_after", "error_after"} == set(serve["freshness"]), name


def test_every_agent_view_is_a_described_table_under_contract(views: dict[str, Node]) -> None:
    assert len(views) == 6
    for name, node in views.items():
        assert node["config"]["contract"]["enforced"], name
        assert node["config"]["materialized"] == "keyed", name
        assert "One row per" in node["description"], name
        for column in node["columns"].values():
            assert len(column["description"]) > 5, f"{name}.{column['name']}"


def test_every_key_of_an_agent_view_is_tested(
    manifest: dict[str, Any], views: dict[str, Node]
) -> None:
    for name, node in views.items():
        key = node["config"]["meta"]["serve"]["key"]
        assert {"unique", "not_null"} <= column_tests(manifest, node, key), name


def test_every_view_with_a_masked_column_has_a_unit_test(
    manifest: dict[str, Any], views: dict[str, Node]
) -> None:
    tested = {test["model"] for test in manifest["unit_tests"].values()}
    masked = {
        name
        for name, node in views.items()
        if any("mask" in column["config"]["meta"] for column in node["columns"].values())
    }
    assert masked == set(views) - {"agent_products"}
    assert masked <= tested


def test_every_raw_column_has_a_class(
    manifest: dict[str, Any], warehouse: duckdb.DuckDBPyConnection
) -> None:
    for source in manifest["sources"].values():
        classes = {
            name: column["config"]["meta"].get("privacy")
            for name, column in source["columns"].items()
        }
        raw = warehouse.execute(
            "select column_name from duckdb_columns()"
            " where schema_name = ? and table_name = ? and not starts_with(column_name, '_')",
            [source["schema"], source["identifier"]],
        ).fetchall()
        plain = {name for name in classes if not name.startswith("_")}
        assert {name for (name,) in raw} == plain, source["name"]
        assert set(classes.values()) <= CLASSES, source["name"]


def test_every_source_declares_its_freshness(manifest: dict[str, Any]) -> None:
    for source in manifest["sources"].values():
        assert source["loaded_at_field"] == "_loaded_at", source["name"]
        assert source["freshness"]["error_after"]["count"], source["name"]


def test_an_agent_depends_on_agent_views_alone_and_filters_only_these(
    manifest: dict[str, Any], views: dict[str, Node]
) -> None:
    reach = {
        exposure["name"]: {
            key.removeprefix("model.grounded.") for key in exposure["depends_on"]["nodes"]
        }
        for exposure in manifest["exposures"].values()
    }
    assert reach == {
        "support_agent": set(views) - {"agent_sales"},
        "catalog_agent": {"agent_products", "agent_knowledge"},
        "sales_agent": {"agent_products", "agent_sales"},
    }
    for exposure in manifest["exposures"].values():
        agent = exposure["config"]["meta"]["agent"]
        assert agent["purpose"]
        assert set(agent["limits"]) == {"rows", "seconds", "calls_per_minute"}
        assert set(agent.get("rows", {})) <= reach[exposure["name"]]
