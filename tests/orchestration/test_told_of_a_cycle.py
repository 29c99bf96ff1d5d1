"""What the runs of a follower tell of, and what of a followed build others can undo."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from ingestion.demo import down, up
from ingestion.load import load_source
from ingestion.warehouse import kept_engine
from orchestration import warm
from orchestration.cli.following import Problems
from orchestration.dbt_models import LOADED
from orchestration.resources import prepare_environment, read_settings
from orchestration.run import open_instance
from orchestration.warm import Warm
from serving import connect
from tests.follow.commands import change
from tests.homes import environment_put_back, home_of

# A run in this process: DuckDB makes a frame of instants by a keyword that pandas 3.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
Told = tuple[set[str], set[str]]


@pytest.fixture(scope="module")
def home(first_run: Path) -> Iterator[Path]:
    """A home after its first run with upstreams of its own, in this process's environment."""
    with environment_put_back(), home_of(first_run) as folder:
        prepare_environment(read_settings(folder))
        yield folder


@pytest.fixture(scope="module")
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance(home) as opened:
        yield opened


@pytest.fixture(scope="module")
def kept(home: Path, instance: dg.DagsterInstance) -> Iterator[Warm]:
    """The pipeline after its run in full."""
    follower = Warm(read_settings(home), instance, Problems())
    assert follower.load(["shop", "runbooks"]).failures == []
    assert follower.run_in_full().published
    yield follower
    follower.rest()


@pytest.fixture
def follower(kept: Warm, monkeypatch: pytest.MonkeyPatch) -> Warm:
    """The same, told of everything a moment ago."""
    monkeypatch.setattr(warm, "_TELL_ALL_S", 1e6)
    return kept


def last_run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    (run,) = instance.get_runs(limit=1)
    return run


def told(instance: dg.DagsterInstance) -> Told:
    """The assets that the last run is told to have made, and those that it checked."""
    run_id = last_run(instance).run_id
    made = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    checked = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    evaluations = [one.get_dagster_event().asset_check_evaluation_data for one in checked]
    return (
        {str(one.asset_materialization.asset_key.to_user_string()) for one in made},
        {one.asset_key.to_user_string() for one in evaluations},
    )


def changed(follower: Warm, home: Path, *statements: str) -> set[str]:
    """Change the shop, load it, and return the raw tables that have to be followed."""
    change(home, *statements)
    ended = follower.load(["shop"])
    assert ended.failures == []
    return set(ended.changed)


def test_a_cycle_tells_of_what_its_tables_lead_to_and_now_and_then_of_all_views_and_checks(
    home: Path, instance: dg.DagsterInstance, follower: Warm
) -> None:
    follower._told_all = float("-inf")
    assert changed(follower, home, "update orders set channel = 'fax' where id = 1") == {
        "shop/orders"
    }
    made, checked = told(instance)
    assert (
        made == checked == {f"shop/{table}" for table in read_settings(home).sources["shop"].tables}
    )
    assert follower.follow({"shop/orders"}).published
    made, checked = told(instance)
    assert {"serving/agent_knowledge", "serving/search_index"} <= made & checked

    changed(follower, home, "update orders set channel = 'phone' where id = 1")
    assert told(instance) == ({"shop/orders"}, set())
    assert follower.follow({"shop/orders"}).published
    views = {"serving/agent_customers", "serving/agent_orders", "serving/agent_sales"}
    models = {f"agents/{view[8:]}" for view in views} | {
        "marts/customer_orders",
        "marts/fct_orders",
    }
    assert told(instance) == (views | models | {"serving/snapshot"}, set())


def test_what_stops_a_publication_is_told_at_once_on_its_asset(
    home: Path, instance: dg.DagsterInstance, follower: Warm
) -> None:
    tables = changed(follower, home, "update orders set channel = 'post' where id = 2")
    follower.rest()
    lost = "agents.agent_orders where order_id between 10 and 19"
    in_warehouse(home, f"create table main.lost as from {lost}; delete from {lost}")
    ended = follower.follow(tables)
    assert not ended.published and "agent_orders" in ended.failures[0]
    assert told(instance)[1] == set(), "it was not the turn of any check"
    view = dg.AssetKey(["serving", "agent_orders"])
    check = dg.AssetCheckKey(view, "rows_reconcile_with_raw")
    (found,) = instance.event_log_storage.get_asset_check_execution_history(check, limit=1)
    assert found.status.value == "FAILED"
    follower.rest()
    in_warehouse(home, "insert into agents.agent_orders from main.lost; drop table main.lost")
    assert follower.follow(tables).published


