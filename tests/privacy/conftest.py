"""The dbt project compiled as it is, and once more with every model of the red-team corpus."""

import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

from orchestration.checks import ADDED_COLUMNS
from serving.declarations import parse_manifest
from serving.privacy.proof import Proof, prove

PROJECT = Path(__file__).parents[2] / "dbt_project"
LEAKS = Path(__file__).parent / "leaks"
KEY = "canary-key-0123456789-0123456789-0123456789"
PREFIX = "leak_"

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Leak:
    """One way to smuggle a column: a model of the agents' layer.

    ``tells`` is a part of the proof's message, or for the scan the canary's value that gets out.
    """

    name: str
    how: str
    caught_by: str
    tells: str
    sql: str

    @property
    def model(self) -> str:
        """The name of the model in dbt."""
        return PREFIX + self.name


def read_leak(file: Path) -> Leak:
    """Read a model whose first lines say how it smuggles and what catches it."""
    how, caught_by, tells, _, *sql = file.read_text(encoding="utf-8").splitlines()
    return Leak(
        name=file.stem,
        how=how.removeprefix("-- "),
        caught_by=caught_by.removeprefix("-- caught_by: "),
        tells=tells.partition(": ")[2],
        sql="\n".join(sql),
    )


CORPUS = [read_leak(file) for file in sorted(LEAKS.glob("*.sql"))]


def run_dbt(project: Path, home: Path, *arguments: str) -> Manifest:
    """Run dbt in process and return its manifest; an error of dbt fails the test."""
    target = home / "dbt"
    result = dbtRunner().invoke(
        [
            "--quiet",
            "--log-level-file=none",
            *arguments,
            f"--project-dir={project}",
            f"--profiles-dir={project}",
            f"--target-path={target}",
        ]
    )
    DuckDBConnectionManager.close_all_connections()
    for handler in logging.getLogger("file_log").handlers:
        handler.close()
    assert result.success, result.exception or result.result
    manifest: Manifest = json.loads((target / "manifest.json").read_text())
    return manifest


def prove_manifest(manifest: Manifest) -> Proof:
    """Prove a manifest as the product does."""
    return prove(manifest, parse_manifest(manifest), technical=ADDED_COLUMNS)


def with_models(manifest: Manifest, *names: str) -> Manifest:
    """Return the manifest with no models of the corpus but these."""
    nodes = {
        key: node
        for key, node in manifest["nodes"].items()
        if not node["name"].startswith(PREFIX) or node["name"] in names
    }
    return {**manifest, "nodes": nodes}


@pytest.fixture(scope="session")
def leaky_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the dbt project with the corpus among its agent models."""
    project = tmp_path_factory.mktemp("leaky") / "dbt_project"
    shutil.copytree(PROJECT, project)
    declared = []
    for leak in CORPUS:
        (project / "models/agents" / f"{leak.model}.sql").write_text(leak.sql)
        serve = {"key": "k"}
        declared.append(
            {"name": leak.model, "columns": [{"name": "k"}], "config": {"meta": {"serve": serve}}}
        )
    # JSON is YAML.
    (project / "models/agents/_leaks__models.yml").write_text(json.dumps({"models": declared}))
    return project


@pytest.fixture(scope="session")
def environment() -> Iterator[pytest.MonkeyPatch]:
    """The environment of dbt, which outlives single tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBT_ENV_SECRET_PRIVACY_KEY", KEY)
        yield patch


@pytest.fixture(scope="session")
def leaky(
    leaky_project: Path, tmp_path_factory: pytest.TempPathFactory, environment: pytest.MonkeyPatch
) -> Manifest:
    """The compiled manifest of the project and the corpus."""
    home = tmp_path_factory.mktemp("compiled")
    environment.setenv("GROUNDED_HOME", str(home))
    return run_dbt(leaky_project, home, "compile", "--no-introspect", "--no-populate-cache")


@pytest.fixture(scope="session")
def manifest(leaky: Manifest) -> Manifest:
    """The compiled manifest of the project as it is."""
    return with_models(leaky)
