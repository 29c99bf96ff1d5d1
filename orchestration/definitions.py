"""Everything that exists: raw tables, models, published views, agents, and when they run."""

from collections.abc import Mapping

import dagster as dg

from orchestration.automation import downstream_sensor, failure_sensor, source_schedules
from orchestration.dbt_models import dbt_models
from orchestration.ingestion_assets import source_assets
from orchestration.reconciliation import reconciliation_schedules
from orchestration.resources import (
    Settings,
    dbt_resource,
    ensure_manifest,
    prepare_environment,
    read_settings,
)
from orchestration.serving_assets import agent_assets, serving_assets
from serving.declarations import read_declarations


def build_definitions(
    settings: Settings, loggers: Mapping[str, dg.LoggerDefinition] | None = None
) -> dg.Definitions:
    """Return the whole lineage graph with its checks, schedules and sensors."""
    prepare_environment(settings)
    manifest = ensure_manifest(settings)
    declarations = read_declarations(manifest)
    return dg.Definitions(
        assets=[
            *(
                source_assets(name=name, source=source, settings=settings)
                for name, source in settings.sources.items()
            ),
            dbt_models(manifest=manifest, settings=settings),
            serving_assets(declarations=declarations, settings=settings),
            *agent_assets(declarations),
        ],
        schedules=[*source_schedules(settings), *reconciliation_schedules(settings)],
        sensors=[downstream_sensor(), failure_sensor(settings)],
        resources={"dbt": dbt_resource(settings)},
        # A step costs milliseconds in process and 2.5 s in one of its own, and DuckDB takes one
        # writer anyway. Another executor is a line here.
        executor=dg.in_process_executor,
        loggers=loggers,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What ``dagster dev`` loads."""
    return build_definitions(read_settings())