def test_what_a_failed_load_left_is_looked_for_in_all_raw_tables_until_a_build_has_seen_it(
    home: Path, instance: dg.DagsterInstance, follower: Warm
) -> None:
    tables = changed(follower, home, "update orders set channel = 'fax' where id = 3")
    assert follower.follow(tables).published
    assert last_run(instance).tags[LOADED] == "shop.orders"
    down(home, services=["shop"])
    try:
        assert follower.load(["shop"]).failures
    finally:
        up(home, services=["shop"])
    tables = changed(follower, home, "update orders set channel = 'phone' where id = 3")
    # As a load leaves it that died between two tables.
    in_warehouse(home, "update shop.customers set city = 'Ulm', _dlt_load_id = 'half' where id = 1")
    assert follower.follow(tables | {"shop/customers"}).published
    assert LOADED not in last_run(instance).tags
    known = "select count(*) from changes.loads where load_id = 'half'"
    assert in_warehouse(home, known) == [(1,)]
    tables = changed(follower, home, "update orders set channel = 'fax' where id = 3")
    assert follower.follow(tables).published
    assert last_run(instance).tags[LOADED] == "shop.orders"


def test_a_mask_that_others_made_anew_between_two_cycles_hides_again(
    home: Path, follower: Warm
) -> None:
    tables = changed(follower, home, "update orders set customer_id = 5 where id = 4")
    assert follower.follow(tables).published
    follower.rest()
    in_warehouse(
        home,
        "create or replace function privacy.pseudonym(value, class, prefix) as (value::varchar)",
    )
    tables = changed(follower, home, "update orders set customer_id = 6 where id = 4")
    ended = follower.follow(tables)
    query = "select order_id from agents.agent_orders where not starts_with(customer_key, 'cus_')"
    assert in_warehouse(home, query) == [], ended.failures
    follower.run_in_full()


def test_after_a_build_that_failed_all_is_looked_at_again(home: Path, follower: Warm) -> None:
    tables = changed(follower, home, "update orders set channel = 'fax' where id = 7")
    assert follower.follow(tables).published
    tables = changed(follower, home, "update orders set status = 'lost at sea' where id = 7")
    assert not follower.follow(tables).published
    engine = kept_engine(home / "warehouse.duckdb")
    assert engine is not None
    engine.execute(
        "create or replace function privacy.pseudonym(value, class, prefix) as (value::varchar)"
    )
    tables |= changed(
        follower, home, "update orders set status = 'paid', customer_id = 8 where id = 7"
    )
    ended = follower.follow(tables)
    follower.rest()
    query = "select order_id from agents.agent_orders where not starts_with(customer_key, 'cus_')"
    assert in_warehouse(home, query) == [], ended.failures
    assert follower.run_in_full().published


def test_a_file_that_is_gone_is_news_although_nothing_was_read(home: Path, follower: Warm) -> None:
    folder = home / "demo" / "runbooks"
    (folder / "quokka.md").write_text("# Quokka\n\nOf quokkas.\n")
    assert follower.follow(news(follower)).published
    assert titles(home) == 1
    (folder / "quokka.md").unlink()
    assert follower.follow(news(follower)).published
    assert titles(home) == 0


def test_what_another_process_has_loaded_is_followed(home: Path, follower: Warm) -> None:
    assert news(follower) == set()
    (home / "demo" / "runbooks" / "quokka.md").write_text("# Quokka\n\nOf quokkas.\n")
    load_source("runbooks", read_settings(home).sources["runbooks"], home)
    assert follower.follow(news(follower)).published
    assert titles(home) == 1
    assert news(follower) == set()


def test_what_a_load_brought_that_failed_at_its_end_is_followed(
    home: Path, follower: Warm, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "demo" / "runbooks" / "wombat.md").write_text("# Wombat\n\nOf wombats.\n")

    def broken(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr("ingestion.load.settle", broken)
        assert follower.load(["runbooks"]).failures
    assert news(follower) == {"runbooks/documents"}
    assert news(follower) == set()


def test_a_run_in_full_of_what_did_not_change_makes_no_model_anew(
    home: Path, follower: Warm
) -> None:
    assert follower.run_in_full().published
    before = generations(home, follower)
    assert follower.run_in_full().published
    tables = changed(follower, home, "update customers set updated_at = now() where id = 9")
    assert follower.follow(tables).published
    assert generations(home, follower) == before


def generations(home: Path, follower: Warm) -> list[tuple[Any, ...]]:
    """The build that made each keyed model whole, told to who opens the warehouse anew."""
    follower.rest()
    return in_warehouse(home, "select name, generation from changes.models order by name")


def news(follower: Warm) -> set[str]:
    ended = follower.load(["runbooks"])
    assert ended.failures == []
    return set(ended.changed)


def titles(home: Path) -> int:
    with connect(home, "support_agent") as agent:
        return len(agent.sql("select 1 from agent_knowledge where title = 'Quokka'").rows)


def in_warehouse(home: Path, statement: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home / "warehouse.duckdb")) as warehouse:
        return warehouse.execute(statement).fetchall()
