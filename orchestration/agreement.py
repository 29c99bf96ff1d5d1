"""Proves on a schedule that keyed models hold what a build of everything gives, and mends them.

models brought up to date -> the same models, whole and compared -> rows that differed, by model
"""

from collections.abc import Callable

import dagster as dg

from ingestion.warehouse import writing
from orchestration import dbt_runner
from orchestration.dbt_models import not_loaded, without_models_of
from orchestration.errors import TransformFailed
from orchestration.manifest import ensure_manifest, read_manifest
from orchestration.resources import Settings, comparing_in_full

_JOB = "compare_models"
_KEYED = ("--select", "config.materialized:keyed")


def differing_rows(settings: Settings, on_wait: Callable[[str], None]) -> dict[str, int]:
    """For each keyed model that did not agree, how many rows; they are right afterwards.

    TransformFailed where a model cannot be built.
    """
    declared = read_manifest(ensure_manifest(settings).parent)
    with writing(settings.home, on_wait=on_wait) as warehouse:
        run = ["run", *without_models_of(not_loaded(warehouse, declared))]
        # What was loaded since the last build is a change, and no difference.
        for _ in dbt_runner.run(settings.dbt_build, run):
            pass
        with comparing_in_full():
            ended = list(dbt_runner.run(settings.dbt_build, [*run, *_KEYED]))
    return {name: rows for name, rows in map(_differed, ended) if rows}


def agreement_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Compares every night; a run that finds a difference fails, and so is told of."""

    @dg.op(name=f"{_JOB}_op", description="Builds every keyed model whole and compares")
    def compare(context: dg.OpExecutionContext) -> None:
        try:
            differing = differing_rows(settings, context.log.info)
        except TransformFailed as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        if differing:
            named = ", ".join(f"{name} in {rows:,} rows" for name, rows in differing.items())
            raise dg.Failure(
                f"models differed from a build of everything: {named}. They are right now, and the "
                "next run publishes them; look at meta.changes of these models",
                allow_retries=False,
            )

    @dg.job(name=_JOB, description="Proves that keyed models hold what a full build would give")
    def job() -> None:
        compare()

    return dg.ScheduleDefinition(
        name=_JOB,
        job=job,
        cron_schedule="40 3 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Compares every keyed model with a build of everything",
    )


def _differed(event: dbt_runner.RawEvent) -> tuple[str, int]:
    """A keyed model's status is how it was brought up to date, and how many rows that changed."""
    way, _, rows = str(event["data"]["status"]).partition(" ")
    return str(event["data"]["node_info"]["node_name"]), int(rows) if way == "whole" else 0
