"""Which assets and checks the run of a followed cycle is of."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from orchestration import warm
from orchestration.cli.following import Problems
from orchestration.resources import prepare_environment, read_settings
from orchestration.run import open_instance
from orchestration.warm import Warm
from tests.homes import copy_home

# A run in this process: DuckDB makes a frame of instants by a keyword that pandas 3.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
Told = tuple[set[str], set[str]]


@pytest.fixture
def home(first_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home after its first run, in this process's environment."""
    copy_home(first_run, tmp_path)
    for name in ("GROUNDED_HOME", "DAGSTER_HOME", "DBT_ENV_SECRET_PRIVACY_KEY", "ERASURE__KEY"):
        monkeypatch.setenv(name, "")
    monkeypatch.delenv("GROUNDED_PRIVACY_KEY", raising=False)
    prepare_environment(read_settings(tmp_path))
    yield tmp_path


def told(instance: dg.DagsterInstance, follower: Warm, tables: list[str]) -> Told:
    """The assets that a cycle is told to have made, and those that it checked."""
    assert follower.follow(tables).published
    (run_id,) = instance.get_run_ids(limit=1)
    made = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    checked = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    evaluations = [one.get_dagster_event().asset_check_evaluation_data for one in checked]
    return (
        {str(one.asset_materialization.asset_key.to_user_string()) for one in made},
        {one.asset_key.to_user_string() for one in evaluations},
    )


def test_a_cycle_is_told_of_what_its_tables_lead_to_and_now_and_then_of_all_views(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm, "_TELL_ALL_S", 1e6)
    with open_instance(home) as instance:
        follower = Warm(read_settings(home), instance, Problems())
        assert follower.run_in_full().published
        follower._told_all = float("-inf")
        made, checked = told(instance, follower, ["shop/orders"])
        assert {"serving/agent_knowledge", "serving/search_index"} <= made & checked
        made, checked = told(instance, follower, ["shop/orders"])
        follower.rest()
    changed = {"serving/agent_customers", "serving/agent_orders", "serving/agent_sales"}
    assert made == {*changed, "serving/snapshot", *(f"agents/{one[8:]}" for one in changed)} | {
        "marts/customer_orders",
        "marts/fct_orders",
    }
    assert checked == {*changed, "serving/snapshot"}
