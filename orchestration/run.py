"""Runs the pipeline once in this process, under the Dagster instance of the run-time folder.

one run a source -> one run for models and publication
"""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from ingestion.demo import SERVICES, up
from orchestration.definitions import build_definitions
from orchestration.errors import SettingsError
from orchestration.resources import PROJECT_ROOT, Settings, prepare_environment
from orchestration.run_log import Progress, progress_logger
from orchestration.serving_assets import PUBLISH

LOGGER = "progress"


@dataclass(frozen=True)
class Outcome:
    """How a run of the pipeline ended: a line for each failure, and whether it published."""

    failures: list[str]
    published: bool
    seconds: float


def dagster_home(home: Path) -> Path:
    """Return the instance's folder, with the configuration that every instance here has."""
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(PROJECT_ROOT / "orchestration" / "dagster.yaml", folder / "dagster.yaml")
    return folder


def start_demo(settings: Settings, note: Callable[[str], None]) -> None:
    """Start the upstreams that sources read because they have no address of their own."""
    services = [name for name in settings.demo_sources if name in SERVICES]
    if services:
        up(settings.home, services=services, on_progress=note)


def run_pipeline(
    settings: Settings,
    *,
    sources: Sequence[str] | None,
    progress: Progress,
    is_fresh: bool = False,
) -> Outcome:
    """Load the sources (all when none is named), then build and publish.

    A failed source is told in ``failures`` and does not stop the rest. ``is_fresh`` makes every
    model whole and shares no published file.
    """
    unknown = sorted(set(sources or []) - set(settings.sources))
    if unknown:
        raise SettingsError(
            f"no source {', '.join(unknown)}; there are {', '.join(settings.sources)}"
        )
    began = time.monotonic()
    failures = []
    prepare_environment(settings)
    with open_instance(settings.home) as instance:
        progress.note("reading the project")
        loggers = {LOGGER: progress_logger(progress)}
        definitions = build_definitions(settings, loggers=loggers, is_fresh=is_fresh)
        for name in sources or settings.sources:
            loaded = _execute(definitions, dg.AssetSelection.key_prefixes([name]), instance)
            failures += failures_of(loaded)
        made = _execute(definitions, _downstream(), instance)
    failures += failures_of(made)
    return Outcome(failures, has_published(made), time.monotonic() - began)


def rebuild(settings: Settings, progress: Progress) -> list[str]:
    """Build all models and publish a snapshot that shares no file; return what failed."""
    prepare_environment(settings)
    with open_instance(settings.home) as instance:
        loggers = {LOGGER: progress_logger(progress)}
        definitions = build_definitions(settings, loggers=loggers, is_fresh=True)
        return failures_of(_execute(definitions, _downstream(), instance))


def _downstream() -> dg.AssetSelection:
    return dg.AssetSelection.groups("staging", "marts", "agents", "serving")


@contextmanager
def open_instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """Open the Dagster instance of the run-time folder."""
    with dg.DagsterInstance.from_config(str(dagster_home(home))) as instance:
        yield instance


def _execute(
    definitions: dg.Definitions, selection: dg.AssetSelection, instance: dg.DagsterInstance
) -> dg.ExecuteInProcessResult:
    job = definitions.resolve_implicit_global_asset_job_def()
    graph = definitions.resolve_asset_graph()
    return job.execute_in_process(
        run_config={"loggers": {LOGGER: {}}},
        asset_selection=sorted(selection.resolve(graph)),
        instance=instance,
        raise_on_error=False,
    )


def has_published(result: dg.ExecuteInProcessResult) -> bool:
    """Say whether the run promoted a snapshot; a step that is skipped is no failure of a run."""
    return any(event.is_step_success and event.step_key == PUBLISH for event in result.all_events)


def failures_of(result: dg.ExecuteInProcessResult) -> list[str]:
    """A line for each step that failed."""
    return [_reason(event) for event in result.get_step_failure_events()]


def _reason(event: dg.DagsterEvent) -> str:
    """One line; an error that is none of ours is told by its kind, because texts quote rows."""
    failure = event.step_failure_data
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return str(failure.user_failure_data.description)
    cause = failure.error.cause if failure.error and failure.error.cause else failure.error
    kind = cause.cls_name if cause else "an unknown error"
    return f"{event.step_key}: {kind}; the run's page in `grounded dev` has the trace"
