"""A source that a follower loads for the first time, beside those that it follows already."""

import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from orchestration import warm
from orchestration.cli.following import Problems
from orchestration.resources import prepare_environment, read_settings
from orchestration.run import open_instance
from orchestration.warm import Ended, Warm
from serving import connect
from serving.snapshot_store import current
from tests.follow.commands import change
from tests.homes import environment_put_back, home_of

pytestmark = [
    pytest.mark.timeout(600),
    # A run in this process: DuckDB makes a frame of instants by a keyword that pandas deprecates.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def home(first_run: Path) -> Iterator[Path]:
    """A home with upstreams of its own of which nothing was loaded."""
    with environment_put_back(), home_of(first_run) as folder:
        for name in ("dlt", "dbt", "published"):
            shutil.rmtree(folder / name)
        (folder / "warehouse.duckdb").unlink()
        prepare_environment(read_settings(folder))
        yield folder


@pytest.fixture(scope="module")
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance(home) as opened:
        yield opened


@pytest.fixture(scope="module")
def follower(home: Path, instance: dg.DagsterInstance) -> Iterator[Warm]:
    """The pipeline after its run in full without the help desk."""
    follower = Warm(read_settings(home), instance, Problems())
    assert follower.load(["shop", "runbooks"]).failures == []
    assert follower.run_in_full().published
    yield follower
    follower.rest()


def followed(follower: Warm, source: str) -> Ended:
    """What a cycle does that loads one source."""
    loaded = follower.load([source])
    assert loaded.failures == []
    return follower.follow(loaded.changed)


def last_built(instance: dg.DagsterInstance, mart: str) -> str:
    """The run that a mart was last built in."""
    event = instance.get_latest_materialization_event(dg.AssetKey(["marts", mart]))
    assert event is not None
    return event.run_id


def test_it_is_built_tested_and_published_and_what_was_there_is_not_built_anew(
    home: Path, instance: dg.DagsterInstance, follower: Warm
) -> None:
    before, built = current(home)[1], last_built(instance, "fct_orders")
    assert "agent_orders" in before.views and "agent_tickets" not in before.views
    made = followed(follower, "helpdesk")
    assert made.published and made.failures == []
    _, catalog = current(home)
    assert catalog.stores["agent_tickets"].rows and catalog.index is not None
    assert catalog.index.chunks["agent_tickets"]
    # Its texts are searched for the people of the help desk too.
    assert "agent_knowledge" in catalog.views.keys() - before.views.keys()
    for name in ("agent_orders", "agent_products"):
        assert catalog.stores[name] == before.stores[name]
    assert last_built(instance, "fct_orders") == built
    unique = dg.AssetCheckKey(
        dg.AssetKey(["agents", "agent_tickets"]), "unique_agent_tickets_ticket_id"
    )
    told = instance.event_log_storage.get_asset_check_execution_history(unique, 1)
    assert [one.status.value for one in told] == ["SUCCEEDED"]
    with connect(home, "support_agent") as agent:
        assert agent.search("size advice", table="agent_tickets").rows


def test_what_it_holds_is_followed_from_then_on(home: Path, follower: Warm) -> None:
    change(home, "update orders set channel = 'pigeon' where id = 7")
    assert followed(follower, "shop").published
    with connect(home, "support_agent") as agent:
        (order,) = agent.lookup("agent_orders", "order_id", 7).rows
    assert order["channel"] == "pigeon"


def test_where_the_project_changed_meanwhile_all_is_built(
    home: Path, instance: dg.DagsterInstance, follower: Warm, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = last_built(instance, "fct_orders")
    # The calls above are its own log's first.
    loaded = follower.load(["audit"])
    assert loaded.failures == []
    monkeypatch.setattr(warm, "newest_file", lambda: math.inf)
    assert follower.follow(loaded.changed).published
    assert last_built(instance, "fct_orders") != built
