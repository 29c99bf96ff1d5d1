"""A home where some sources were never loaded publishes what the others give."""

from collections.abc import Iterator

import dagster as dg
import duckdb
import pytest

from orchestration.definitions import build_definitions
from orchestration.resources import Settings
from orchestration.run import has_published
from orchestration.run_log import NOT_LOADED
from serving.snapshot_store import current

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
DOWNSTREAM = ("staging", "marts", "agents", "serving")


def downstream(settings: Settings) -> dg.ExecuteInProcessResult:
    definitions = build_definitions(settings)
    graph = definitions.resolve_asset_graph()
    chosen = dg.AssetSelection.groups(*DOWNSTREAM).resolve(graph)
    job = definitions.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(asset_selection=sorted(chosen))


@pytest.fixture(scope="module")
def partly(settings: Settings) -> Iterator[dg.ExecuteInProcessResult]:
    """A run of everything downstream where the help desk was never loaded."""
    with duckdb.connect(str(settings.home / "warehouse.duckdb")) as connection:
        connection.execute("drop schema helpdesk cascade")
    yield downstream(settings)


def test_the_views_of_loaded_sources_are_published_and_the_others_told(
    partly: dg.ExecuteInProcessResult, settings: Settings
) -> None:
    assert partly.success and has_published(partly)
    _, catalog = current(settings.home)
    assert "agent_orders" in catalog.views and "agent_tickets" not in catalog.views
    told = {
        event.asset_key.to_user_string()
        for event in partly.get_asset_materialization_events()
        if NOT_LOADED in event.materialization.metadata
    }
    assert {
        "staging/stg_helpdesk__comments",
        "agents/agent_tickets",
        "serving/agent_tickets",
    } < told
    assert "agents/agent_orders" not in told
