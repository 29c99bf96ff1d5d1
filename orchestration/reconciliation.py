"""Compares raw with its sources on a schedule: what no cursor and no listing of news can show.

schedule -> one job a source -> ingestion.reconcile -> rows mended, rows deleted
"""

import dagster as dg

from ingestion.errors import IngestionError
from ingestion.reconcile import ReconcileReport, reconcile
from ingestion.spec import FilesSource, RestApiSource, SourceSpec, SqlDatabaseSource
from orchestration.resources import Settings


def reconciliation_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """One schedule for each time at which tables of a source declare their reconciliation."""
    return [
        dg.ScheduleDefinition(
            name=f"reconcile_{name}_{number}",
            job=_job(f"reconcile_{name}_{number}", name, source, tables, settings),
            cron_schedule=schedule,
            execution_timezone="UTC",
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=f"Compares {', '.join(tables)} with the source: {schedule} UTC",
        )
        for name, source in settings.sources.items()
        for number, (schedule, tables) in enumerate(sorted(due_tables(source).items()))
    ]


def due_tables(source: SourceSpec) -> dict[str, list[str]]:
    """The tables to compare at each declared time; a captured log and files need none."""
    if isinstance(source, FilesSource):
        return {}
    if isinstance(source, SqlDatabaseSource) and source.capture == "log":
        return {}
    assert isinstance(source, SqlDatabaseSource | RestApiSource)
    due: dict[str, list[str]] = {}
    for table, spec in source.tables.items():
        if spec.reconcile is not None:
            due.setdefault(spec.reconcile.schedule, []).append(table)
    return due


def told(report: ReconcileReport) -> list[str]:
    """A line a table that did not agree, or whose repair was refused."""
    return [
        f"{report.source}.{name}: {table.missing:,} rows were missing, {table.extra:,} are gone at "
        f"the source, {table.different or 0:,} differed"
        + (f"; {table.refused}" if table.refused else "; raw is mended")
        for name, table in report.tables.items()
        if not table.agrees or table.refused
    ]


def _job(
    job_name: str, name: str, source: SourceSpec, tables: list[str], settings: Settings
) -> dg.JobDefinition:
    @dg.op(name=f"{job_name}_op", description=f"Compares {', '.join(tables)} with {name}")
    def compare(context: dg.OpExecutionContext) -> None:
        try:
            report = reconcile(
                name, source, settings.home, tables=tables, on_progress=context.log.info
            )
        except IngestionError as error:
            raise dg.Failure(str(error)) from None
        differing = told(report)
        for line in differing:
            context.log.warning(line)
        context.log.info(f"{name}: {len(report.tables)} tables compared, {len(differing)} differed")

    @dg.job(name=job_name, description=f"Compares {name} with its source and mends raw")
    def job() -> None:
        compare()

    return job
