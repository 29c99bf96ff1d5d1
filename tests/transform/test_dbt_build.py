"""The whole project on untidy rows: it builds without a warning, and nothing leaks on the way."""

import hmac
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.dbt_plugin import hmac_pads
from tests.transform.conftest import KEY, Build
from tests.transform.raw_tables import CANARY_EMAIL, CANARY_NAME, CANARY_VALUES

AGENT_VIEWS = (
    "agent_customers",
    "agent_knowledge",
    "agent_orders",
    "agent_products",
    "agent_tickets",
)


def pseudonym(prefix: str, message: str) -> str:
    """What the masks are to compute, by Python's own HMAC."""
    return f"{prefix}_{hmac.new(KEY.encode(), message.encode(), sha256).hexdigest()[:32]}"


def cells(connection: duckdb.DuckDBPyConnection, *tables: str) -> Iterator[str]:
    """Every cell of some tables as text."""
    for table in tables:
        for row in connection.execute(f"from {table}").fetchall():
            yield from (str(value) for value in row)


def leaks(texts: Iterator[str]) -> set[str]:
    """Which of the canary's values occur in the texts, in any case."""
    everything = "\n".join(texts).casefold()
    return {value for value in CANARY_VALUES if value.casefold() in everything}


def written_files(build: Build) -> list[Path]:
    """Every file that dbt wrote, apart from the warehouse."""
    return [path for path in (build.home / "dbt").rglob("*") if path.is_file()]


def test_the_project_builds_without_a_warning(build: Build) -> None:
    quiet = ("debug", "info", "test")
    loud = [str(event) for event in build.events if event.info.level not in quiet]
    assert loud == []
    assert build.result.exception is None
    assert build.result.success


def test_every_view_has_as_many_rows_as_its_raw_table_has_live_ones(
    build: Build, warehouse: duckdb.DuckDBPyConnection
) -> None:
    for view in AGENT_VIEWS:
        serve = build.manifest()["nodes"][f"model.grounded.{view}"]["config"]["meta"]["serve"]
        published = warehouse.execute(f"select count(*) from agents.{view}").fetchone()
        live = warehouse.execute(
            f"select count(*) from {serve['rows_from']} where _deleted_at is null"
        ).fetchone()
        assert published == live, view
        assert published != (0,), view


def test_no_value_of_the_canary_is_in_an_agent_view(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    control = leaks(
        text
        for table in ("fct_tickets", "dim_customers")
        for text in cells(warehouse, f"marts.{table}")
    )
    assert control == set(CANARY_VALUES)
    assert (
        leaks(text for view in AGENT_VIEWS for text in cells(warehouse, f"agents.{view}")) == set()
    )


def test_no_value_of_the_canary_is_in_an_artifact_or_log(build: Build) -> None:
    files = written_files(build)
    names = {path.name for path in files}
    assert {"manifest.json", "run_results.json", "dbt.log", "agent_tickets.sql"} <= names
    assert leaks(path.read_text(errors="replace") for path in files) == set()


def test_the_privacy_key_is_in_no_artifact_log_or_table(build: Build) -> None:
    inner, outer = hmac_pads(KEY)
    secrets = [KEY.encode(), inner, outer, inner.hex().encode(), outer.hex().encode()]
    for path in [*written_files(build), build.home / "warehouse.duckdb"]:
        content = path.read_bytes()
        assert not any(secret in content for secret in secrets), path.name


def test_pseudonyms_of_all_views_are_the_same_keyed_hash(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    for view, key, mart, reference in (
        ("agent_orders", "order_id", "fct_orders", "customer_id"),
        ("agent_tickets", "ticket_id", "fct_tickets", "customer_id"),
    ):
        rows = warehouse.execute(
            f"select v.customer_key, m.{reference}"
            f" from agents.{view} v join marts.{mart} m using ({key})"
        ).fetchall()
        assert len(rows) > 20
        for customer_key, customer_id in rows:
            expected = None if customer_id is None else pseudonym("cus", f"customer:{customer_id}")
            assert customer_key == expected
    customers = warehouse.execute("select customer_key from agents.agent_customers").fetchall()
    ids = warehouse.execute("select customer_id from marts.dim_customers").fetchall()
    assert {key for (key,) in customers} == {pseudonym("cus", f"customer:{key}") for (key,) in ids}


def test_the_canary_is_masked_and_still_useful(warehouse: duckdb.DuckDBPyConnection) -> None:
    row: tuple[Any, ...] | None = warehouse.execute(
        "select email_key, email_domain, phone_masked, name_masked, city, country"
        " from agents.agent_customers where customer_key = ?",
        [pseudonym("cus", "customer:1")],
    ).fetchone()
    assert row == (
        pseudonym("eml", f"email:{CANARY_EMAIL}"),
        "example.com",
        "*****42",
        "C. Q.",
        "Washington",
        "United States",
    )


def test_the_text_around_a_hidden_value_stays(warehouse: duckdb.DuckDBPyConnection) -> None:
    row = warehouse.execute(
        "select subject, body, conversation from agents.agent_tickets where ticket_id = 1"
    ).fetchone()
    assert row == (
        "Refund for <PERSON_1>",
        "I live at <ADDRESS>. Call <PHONE> or <PHONE>; <EMAIL>. "
        "Order #1002345 of 2024-01-15, SKU KET-0001.\n\nThanks, <PERSON_1>",
        "customer: Thanks, <PERSON_1>!\n\nagent: Hello <PERSON_2>, <PERSON_1> here.",
    )


@pytest.mark.parametrize("view", AGENT_VIEWS)
def test_descriptions_become_comments_of_the_agents_tables(
    view: str, build: Build, warehouse: duckdb.DuckDBPyConnection
) -> None:
    node = build.manifest()["nodes"][f"model.grounded.{view}"]
    table = warehouse.execute(
        "select comment from duckdb_tables() where schema_name = 'agents' and table_name = ?",
        [view],
    ).fetchone()
    assert table == (node["description"],)
    columns = warehouse.execute(
        "select column_name, comment from duckdb_columns()"
        " where schema_name = 'agents' and table_name = ?",
        [view],
    ).fetchall()
    assert dict(columns) == {
        name: column["description"] for name, column in node["columns"].items()
    }


def test_the_control_of_the_leak_search_finds_a_name() -> None:
    assert leaks(iter([f"x{CANARY_NAME.upper()}x"])) == {CANARY_NAME, "Quillfeather"}
