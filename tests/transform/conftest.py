"""One real `dbt build` in process, shared by the tests of the dbt project."""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt_common.events.base_types import EventMsg

from orchestration.dbt_plugin import hmac_pads
from tests.transform import raw_tables

PROJECT = Path(__file__).parents[2] / "dbt_project"
KEY = "canary-key-0123456789-0123456789-0123456789"
TODAY = date(2026, 3, 1)
KNOWN = "{'name': ['name'], 'email': ['email'], 'phone': ['phone'], 'address': ['street']}"
MACROS = {
    "customer": "pseudonym('value', 'customer')",
    "email_key": "email_key('value')",
    "phone_key": "phone_key('value')",
    "pseudonym_of_phone": "pseudonym('value', 'phone')",
    "format_key": "format_key('value', 'phone')",
    "format_key_of_card": "format_key('value', 'card')",
    "email_domain": "email_domain('value')",
    "mask_phone": "mask_phone('value')",
    "mask_name": "mask_name('value')",
    "address_city": "address_city('value')",
    "age_band": "age_band('cast(value as date)')",
    "bucket_number": "bucket_number('cast(value as decimal(38, 9))', 25)",
    "bucket_double": "bucket_number('cast(value as double)', 25)",
    "shift_date": "shift_date('cast(value as date)', 'name')",
    "shift_timestamp": "shift_timestamp('cast(value as timestamptz)', 'name')",
    "nulled": "nulled('value')",
    "redact": "redact('value')",
    "redact_known": f"redact('value', {KNOWN})",
}
SEPARATOR = "-- next mask"

Mask = Callable[..., list[Any]]


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

    def compiled(self, layer: str) -> list[Path]:
        """The compiled SQL of the models of one layer, one file each."""
        folder = self.home / "dbt/target/compiled/grounded/models" / layer
        return sorted(path for path in folder.glob("*.sql") if path.is_file())


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


def compiled_code(result: dbtRunnerResult) -> str:
    """The SQL of a successful `dbt compile --inline`."""
    assert isinstance(result.result, RunExecutionResult), result.exception
    node: Any = result.result.results[0].node
    return str(node.compiled_code)


@pytest.fixture(scope="session")
def mask(
    environment: pytest.MonkeyPatch,
    keyed: duckdb.DuckDBPyConnection,
    tmp_path_factory: pytest.TempPathFactory,
) -> Mask:
    """Runs one mask, as dbt compiles it, on some values and what is known of whom they belong to.

    A known value is everybody's, or a list of them has one for each value. DuckDB plans a query of
    the redaction for 0.3 s, and runs it on a hundred values in less: give it many.
    """
    home = tmp_path_factory.mktemp("masks")
    macros = ["create_privacy_functions()", *MACROS.values()]
    inline = f"\n{SEPARATOR}\n".join(f"{{{{ {macro} }}}}" for macro in macros)
    environment.setenv("GROUNDED_HOME", str(home))
    result = run_dbt(
        home, "--quiet", "compile", "--inline", inline, "--vars", f"{{as_of: '{TODAY}'}}"
    )
    create_functions, *compiled = compiled_code(result).split(SEPARATOR)
    keyed.execute(create_functions)
    expressions = dict(zip(MACROS, compiled, strict=True))

    def run(macro: str, *values: str | None, **known: str | list[str]) -> list[Any]:
        given: dict[str, Any] = {"values": list(values)}
        for name in ("name", "email", "phone", "street"):
            value = known.get(name)
            given[name] = value if isinstance(value, list) else [value] * len(values)
        rows = keyed.execute(
            f"select {expressions[macro]} from (select cast(unnest($values) as varchar) as value,"
            " cast(unnest($name) as varchar) as name, cast(unnest($email) as varchar) as email,"
            " cast(unnest($phone) as varchar) as phone,"
            " cast(unnest($street) as varchar) as street)",
            given,
        ).fetchall()
        return [masked for (masked,) in rows]

    return run
