"""The dbt models as assets and dbt's tests as their checks; one dbt build a run.

the proof over the project -> raw tables -> staging -> marts -> agents
"""

import contextlib
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from dagster_dbt import (
    DagsterDbtCliRuntimeError,
    DagsterDbtTranslator,
    DbtCliInvocation,
    DbtCliResource,
    DbtProject,
    dbt_assets,
)

from ingestion.warehouse import writing
from orchestration.automation import WHEN_UPSTREAM_CHANGES
from orchestration.checks import unproven
from orchestration.errors import TransformFailed
from orchestration.proving import prove_project
from orchestration.publishing import PROVEN
from orchestration.resources import Settings
from orchestration.serving_assets import SNAPSHOT, check_evaluation

OWNER = "team:data"


class Translator(DagsterDbtTranslator):
    """Groups models by layer and gives them owners and their automation."""

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """Return dagster-dbt's own spec with our group, owner and automation."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = self.get_resource_props(manifest, unique_id)
        if node["resource_type"] != "model":
            return spec
        return spec.replace_attributes(
            group_name=node["schema"],
            owners=[OWNER],
            automation_condition=WHEN_UPSTREAM_CHANGES,
        )


def dbt_models(
    *, manifest: Path, settings: Settings, is_fresh: bool = False
) -> dg.AssetsDefinition:
    """Return every model of the project as one multi-asset.

    ``is_fresh`` builds also what a model keeps between builds.
    """

    @dbt_assets(
        manifest=manifest,
        project=settings.dbt,
        name="dbt_build",
        dagster_dbt_translator=Translator(),
    )
    def build(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        _refuse_unproven(context, settings)
        target = settings.dbt_build
        with writing(settings.home, on_wait=context.log.info) as warehouse:
            without = _not_loaded(warehouse, json.loads(manifest.read_text(encoding="utf-8")))
            # Unit tests prove the SQL, not the data: they run in the test suite.
            arguments = ["build", "--exclude-resource-type", "unit_test"]
            arguments += ["--full-refresh"] if is_fresh else []
            arguments += ["--exclude", *without] if without else []
            invocation = dbt.cli(arguments, context=context, target_path=target)
            try:
                yield from _unprinted(invocation.stream())
            except DagsterDbtCliRuntimeError:
                # Not chained: dbt's messages quote the values of failed casts.
                raise dg.Failure(str(_failure(invocation)), allow_retries=False) from None
            finally:
                _forget_messages(target)

    return build


def _refuse_unproven(context: dg.AssetExecutionContext, settings: Settings) -> None:
    """Stop before dbt runs: a table that unproven SQL has made could be published later on.

    The failed check is told on the snapshot's page, as the step that would tell it does not run.
    """
    finding = unproven(prove_project(settings))
    if finding.passed:
        return
    context.instance.report_runless_asset_event(check_evaluation(SNAPSHOT, PROVEN, finding))
    raise dg.Failure(
        "nothing is built or published: " + "; ".join(finding.problems), allow_retries=False
    )


def _unprinted(events: Iterator[Any]) -> Iterator[Any]:
    """dagster-dbt repeats each of dbt's lines on stdout, where a failed cast shows a person's data.

    The run's own log already has what was built.
    """
    while True:
        with contextlib.redirect_stdout(io.StringIO()):
            event = next(events, None)
        if event is None:
            return
        yield event


def _not_loaded(warehouse: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Name dbt's selectors of sources that have no raw table yet, and all that needs them."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        found = connection.execute(
            "select table_schema, table_name from information_schema.tables"
        ).fetchall()
    there = set(found)
    return sorted(
        f"source:{node['source_name']}.{node['name']}+"
        for node in manifest["sources"].values()
        if (node["schema"], node["identifier"]) not in there
    )


def _failure(invocation: DbtCliInvocation) -> TransformFailed:
    results = invocation.get_artifact("run_results.json")["results"]
    failed = sorted(
        result["unique_id"].split(".", 2)[-1]
        for result in results
        if result["status"] in ("error", "fail", "runtime error")
    )
    named = ", ".join(failed) if failed else "the project"
    return TransformFailed(
        f"dbt failed on {named}; what is published stays. See it with "
        f"`dbt build --project-dir dbt_project --profiles-dir dbt_project --select ...`"
    )


def _forget_messages(target: Path) -> None:
    """dbt writes the values of failed casts into run_results.json; keep statuses alone."""
    path = target / "run_results.json"
    if path.exists():
        results = json.loads(path.read_text(encoding="utf-8"))
        for result in results["results"]:
            result["message"] = None
        path.write_text(json.dumps(results), encoding="utf-8")
