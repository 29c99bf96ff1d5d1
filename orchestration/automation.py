"""When things run: a schedule a source, then downstream by itself, and who is told of a failure."""

from collections.abc import Iterator

import dagster as dg
import httpx

from ingestion.errors import IngestionError
from ingestion.news import News, news_of
from orchestration.resources import Settings

WHEN_UPSTREAM_CHANGES = dg.AutomationCondition.eager().with_label("when upstream changes")
WEBHOOK_TIMEOUT_S = 10


def source_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """One schedule a source, at its declared cadence."""
    return [
        dg.ScheduleDefinition(
            name=f"load_{name}",
            target=dg.AssetSelection.key_prefixes([name]),
            cron_schedule=source.schedule,
            execution_timezone="UTC",
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=f"{source.description}: {source.schedule} UTC",
        )
        for name, source in settings.sources.items()
    ]


def downstream_sensor() -> dg.AutomationConditionSensorDefinition:
    """Starts dbt and publishing when what they depend on has changed."""
    return dg.AutomationConditionSensorDefinition(
        "downstream",
        target=dg.AssetSelection.all(),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Builds models and publishes when their upstream has changed",
    )


def news_sensor(settings: Settings) -> dg.SensorDefinition:
    """Loads a source as soon as a look tells of something new; for those who run the daemon.

    It is off until it is switched on: the schedules load what it would, later.
    """
    news: dict[str, News | None] = {}

    @dg.sensor(
        name="follow_sources",
        target=dg.AssetSelection.groups("raw"),
        minimum_interval_seconds=5,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Loads a source as soon as it has something new, every five seconds at most",
    )
    def look(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        problems = []
        for name, source in settings.sources.items():
            try:
                if name not in news:
                    news[name] = news_of(name, source, settings.home)
                looked = news[name]
                if looked is not None and looked.look():
                    tables = [dg.AssetKey([name, table]) for table in source.tables]
                    yield dg.RunRequest(asset_selection=tables, tags={"follows": name})
            except IngestionError as error:
                problems.append(str(error))
        if problems:
            context.log.warning("; ".join(problems))

    return look


def failure_sensor(settings: Settings) -> dg.SensorDefinition:
    """Posts every failed run to the webhook; without one it stays off."""

    @dg.run_failure_sensor(
        name="tell_of_failure",
        description="Posts a failed run to GROUNDED_WEBHOOK_URL",
        default_status=(
            dg.DefaultSensorStatus.RUNNING
            if settings.webhook_url
            else dg.DefaultSensorStatus.STOPPED
        ),
    )
    def tell(context: dg.RunFailureSensorContext) -> None:
        if settings.webhook_url is None:
            context.log.warning("GROUNDED_WEBHOOK_URL is not set; nobody was told")
            return
        post_failure(settings.webhook_url.get_secret_value(), failure_message(context))

    return tell


def failure_message(context: dg.RunFailureSensorContext) -> dict[str, str]:
    """What a failed run is told as; our own failures carry no personal data."""
    steps = [event.step_key for event in context.get_step_failure_events() if event.step_key]
    return {
        "run_id": context.dagster_run.run_id,
        "job": context.dagster_run.job_name,
        "steps": ", ".join(steps),
        "text": f"Grounded: {', '.join(steps) or context.dagster_run.job_name} failed; "
        "the last good snapshot still answers",
    }


def post_failure(url: str, message: dict[str, str]) -> None:
    """Post one message; raises httpx.HTTPError when the webhook does not take it."""
    httpx.post(url, json=message, timeout=WEBHOOK_TIMEOUT_S).raise_for_status()
