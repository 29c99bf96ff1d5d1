"""Changes beside a model's SQL that could carry data past the proof: each is refused."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from serving.declarations import parse_manifest
from serving.errors import DeclarationError
from tests.privacy.conftest import Manifest, prove_manifest

Node = dict[str, Any]
CUSTOMERS = "model.grounded.agent_customers"
STAGED = "model.grounded.stg_shop__customers"


def changed(manifest: Manifest, change: Callable[[Manifest], None]) -> str:
    """All problems of the proof after a change."""
    other = deepcopy(manifest)
    change(other)
    return "\n".join(prove_manifest(other).problems)


def set_config(name: str, value: Any) -> Callable[[Manifest], None]:
    """A change of one setting of a model in the middle."""

    def change(manifest: Manifest) -> None:
        manifest["nodes"][STAGED]["config"][name] = value

    return change


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("materialized", "incremental", "materialized as incremental"),
        ("materialized", "external", "materialized as external"),
        ("post-hook", [{"sql": "insert into agents.x from shop.customers"}], "its post-hook"),
        ("pre-hook", [{"sql": "create macro lower(x) as x"}], "its pre-hook"),
        ("sql_header", "create temp macro f(x) as x;", "its sql_header"),
    ],
)
def test_a_setting_that_makes_other_rows_is_not_followed(
    manifest: Manifest, name: str, value: Any, told: str
) -> None:
    problems = changed(manifest, set_config(name, value))
    assert f"stg_shop__customers cannot be followed: {told}" in problems


@pytest.mark.parametrize("kind", ["snapshot", "seed"])
def test_a_node_that_is_no_model_is_not_followed(manifest: Manifest, kind: str) -> None:
    def change(manifest: Manifest) -> None:
        manifest["nodes"][STAGED]["resource_type"] = kind

    assert f"a {kind} is not followed" in changed(manifest, change)


def test_a_python_model_is_not_followed(manifest: Manifest) -> None:
    def change(manifest: Manifest) -> None:
        manifest["nodes"][STAGED]["language"] = "python"

    assert "a model in python is not followed" in changed(manifest, change)


@pytest.mark.parametrize(
    "code",
    [
        "{% do run_query('insert into agents.x from shop.customers') %}",
        "{%- call statement('x') -%} select 1 {%- endcall -%}",
        "{% do adapter.execute('drop table x') %}",
        "{{ adapter['exe' ~ 'cute']('drop table x') }}",
        "{{ context['run' ~ '_query']('select 1') }}",
    ],
)
def test_jinja_that_runs_statements_is_refused_in_models_and_their_macros(
    manifest: Manifest, code: str
) -> None:
    def in_model(manifest: Manifest) -> None:
        manifest["nodes"][STAGED]["raw_code"] += code

    def in_macro(manifest: Manifest) -> None:
        manifest["macros"]["macro.grounded.country_name"]["macro_sql"] += code

    assert "its Jinja runs statements" in changed(manifest, in_model)
    assert "macro country_name runs statements" in changed(manifest, in_macro)


def test_a_hook_of_the_project_is_refused_but_those_that_make_the_masks_and_the_change_log(
    manifest: Manifest,
) -> None:
    hooks = [node for node in manifest["nodes"].values() if node["resource_type"] == "operation"]
    assert {hook["raw_code"] for hook in hooks} == {
        "{{ create_change_log() }}",
        "{{ create_privacy_functions() }}",
    }

    def change(manifest: Manifest) -> None:
        hook = {**hooks[0], "raw_code": "create table agents.agent_x as from shop.customers"}
        manifest["nodes"]["operation.grounded.other"] = hook

    assert "the hook grounded-on-run-start-0 runs statements" in changed(manifest, change)


@pytest.mark.parametrize("name", ["materialization_table_duckdb", "duckdb__create_table_as"])
def test_a_macro_that_replaces_how_tables_are_built_is_refused(
    manifest: Manifest, name: str
) -> None:
    def change(manifest: Manifest) -> None:
        own = manifest["macros"]["macro.grounded.clean_text"]
        manifest["macros"][f"macro.grounded.{name}"] = {**own, "name": name}

    assert f"macro {name} replaces one of dbt's own" in changed(manifest, change)


@pytest.mark.parametrize("name", ["materialization_keyed_duckdb", "keyed_narrowed"])
def test_a_macro_that_builds_keyed_models_in_another_way_is_refused(
    manifest: Manifest, name: str
) -> None:
    def change(manifest: Manifest) -> None:
        own = manifest["macros"][f"macro.grounded.{name}"]
        text = own["macro_sql"].replace("select", "select distinct", 1) + " "
        manifest["macros"][f"macro.grounded.{name}"] = {**own, "macro_sql": text}

    assert "macros/keyed/ is not as it was shipped" in changed(manifest, change)


def test_a_source_without_columns_is_not_followed(manifest: Manifest) -> None:
    def change(manifest: Manifest) -> None:
        manifest["sources"]["source.grounded.shop.customers"]["columns"] = {}

    assert "the source declares no columns" in changed(manifest, change)


def test_a_column_that_the_source_does_not_declare_is_not_followed(manifest: Manifest) -> None:
    def change(manifest: Manifest) -> None:
        del manifest["sources"]["source.grounded.shop.customers"]["columns"]["country"]

    assert "column country is of no table that is known here" in changed(manifest, change)


def test_a_column_without_a_class_is_personal(manifest: Manifest) -> None:
    def change(manifest: Manifest) -> None:
        column = manifest["sources"]["source.grounded.shop.orders"]["columns"]["channel"]
        column["meta"] = column["config"]["meta"] = {}

    problems = changed(manifest, change)
    assert "agent_orders.channel shows shop.orders.channel (no privacy class)" in problems
    assert "give the source column a privacy class" in problems


def test_of_two_declarations_of_a_column_the_less_public_counts(manifest: Manifest) -> None:
    def change(manifest: Manifest) -> None:
        columns = manifest["sources"]["source.grounded.shop.orders"]["columns"]
        columns["CHANNEL"] = {**columns["channel"], "config": {"meta": {"privacy": "name"}}}

    assert "shop.orders.channel (class name) unmasked" in changed(manifest, change)


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("status <> 'spam' or exists (from shop.customers)", "neither a model nor a source"),
        ("true union all select 1", "more than one condition"),
        ("true limit 1", "more than one condition"),
        ("read_text('x') is null", "function read_text"),
        ("nothing = 1", "column nothing"),
    ],
)
def test_a_row_filter_is_one_condition_over_its_view(
    manifest: Manifest, condition: str, told: str
) -> None:
    def change(manifest: Manifest) -> None:
        exposure = manifest["exposures"]["exposure.grounded.support_agent"]
        for meta in (exposure["meta"], exposure["config"]["meta"]):
            meta["agent"]["rows"] = {"agent_tickets": condition}

    problems = changed(manifest, change)
    assert "agent support_agent: the row filter on agent_tickets cannot be followed" in problems
    assert told in problems


def test_a_row_filter_over_an_unmasked_column_is_told(manifest: Manifest) -> None:
    def change(manifest: Manifest) -> None:
        node = manifest["nodes"][CUSTOMERS]
        node["compiled_code"] = node["compiled_code"].replace(
            "privacy.address_city(customers.city)", "customers.city"
        )
        exposure = manifest["exposures"]["exposure.grounded.support_agent"]
        for meta in (exposure["meta"], exposure["config"]["meta"]):
            meta["agent"]["rows"] = {"agent_customers": "city = 'Leeds'"}

    assert "the row filter on agent_customers reads city, which is unmasked" in changed(
        manifest, change
    )


def test_a_search_text_is_named_among_the_surfaces(manifest: Manifest) -> None:
    proof = prove_manifest(manifest)
    surfaces = {(one.view, one.column): one.surfaces for one in proof.columns}
    assert surfaces["agent_tickets", "subject"] == ("column", "search text", "search title")
    assert surfaces["agent_tickets", "status"] == ("column", "search filter")


def test_indirect_use_needs_a_reason_and_a_permission_that_nothing_needs_is_told(
    manifest: Manifest,
) -> None:
    def forget(manifest: Manifest) -> None:
        node = manifest["nodes"]["model.grounded.fct_tickets"]
        node["meta"] = node["config"]["meta"] = {}

    told = changed(manifest, forget)
    assert "fct_tickets uses personal columns indirectly" in told
    assert "_marts__models.yml under config.meta.privacy.indirect" in told
    assert "uses: [join], reason: <why>" in told
    assert prove_manifest(manifest).unneeded == ()

    other = deepcopy(manifest)
    use = {"columns": ["shop.customers.email"], "uses": ["join"], "reason": "for no reason"}
    node = other["nodes"]["model.grounded.dim_products"]
    node["config"]["meta"] = {"privacy": {"indirect": [use]}}
    assert "model dim_products: nothing needs" in prove_manifest(other).unneeded[0]


def test_a_permission_without_a_reason_is_refused(manifest: Manifest) -> None:
    other = deepcopy(manifest)
    use = {"columns": ["shop.customers.email"], "uses": ["join"], "reason": " "}
    other["nodes"][CUSTOMERS]["config"]["meta"]["privacy"] = {"indirect": [use]}
    with pytest.raises(DeclarationError, match=r"meta.privacy.indirect: reason"):
        parse_manifest(other)


def test_a_mask_is_declared_in_its_folder_alone_and_hides_neither_public_nor_secret(
    manifest: Manifest,
) -> None:
    meta = {"mask": {"method": "partial", "hides": ["email"]}}
    other = deepcopy(manifest)
    other["macros"]["macro.grounded.clean_text"]["config"]["meta"] = meta
    with pytest.raises(DeclarationError, match="only a macro in macros/privacy/"):
        parse_manifest(other)
    other = deepcopy(manifest)
    meta = {"mask": {"method": "partial", "hides": ["secret"]}}
    other["macros"]["macro.grounded.email_key"]["config"]["meta"] = meta
    with pytest.raises(DeclarationError, match="no mask hides secret"):
        parse_manifest(other)


def test_two_models_of_one_relation_are_refused(manifest: Manifest) -> None:
    def change(manifest: Manifest) -> None:
        copy = deepcopy(manifest["nodes"]["model.grounded.dim_products"])
        copy["alias"] = "dim_customers"
        manifest["nodes"]["model.grounded.copy"] = copy

    assert "are the same table, marts.dim_customers" in changed(manifest, change)
