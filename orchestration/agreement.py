"""Proves on a schedule that keyed models hold what a build of everything gives, and mends them.

models brought up to date -> the same models, whole and compared -> rows that differed, by model
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

from ingestion.warehouse import writing
from orchestration import dbt_runner
from orchestration.errors import TransformFailed
from orchestration.resources import Settings

COMPARE = "GROUNDED_COMPARE_IN_FULL"
_JOB = "compare_models"
_RUN = ("run", "--select", "config.materialized:keyed")


def differing_rows(settings: Settings, on_wait: Callable[[str], None]) -> dict[str, int]:
    """For each keyed model that did not agree, how many rows; they are right afterwards.

    TransformFailed where a model cannot be built.
    """
    with writing(settings.home, on_wait=on_wait):
        # What was loaded since the last build is a change, and no difference.
        for _ in dbt_runner.run(settings.dbt_build, _RUN):
            pass
        with _comparing():
            ended = list(dbt_runner.run(settings.dbt_build, _RUN))
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
        job=job,
        cron_schedule="40 3 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Compares every keyed model with a build of everything",
    )


@contextmanager
def _comparing() -> Iterator[None]:
    """Tell dbt's macros, which read the environment alone while they run."""
    os.environ[COMPARE] = "1"
    try:
        yield
    finally:
        del os.environ[COMPARE]


def _differed(event: dbt_runner.RawEvent) -> tuple[str, int]:
    """A keyed model's status is how it was brought up to date, and how many rows that changed."""
    way, _, rows = str(event["data"]["status"]).partition(" ")
    return str(event["data"]["node_info"]["node_name"]), int(rows) if way == "whole" else 0
