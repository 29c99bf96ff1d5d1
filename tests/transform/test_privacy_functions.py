"""The masks as functions of the warehouse: what a model calls is what is declared and proven."""

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.redaction import redaction_statements
from tests.transform.conftest import PROJECT, Build, Mask

METHODS = {
    "pseudonym",
    "partial",
    "generalised",
    "bucketed",
    "shifted",
    "nulled",
    "redacted",
}
HELPERS = ("keyed_hash", "days_of_person")


def masks(build: Build) -> dict[str, dict[str, Any]]:
    """The declared masks by name: method and what each hides."""
    return {
        macro["name"]: macro["config"]["meta"]["mask"]
        for macro in build.manifest()["macros"].values()
        if macro["package_name"] == "grounded" and "mask" in macro["config"]["meta"]
    }


def test_every_mask_is_declared_and_is_a_function_of_the_warehouse(
    build: Build, warehouse: duckdb.DuckDBPyConnection
) -> None:
    functions = warehouse.execute(
        "select function_name from duckdb_functions()"
        " where database_name = current_database() and schema_name = 'privacy'"
    ).fetchall()
    declared = masks(build)
    assert {name for (name,) in functions} == {*declared, *HELPERS}
    for name, mask in declared.items():
        assert mask["method"] in METHODS, name
        assert mask["hides"], name
        assert "secret" not in mask["hides"], name


def test_the_models_call_masks_and_hold_no_body_of_one(build: Build) -> None:
    compiled = {path.stem: path.read_text() for path in build.compiled("agents")}
    calls = {name: set(re.findall(r"privacy\.(\w+)\(", sql)) for name, sql in compiled.items()}
    assert calls["agent_orders"] == {"pseudonym"}
    assert calls["agent_knowledge"] == {"redact"}
    assert calls["agent_tickets"] == {"pseudonym", "redact"}
    assert {"email_key", "mask_name", "age_band"} <= calls["agent_customers"]
    assert not any(
        re.search(r"sha256|getvariable|regexp|<EMAIL>", sql) for sql in compiled.values()
    )


def test_the_functions_name_the_variables_of_the_key_and_hold_no_key(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    rows = warehouse.execute(
        "select macro_definition from duckdb_functions() where schema_name = 'privacy'"
    ).fetchall()
    bodies = "\n".join(body for (body,) in rows)
    assert "getvariable('privacy_ipad')" in bodies
    # No literal of the bodies is long enough to be a key, a pad or a hash of one.
    assert not re.search(r"[0-9A-Za-z+/=_-]{32,}", re.sub(r"\\x[0-9A-F{}]+", "", bodies))


def test_a_session_without_the_key_tells_nothing(build: Build) -> None:
    with duckdb.connect(build.home / "warehouse.duckdb", read_only=True) as connection:
        row = connection.execute(
            "select privacy.pseudonym(1, 'customer', 'cus'), privacy.email_key('a@example.com')"
        ).fetchone()
    assert row == (None, None)


@pytest.mark.parametrize("schema", ["main", "elsewhere", "temp"])
def test_a_function_of_the_same_name_elsewhere_is_not_called(
    schema: str, keyed: duckdb.DuckDBPyConnection, mask: Mask
) -> None:
    expected = mask("email_key", "a@example.com")
    place = "" if schema == "temp" else f"{schema}."
    keyed.execute("create schema if not exists elsewhere")
    keyed.execute(f"create {'temp' * (not place)} function {place}email_key(email) as email")
    keyed.execute("set search_path = 'elsewhere,main'")
    try:
        assert keyed.execute("select email_key('open')").fetchone() == ("open",)
        assert mask("email_key", "a@example.com") == expected
        column = keyed.execute(
            "select privacy.email_key(email)"
            " from (select 'a@example.com' as email, {'email_key': 'open'} as privacy)"
        ).fetchall()
        assert [key for (key,) in column] == expected
    finally:
        keyed.execute(f"drop function {place}email_key")
        keyed.execute("reset search_path")


def test_a_second_catalog_of_that_name_is_refused_and_not_asked(
    keyed: duckdb.DuckDBPyConnection, mask: Mask
) -> None:
    mask("email_key", "a@example.com")
    keyed.execute("attach ':memory:' as privacy")
    try:
        keyed.execute("create function privacy.main.email_key(email) as email")
        with pytest.raises(duckdb.BinderException, match="Ambiguous"):
            mask("email_key", "a@example.com")
    finally:
        keyed.execute("detach privacy")


def test_a_smallest_group_is_what_the_model_declares(build: Build) -> None:
    node = build.manifest()["nodes"]["model.grounded.agent_sales"]
    size = node["config"]["meta"]["serve"]["min_group"]["size"]
    assert f"having count(distinct customers.customer_id) >= {size}" in node["compiled_code"]


def test_redacting_files_uses_the_functions_that_dbt_makes(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    query = (
        "select schema_name, function_name, macro_definition from duckdb_functions() where "
        "schema_name = 'redaction' or (schema_name = 'privacy' and function_name = 'redact') "
        "order by all"
    )
    # DuckDB words a function that it has read from a file in another way than a new one.
    with duckdb.connect(tmp_path / "ours.duckdb") as connection:
        connection.execute(redaction_statements(PROJECT))
    with duckdb.connect(tmp_path / "ours.duckdb", read_only=True) as connection:
        ours = connection.execute(query).fetchall()
    assert len(ours) > 40
    assert warehouse.execute(query).fetchall() == ours
