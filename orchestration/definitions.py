"""Everything that exists: raw tables, models, published views, agents, and when they run."""

from collections.abc import Mapping

import dagster as dg

from ingestion.erasure.relations import erasure_folder, write_relations
from orchestration.agreement import agreement_schedule
from orchestration.audit_log import audit_checks, audit_schedules
from orchestration.automation import (
    downstream_sensor,
    failure_sensor,
    news_sensor,
    source_schedules,
)
from orchestration.cycle import Cycle
from orchestration.dbt_models import dbt_models
from orchestration.erasure.subjects import read_relations
from orchestration.ingestion_assets import source_assets
from orchestration.kept import Kept
from orchestration.manifest import ensure_manifest
from orchestration.reconciliation import reconciliation_schedules
from orchestration.resources import (
    Settings,
    prepare_environment,
    read_settings,
)
from orchestration.serving_assets import agent_assets, serving_assets
from serving.declarations import read_declarations


def build_definitions(
    settings: Settings,
    loggers: Mapping[str, dg.LoggerDefinition] | None = None,
    *,
    is_fresh: bool = False,
    cycle: Cycle | None = None,
    kept: Kept | None = None,
) -> dg.Definitions:
    """Return the whole lineage graph with its checks, schedules and sensors.

    ``is_fresh`` builds all anew and publishes without sharing a file with earlier snapshots, as an
    erasure and another key must. ``cycle`` and ``kept`` are what a warm process has from its runs
    before.
    """
    prepare_environment(settings)
    manifest = ensure_manifest(settings)
    declarations = read_declarations(manifest)
    # Also where nobody was erased yet: a wrong declaration is told before it is needed.
    relations = read_relations(manifest, settings.sources)
    if erasure_folder(settings.home).is_dir():
        write_relations(settings.home, relations)
    return dg.Definitions(
        assets=[
            *(
                source_assets(name=name, source=source, settings=settings, cycle=cycle)
                for name, source in settings.sources.items()
            ),
            dbt_models(manifest=manifest, settings=settings, is_fresh=is_fresh, kept=kept),
            serving_assets(
                declarations=declarations,
                settings=settings,
                is_fresh=is_fresh,
                cycle=cycle,
                kept=kept,
            ),
            *agent_assets(declarations),
        ],
        asset_checks=audit_checks(settings),
        schedules=[
            *source_schedules(settings),
            *reconciliation_schedules(settings),
            *audit_schedules(settings),
            agreement_schedule(settings),
        ],
        sensors=[downstream_sensor(), news_sensor(settings), failure_sensor(settings)],
        # A step costs milliseconds in process and 2.5 s in one of its own, and DuckDB takes one
        # writer anyway. Another executor is a line here.
        executor=dg.in_process_executor,
        loggers=loggers,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What ``dagster dev`` loads."""
    return build_definitions(read_settings())
