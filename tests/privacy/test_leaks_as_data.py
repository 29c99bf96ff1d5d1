"""The corpus as data: what it smuggles really gets out, and what no lineage can see is there."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from orchestration.dbt_plugin import hmac_pads
from serving.declarations import parse_manifest
from serving.leak_scan.scan import scan
from serving.leak_scan.targets import Target
from serving.leak_scan.values import PersonalValues, personal_values
from tests.privacy.conftest import CORPUS, KEY, Leak, Manifest, prove_manifest, run_dbt, with_models
from tests.transform import raw_tables

SCANNED = [leak for leak in CORPUS if leak.caught_by == "scan"]
REFUSED = "cannot be followed"
RUNNABLE = [leak for leak in CORPUS if leak.tells != REFUSED]


@pytest.fixture(scope="module")
def warehouse(
    leaky_project: Path, tmp_path_factory: pytest.TempPathFactory, environment: pytest.MonkeyPatch
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse of few rows, with the canary among them, built up to the leaks for the scan."""
    home = tmp_path_factory.mktemp("home")
    raw_tables.create(home / "warehouse.duckdb")
    environment.setenv("GROUNDED_HOME", str(home))
    wanted = ["staging", "marts", *(leak.model for leak in SCANNED)]
    run_dbt(leaky_project, home, "run", "--select", *wanted)
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        inner, outer = hmac_pads(KEY)
        connection.execute("set variable privacy_ipad = ?", [inner])
        connection.execute("set variable privacy_opad = ?", [outer])
        yield connection


@pytest.fixture(scope="module")
def values(leaky: Manifest, tmp_path_factory: pytest.TempPathFactory) -> PersonalValues:
    """The personal values of the raw tables."""
    path = tmp_path_factory.mktemp("raw") / "warehouse.duckdb"
    raw_tables.create(path)
    return personal_values(path, parse_manifest(with_models(leaky)))


@pytest.mark.parametrize("leak", SCANNED, ids=lambda leak: leak.name)
def test_what_passes_a_mask_and_is_still_personal_is_left_to_the_scan(
    leak: Leak, leaky: Manifest, warehouse: duckdb.DuckDBPyConnection
) -> None:
    proof = prove_manifest(with_models(leaky, leak.model))
    assert [problem for problem in proof.problems if "unmasked" in problem] == []
    rows = warehouse.execute(f"from agents.{leak.model}").fetchall()
    assert any(leak.tells in str(cell) for row in rows for cell in row), leak.how


@pytest.mark.parametrize("leak", SCANNED, ids=lambda leak: leak.name)
def test_the_scan_finds_it_in_the_file_that_would_be_published(
    leak: Leak,
    leaky: Manifest,
    warehouse: duckdb.DuckDBPyConnection,
    values: PersonalValues,
    tmp_path: Path,
) -> None:
    export(warehouse, f"from agents.{leak.model}", tmp_path / "view.duckdb")
    report = scan([Target(tmp_path, "candidate")], values)
    assert {hit.by for hit in report.hits} == {"value"}, leak.how
    assert all(hit.file == "candidate/view.duckdb" for hit in report.hits)


def test_the_scan_finds_nothing_in_an_honest_view_of_the_same_rows(
    warehouse: duckdb.DuckDBPyConnection, leaky: Manifest, values: PersonalValues, tmp_path: Path
) -> None:
    honest = leaky["nodes"]["model.grounded.agent_tickets"]["compiled_code"]
    export(warehouse, honest, tmp_path / "view.duckdb")
    assert scan([Target(tmp_path, "candidate")], values).is_clean


def export(warehouse: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """Write the rows of a query into a file of their own, as publishing does."""
    rows = warehouse.execute(query).to_arrow_table()
    with duckdb.connect(str(path)) as connection:
        connection.register("rows", rows)
        connection.execute("create table view as from rows")


@pytest.mark.parametrize("leak", RUNNABLE, ids=lambda leak: leak.name)
def test_a_smuggling_model_is_one_that_would_run(
    leak: Leak, leaky: Manifest, warehouse: duckdb.DuckDBPyConnection
) -> None:
    compiled = leaky["nodes"][f"model.grounded.{leak.model}"]["compiled_code"]
    assert warehouse.execute(compiled).description
