"""The dbt models as assets and dbt's tests as their checks; one dbt build a run.

the proof over the project -> raw tables -> staging -> marts -> agents
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from dagster_dbt import DagsterDbtTranslator, DbtProject, dbt_assets
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

from ingestion.warehouse import kept_engine, reading, writing
from orchestration import dbt_runner
from orchestration.automation import WHEN_UPSTREAM_CHANGES
from orchestration.checks import unproven
from orchestration.errors import TransformFailed
from orchestration.kept import Kept
from orchestration.manifest import read_manifest
from orchestration.proving import prove_project
from orchestration.publishing import PROVEN
from orchestration.resources import DBT_PROJECT, Settings
from orchestration.run_log import NOT_LOADED
from orchestration.serving_assets import SNAPSHOT, check_evaluation

OWNER = "team:data"
# Unit tests prove the SQL, not the data: they run in the test suite.
_WHOLE = ("build", "--exclude-resource-type", "unit_test")
# Of a run whose raw tables were loaded well: their names, as source.table, with commas between.
LOADED = "grounded/loaded"
_WARM = ("run", "--no-write-json", "--no-populate-cache")


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
    *, manifest: Path, settings: Settings, is_fresh: bool = False, kept: Kept | None = None
) -> dg.AssetsDefinition:
    """Return every model of the project as one multi-asset.

    ``is_fresh`` builds also what a model keeps between builds. With what a warm process has
    ``kept``, models alone are run: keyed ones test what changed in them themselves.
    """

    project = DbtProject(
        project_dir=DBT_PROJECT, profiles_dir=DBT_PROJECT, target_path=settings.dbt_compiled
    )
    translator = Translator()
    # By which engine the masks and the loads of all raw tables were last looked at.
    looked_at_by: duckdb.DuckDBPyConnection | None = None

    @dbt_assets(
        manifest=manifest, project=project, name="dbt_build", dagster_dbt_translator=translator
    )
    def build(context: dg.AssetExecutionContext) -> Iterator[Any]:
        nonlocal looked_at_by

        def told(done: int, total: int) -> None:
            context.log.info(f"models and tests: {done} of {total}")

        if kept is None:
            _refuse_unproven(context, settings)
        declared = kept.declared if kept else read_manifest(manifest.parent)
        target = settings.dbt_build
        with writing(settings.home, on_wait=context.log.info) as warehouse:
            arguments = list(_WHOLE)
            if kept is not None:
                engine = kept_engine(warehouse)
                is_looked_at = engine is not None and engine is looked_at_by
                told_dbt = {"made_masks": kept.masks, "are_masks_looked_at": is_looked_at}
                loaded = context.run.tags.get(LOADED)
                if is_looked_at and loaded:
                    told_dbt["loaded"] = loaded.split(",")
                arguments = [*_WARM, "--vars", json.dumps(told_dbt)]
            arguments += ["--full-refresh"] if is_fresh else []
            arguments += _selection(context, declared, translator)
            missing = not_loaded(warehouse, declared)
            arguments += without_models_of(missing)
            looked_at_by = None
            try:
                parsed = kept.manifest if kept else None
                for event in dbt_runner.run(
                    target, arguments, None if kept else told, manifest=parsed
                ):
                    yield from DbtCoreCliEventMessage(event, {}).to_default_asset_events(
                        declared, translator, context, target, project
                    )
                looked_at_by = kept_engine(warehouse)
            except TransformFailed as error:
                raise dg.Failure(str(error), allow_retries=False) from None
            finally:
                _forget_messages(target)
        yield from _left_out(context, declared, translator, missing)

    return build


def _left_out(
    context: dg.AssetExecutionContext,
    manifest: Mapping[str, Any],
    translator: Translator,
    missing: Sequence[str],
) -> Iterator[dg.MaterializeResult[None]]:
    """Say of each chosen model that a source of it is not loaded: publishing waits for its word.

    Its checks have nothing to check, which is told too.
    """
    told = {NOT_LOADED: True}
    # Dagster takes them in the order of the graph alone.
    in_order = TopologicalSorter(manifest["parent_map"]).static_order()
    left_out = {
        unique_id
        for unique_id, node in manifest["sources"].items()
        if f"{node['source_name']}.{node['name']}" in missing
    }
    for unique_id in in_order:
        node = manifest["nodes"].get(unique_id)
        if node is None or left_out.isdisjoint(manifest["parent_map"][unique_id]):
            continue
        left_out.add(unique_id)
        if node["resource_type"] == "model":
            key = translator.get_asset_spec(manifest, unique_id, None).key
            if key in context.selected_asset_keys:
                checks = [
                    dg.AssetCheckResult(
                        passed=True, asset_key=key, check_name=check.name, metadata=told
                    )
                    for check in context.selected_asset_check_keys
                    if check.asset_key == key
                ]
                yield dg.MaterializeResult(asset_key=key, metadata=told, check_results=checks)


def _selection(
    context: dg.AssetExecutionContext, manifest: Mapping[str, Any], translator: Translator
) -> list[str]:
    """Return what narrows a build to the chosen models and those tests that see nothing else."""
    selected = context.selected_asset_keys
    models = {
        unique_id: node
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node["config"]["materialized"] != "ephemeral"
    }
    chosen = [
        f"fqn:{'.'.join(node['fqn'])}"
        for unique_id, node in models.items()
        if translator.get_asset_spec(manifest, unique_id, None).key in selected
    ]
    if len(chosen) == len(models):
        return []
    return ["--select", *chosen, "--indirect-selection", "cautious"]


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


def not_loaded(warehouse: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Name the sources (``source.table``) that have no raw table yet: nothing of them is built."""
    with reading(warehouse) as connection:
        found = connection.execute(
            "select table_schema, table_name from information_schema.tables"
        ).fetchall()
    there = set(found)
    return sorted(
        f"{node['source_name']}.{node['name']}"
        for node in manifest["sources"].values()
        if (node["schema"], node["identifier"]) not in there
    )


def made_masks(warehouse: Path) -> str:
    """Return a hash of the statements that made the masks: with the same project, of its own."""
    with reading(warehouse) as connection:
        found = connection.execute("select fingerprint from changes.masks").fetchone()
    return found[0] if found else ""


def without_models_of(sources: Sequence[str]) -> list[str]:
    """Return what keeps dbt from these sources and all that is made of them."""
    return ["--exclude", *(f"source:{name}+" for name in sources)] if sources else []


def _forget_messages(target: Path) -> None:
    """dbt writes the values of failed casts into run_results.json; keep statuses alone."""
    path = target / "run_results.json"
    if path.exists():
        results = json.loads(path.read_text(encoding="utf-8"))
        for result in results["results"]:
            result["message"] = None
        path.write_text(json.dumps(results), encoding="utf-8")
