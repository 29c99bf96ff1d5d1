"""dbt in the process of its run: chosen models alone are built, and a failure tells no value."""

import dagster as dg
import duckdb
import pytest

from orchestration.dbt_runner import parse, run
from orchestration.definitions import build_definitions
from orchestration.errors import TransformFailed
from orchestration.manifest import read_manifest
from orchestration.resources import Settings

# Of dagster-dbt, which calls what Dagster is about to drop; a command shows no such warning.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
VALUE = "quillfeather"
CHOSEN = {"staging/stg_shop__products", "staging/stg_shop__inventory", "marts/dim_products"}


@pytest.fixture(scope="module")
def chosen(settings: Settings) -> dg.ExecuteInProcessResult:
    """A run of models that somebody has chosen in the UI."""
    job = build_definitions(settings).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(asset_selection=[dg.AssetKey(key.split("/")) for key in CHOSEN])


def test_chosen_models_are_built_alone(
    chosen: dg.ExecuteInProcessResult, settings: Settings
) -> None:
    assert chosen.success
    built = {
        event.asset_key.to_user_string() for event in chosen.get_asset_materialization_events()
    }
    assert built == CHOSEN
    with duckdb.connect(str(settings.home / "warehouse.duckdb"), read_only=True) as connection:
        found = connection.execute(
            "select table_schema || '/' || table_name from information_schema.tables "
            "where table_schema in ('staging', 'marts', 'agents')"
        ).fetchall()
    assert {name for (name,) in found} == CHOSEN


def test_their_own_tests_are_checks_of_the_run(chosen: dg.ExecuteInProcessResult) -> None:
    evaluations = chosen.get_asset_check_evaluations()
    assert evaluations and all(evaluation.passed for evaluation in evaluations)
    assert {e.asset_key.to_user_string() for e in evaluations} == {"marts/dim_products"}


def test_a_project_is_parsed_again_and_what_the_last_build_ran_stays(
    chosen: dg.ExecuteInProcessResult, settings: Settings
) -> None:
    before = read_manifest(settings.dbt_build)
    assert parse(settings.dbt_build).nodes.keys() == before["nodes"].keys()
    assert read_manifest(settings.dbt_build) == before
    assert before["nodes"]["model.grounded.dim_products"]["compiled_code"]


def test_a_failure_names_the_model_and_no_value_and_lets_go_of_the_warehouse(
    chosen: dg.ExecuteInProcessResult, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    warehouse = settings.home / "warehouse.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("alter table shop.products rename to kept")
        connection.execute(
            "create view shop.products as select * replace "
            f"(error('no such name: {VALUE}') as id, 'another' as _dlt_load_id) from shop.kept"
        )
    arguments = ["build", "--select", "dim_products", "--exclude-resource-type", "unit_test"]
    with pytest.raises(TransformFailed, match="dbt failed on dim_products") as caught:
        list(run(settings.dbt_build, arguments))
    printed = capfd.readouterr()
    assert VALUE not in f"{caught.value}{printed.out}{printed.err}"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("drop view shop.products")


def test_a_project_that_dbt_cannot_select_from_is_a_failure_too(settings: Settings) -> None:
    with pytest.raises(TransformFailed, match="dbt failed on the project"):
        list(run(settings.dbt_build, ["build", "--no-such-option"]))
