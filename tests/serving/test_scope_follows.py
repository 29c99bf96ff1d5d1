"""An agent's scope is what its exposure says as of the last publish, and nothing keeps the rest."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from serving.agent import connect
from serving.declarations import AGENT_SCHEMA, parse_manifest
from serving.envelope import Answer, Refusal
from serving.errors import DeclarationError
from tests.serving.conftest import SERVED, declared, publish

COUNT = "select count(*) as n from {}"


def model(name: str, schema: str = AGENT_SCHEMA) -> dict[str, Any]:
    """A model as dbt's manifest tells of it."""
    known = declared().views.get(name)
    columns = [] if known is None else known.columns
    return {
        "unique_id": f"model.demo.{name}",
        "name": name,
        "alias": name,
        "schema": schema,
        "resource_type": "model",
        "original_file_path": f"models/{name}.sql",
        "columns": {one.name: {"name": one.name, "description": "", "meta": {}} for one in columns},
        "config": {"meta": {"serve": SERVED[name].model_dump()} if name in SERVED else {}},
        "depends_on": {"nodes": []},
    }


def manifest(views: Sequence[str], **agent: Any) -> dict[str, Any]:
    """dbt's manifest of a project with one exposure."""
    models = [*map(model, SERVED), model("stg_shop__orders", "staging")]
    return {
        "nodes": {node["unique_id"]: node for node in models},
        "sources": {},
        "exposures": {
            "exposure.demo.clerk": {
                "name": "clerk",
                "depends_on": {"nodes": [f"model.demo.{view}" for view in views]},
                "config": {"meta": {"agent": {"purpose": "Helps.", **agent}}},
            }
        },
    }


def told(outcome: Answer | Refusal) -> Any:
    return outcome.data.rows if isinstance(outcome, Answer) else outcome.error.code


def test_changing_an_exposure_and_publishing_changes_the_scope(home: Path) -> None:
    publish(home, parse_manifest(manifest(["agent_products", "agent_orders"])))
    with connect(home, "clerk") as agent:
        assert told(agent.sql(COUNT.format("agent_orders"))) == [{"n": 40}]
        assert told(agent.sql(COUNT.format("agent_products"))) == [{"n": 3}]
        assert len(told(agent.lookup("agent_orders", value=1))) == 1
        assert told(agent.search("lamp"))

        publish(
            home,
            parse_manifest(
                manifest(
                    ["agent_orders", "agent_stock"],
                    rows={"agent_orders": "status = 'open'"},
                    limits={"rows": 4},
                )
            ),
        )
        tables = [row["table"] for row in told(agent.list_tables())]
        assert tables == ["agent_orders", "agent_stock"]
        assert told(agent.sql(COUNT.format("agent_orders"))) == [{"n": 10}]
        assert told(agent.sql(COUNT.format("agent_stock"))) == [{"n": 1}]
        assert len(told(agent.sql("select order_id from agent_orders"))) == 4
        assert told(agent.lookup("agent_orders", values=[1, 4]))[0]["order_id"] == 4
        assert told(agent.lookup("agent_orders", value=1)) == []
        for gone in (
            agent.sql(COUNT.format("agent_products")),
            agent.lookup("agent_products", value=1),
            agent.search("lamp", table="agent_products"),
            agent.describe_table("agent_products"),
        ):
            assert told(gone) == "UNKNOWN_TABLE"
            assert "agent_products" not in gone.model_dump_json().replace(gone.meta.query_id, "")


def test_an_exposure_that_is_removed_leaves_no_agent(home: Path) -> None:
    publish(home, parse_manifest(manifest(["agent_orders"])))
    with connect(home, "clerk") as agent:
        assert told(agent.sql(COUNT.format("agent_orders"))) == [{"n": 40}]
        publish(home)
        assert told(agent.sql(COUNT.format("agent_orders"))) == "UNAUTHENTICATED"


def test_an_exposure_of_a_staging_model_is_refused() -> None:
    with pytest.raises(DeclarationError, match="agent views alone"):
        parse_manifest(manifest(["agent_orders", "stg_shop__orders"]))
