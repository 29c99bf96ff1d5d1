"""Turns Dagster's own event log into progress, so that assets need not know who watches."""

import logging
from typing import Any, Protocol

import dagster as dg

# In the metadata of an asset that waits for a source; it is told as made to let others go on.
NOT_LOADED = "not loaded yet"


class Progress(Protocol):
    """Whoever is told how a run goes."""

    def note(self, message: str) -> None:
        """Something happens that concerns no asset."""

    def step(self, step: str, message: str) -> None:
        """A step says what it does now; ``n of m`` in it can be drawn as a bar."""

    def asset(self, key: str, rows: int | None) -> None:
        """An asset was materialised; ``rows`` where they are known."""

    def check(self, name: str, problems: str, blocks: bool) -> None:
        """A check failed."""


def progress_logger(progress: Progress) -> dg.LoggerDefinition:
    """Return a logger that hands a run's events to ``progress``."""

    def make(_: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("grounded.progress", level=logging.DEBUG)
        logger.addHandler(_EventHandler(progress))
        return logger

    return dg.LoggerDefinition(make, description="Shows a run's progress")


class _EventHandler(logging.Handler):
    def __init__(self, progress: Progress) -> None:
        super().__init__(level=logging.DEBUG)
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        meta: dict[str, Any] = getattr(record, "dagster_meta", {})
        event: dg.DagsterEvent | None = meta.get("dagster_event")
        if event is None:
            if record.levelno < logging.INFO:
                return
            if record.levelno >= logging.WARNING:
                step, message = str(meta.get("step_key")), str(meta.get("orig_message"))
                self._progress.check(step, message, record.levelno >= logging.ERROR)
                return
            self._progress.step(str(meta.get("step_key")), str(meta.get("orig_message")))
        elif event.event_type == dg.DagsterEventType.STEP_START:
            self._progress.step(str(event.step_key), "started")
        elif event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
            materialization = event.step_materialization_data.materialization
            if NOT_LOADED in materialization.metadata:
                return
            key = materialization.asset_key.to_user_string()
            rows = materialization.metadata.get("dagster/row_count")
            self._progress.asset(key, None if rows is None else int(str(rows.value)))
        elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            self._check(event)

    def _check(self, event: dg.DagsterEvent) -> None:
        evaluation = event.asset_check_evaluation_data
        if evaluation.passed:
            return
        problems = evaluation.metadata.get("problems")
        self._progress.check(
            f"{evaluation.asset_key.to_user_string()}:{evaluation.check_name}",
            "" if problems is None else str(problems.value),
            evaluation.severity == dg.AssetCheckSeverity.ERROR,
        )
