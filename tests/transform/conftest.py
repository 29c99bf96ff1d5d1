"""One real `dbt build` in process, shared by the tests of the dbt project."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt_common.events.base_types import EventMsg

from orchestration.dbt_plugin import hmac_pads
from tests.transform import raw_tables

PROJECT = Path(__file__).parents[2] / "dbt_project"
KEY = "canary-key-0123456789-0123456789-0123456789"


@dataclass(frozen=True)
class Build:
    """What one `dbt build` left behind."""

    home: Path
    result: dbtRunnerResult
    events: list[EventMsg]

    def manifest(self) -> dict[str, Any]:
        """The manifest as other packages read it."""
        text = (self.home / "dbt/target/manifest.json").read_text()
        manifest: dict[str, Any] = json.loads(text)
        return manifest


def run_dbt(home: Path, *arguments: str, events: list[EventMsg] | None = None) -> dbtRunnerResult:
    """Runs dbt in process on a home folder, with all artifacts and logs in it."""
    result = dbtRunner(callbacks=[] if events is None else [events.append]).invoke(
        [
            *arguments,
            f"--project-dir={PROJECT}",
            f"--profiles-dir={PROJECT}",
            f"--target-path={home / 'dbt/target'}",
            f"--log-path={home / 'dbt/logs'}",
        ]
    )
    # dbt keeps the warehouse and its log file open for the next run in this process.
    DuckDBConnectionManager.close_all_connections()
    for handler in logging.getLogger("file_log").handlers:
        handler.close()
    return result


@pytest.fixture(scope="session")
def environment() -> Iterator[pytest.MonkeyPatch]:
    """The environment of dbt, which outlives single tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBT_ENV_SECRET_PRIVACY_KEY", KEY)
        yield patch


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory, environment: pytest.MonkeyPatch) -> Build:
    """A warehouse of untidy rows after one `dbt build`, logged at its most talkative."""
    home = tmp_path_factory.mktemp("home")
    raw_tables.create(home / "warehouse.duckdb")
    environment.setenv("GROUNDED_HOME", str(home))
    events: list[EventMsg] = []
    result = run_dbt(home, "--log-level=debug", "build", events=events)
    return Build(home, result, events)


@pytest.fixture(scope="session")
def warehouse(build: Build) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only look at the built warehouse."""
    with duckdb.connect(build.home / "warehouse.duckdb", read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


@pytest.fixture(scope="session")
def keyed() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database whose session holds the privacy key."""
    with duckdb.connect() as connection:
        inner, outer = hmac_pads(KEY)
        connection.execute("set variable privacy_ipad = ?", [inner])
        connection.execute("set variable privacy_opad = ?", [outer])
        yield connection
