"""`grounded run` on a copy of the project: what is not proven is neither built nor published."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import duckdb
import pytest

from serving.layout import PRIVACY_FILE, SNAPSHOTS, published_folder
from serving.snapshot_store import current_id
from tests.grounded import ROOT, Done, Warm, environment
from tests.homes import home_of

pytestmark = pytest.mark.timeout(900)
PACKAGES = ("dbt_project", "ingestion", "orchestration", "serving")
SNAPSHOT = dg.AssetKey(["serving", "snapshot"])
PROVEN = "no_personal_column_reaches_an_agent_unmasked"
CLASSIFIED = "every_raw_column_is_classified"


@dataclass(frozen=True)
class Copy:
    """A copy of the project with a home of its own."""

    root: Path
    home: Path
    warm: Warm

    def grounded(self, *arguments: str) -> Done:
        """Run a command of the copy to its end."""
        return self.warm.run(arguments, environment(self.home))

    def replace(self, file: str, old: str, new: str) -> None:
        """Change a file of the dbt project."""
        path = self.root / "dbt_project" / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def check(self, name: str) -> str:
        """How a check of the snapshot ended last, as Dagster's pages show it."""
        key = dg.AssetCheckKey(SNAPSHOT, name)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DAGSTER_HOME", str(self.home / "dagster"))
            instance = dg.DagsterInstance.get()
            found = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])
        return found[key].status.value


@pytest.fixture(scope="module")
def copy(first_run: Path) -> Iterator[Copy]:
    """The copy after a first, sound run."""
    with home_of(first_run) as home, TemporaryDirectory() as folder:
        root = Path(folder)
        for package in PACKAGES:
            shutil.copytree(ROOT / package, root / package)
        warm = Warm(root)
        yield Copy(root, home, warm)
        warm.close()


def test_a_sound_run_publishes_the_proof_beside_the_catalog(copy: Copy) -> None:
    snapshot = published_folder(copy.home) / SNAPSHOTS / current_id(copy.home)
    page = (snapshot / PRIVACY_FILE).read_text(encoding="utf-8")
    assert "No personal column reaches an agent unmasked" in page
    assert "shop.customers.email (email)" in page and "privacy.email_key" in page
    assert copy.check(PROVEN) == "SUCCEEDED"


def test_a_mask_that_is_pulled_out_stops_the_run_before_anything_is_built(copy: Copy) -> None:
    before = current_id(copy.home)
    model, mask = "models/agents/agent_customers.sql", "{{ mask_name('customers.full_name') }} as"
    copy.replace(model, mask, "customers.full_name as")
    try:
        done = copy.grounded("run", "--source", "runbooks")
        report = copy.grounded("privacy", "report", "--view", "agent_customers")
    finally:
        copy.replace(model, "    customers.full_name as", f"    {mask}")
    assert done.status == 1
    told = (
        "agent_customers.name_masked shows shop.customers.full_name (class name) unmasked: "
        "shop.customers.full_name -> stg_shop__customers.full_name -> dim_customers.full_name -> "
        "agent_customers.name_masked"
    )
    assert told in done.err
    assert report.status == 1 and "NOT PROVEN" in report.out
    assert current_id(copy.home) == before
    assert copy.check(PROVEN) == "FAILED"
    with duckdb.connect(str(copy.home / "warehouse.duckdb"), read_only=True) as connection:
        names = connection.execute("select name_masked from agents.agent_customers").fetchall()
    assert all(name is None or "." in name for (name,) in names)


def test_a_new_upstream_column_stops_publishing_with_the_yaml_to_add(copy: Copy) -> None:
    before = current_id(copy.home)
    with duckdb.connect(str(copy.home / "warehouse.duckdb")) as connection:
        connection.execute("alter table shop.customers add column passport varchar")
    done = copy.grounded("run", "--source", "runbooks")
    assert done.status == 1
    assert "shop.customers.passport has no privacy class" in done.err
    assert "`- name: passport`" in done.err
    assert current_id(copy.home) == before
    assert copy.check(CLASSIFIED) == "FAILED"
    assert copy.check(PROVEN) == "SUCCEEDED"
