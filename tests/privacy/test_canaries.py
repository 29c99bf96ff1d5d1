"""The canary after a run, a run that fails on one of her values, and a run that is killed.

demo upstreams -> grounded run, three ways -> scan of every artefact -> found in raw alone
"""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from ingestion.demo import canary
from serving.leak_scan.report import ScanReport
from serving.leak_scan.scan import scan
from serving.leak_scan.targets import Target, home_targets
from serving.leak_scan.values import of
from tests.grounded import environment, grounded, warm
from tests.homes import home_of

pytestmark = pytest.mark.timeout(900)
CANARY = of(
    [
        ("canary.name", "name", canary.FULL_NAME),
        ("canary.email", "email", canary.EMAIL),
        ("canary.phone", "phone", canary.PHONE),
        ("canary.street", "address", canary.STREET),
    ]
)
RUNS = {"dagster", "dbt", "dlt"}


@pytest.fixture(scope="module")
def home(first_run: Path) -> Iterator[Path]:
    """A home with small upstreams of its own after a first run."""
    with home_of(first_run) as folder:
        yield folder


def searched(home: Path) -> ScanReport:
    report = scan(home_targets(home), CANARY, patterns=False)
    assert {entry.name for entry in home.iterdir()} >= RUNS
    assert report.files["sqlite"] > 3 and report.files["json"] > 3 and report.unread == ()
    return report


def test_after_a_run_she_is_in_the_warehouse_and_nowhere_else(home: Path) -> None:
    inside = scan([Target(home / "warehouse.duckdb", "warehouse")], CANARY, patterns=False)
    places = {place for place, _ in inside.counts}
    assert {"warehouse: customers.email", "warehouse: tickets.body"} <= places
    assert inside.counts["warehouse: customers.phone", "phone"] == 1
    assert searched(home).counts == {}


# In place of a raw table, a view whose reading fails with a message that quotes her.
BREAK = (
    "create schema aside",
    "create table aside.customers as from shop.customers",
    "drop table shop.customers",
    "create view shop.customers as select * replace (case when id = {id} "
    "then error('no such name: ' || email) else full_name end as full_name{load}) "
    "from aside.customers",
)
# Where it is read: only rows of a new load are read by the models, all of them by the leak scan.
READ = {
    "dbt failed on": ", 'another load' as _dlt_load_id",
    "the warehouse cannot be read": "",
}
MEND = (
    "drop view shop.customers",
    "create table shop.customers as from aside.customers",
    "drop schema aside cascade",
)


@pytest.mark.parametrize("told", READ)
def test_after_an_error_that_quotes_her_she_is_nowhere_else(home: Path, told: str) -> None:
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        for statement in BREAK:
            connection.execute(statement.format(id=canary.CUSTOMER_ID, load=READ[told]))
    done = grounded(home, "run", "--source", "runbooks")
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        for statement in MEND:
            connection.execute(statement)
    assert done.status == 1 and told in done.err
    assert canary.EMAIL not in done.out + done.err
    assert searched(home).counts == {}


@pytest.mark.thorough
def test_after_a_killed_run_she_is_nowhere_else(home: Path) -> None:
    assert grounded(home, "demo", "traffic").status == 0
    building = home / "published" / "building"
    run = warm().start(["run"], environment(home))
    while run.poll() is None and not any(building.rglob("*.duckdb")):
        pass
    assert run.poll() is None, "the run ended before it could be killed"
    run.kill()
    assert any(building.iterdir())
    # A view's file that was being written does not open; its bytes are searched.
    report = scan(home_targets(home), CANARY, patterns=False)
    assert report.counts == {}


def test_the_command_finds_what_was_planted_beside_it_and_tells_no_value(home: Path) -> None:
    planted = home / "dlt" / "planted.log"
    planted.write_text(f"load failed for {canary.EMAIL}\n", encoding="utf-8")
    done = grounded(home, "privacy", "scan")
    planted.unlink()
    assert done.status == 1
    assert "dlt/planted.log: (bytes)" in done.out and "line 1" in done.out
    assert not any(value in done.out + done.err for value in canary.VALUES)
