"""Runs dbt in this process: a command of its own costs ten seconds of imports and versions a run.

arguments -> dbtRunner -> what each model and test ended in

Nothing of what dbt says is written anywhere: a failed cast quotes the values of a person.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import parsedatetime  # type: ignore[import-untyped]
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest
from dbt.plugins.manager import PluginManager
from dbt.task.runnable import GraphRunnableTask
from dbt_common.events.base_types import BaseEvent, EventLevel, EventMsg
from dbt_common.events.event_manager import EventManager
from dbt_common.events.event_manager_client import (
    ctx_set_event_manager,
    get_event_manager,
)
from dbt_common.events.functions import msg_to_dict

from orchestration.errors import TransformFailed
from orchestration.resources import DBT_PROJECT

_SILENT = ("--quiet", "--log-level=none", "--log-level-file=none", "--no-use-colors")
# What dbt fires when a model or a test has ended.
_RESULTS = frozenset({"LogModelResult", "LogSeedResult", "LogSnapshotResult", "LogTestResult"})
# One at a time in a process: dbt keeps its flags and its connection in globals.
_LOCK = threading.Lock()

RawEvent = dict[str, Any]


class _FewEvents(EventManager):
    """Of some 400 events a run, which dbt makes a message of each, those that anybody hears."""

    def fire_event(
        self,
        e: BaseEvent,
        level: EventLevel | None = None,
        node: Any = None,
        force_warn_or_error_handling: bool = False,
    ) -> None:
        """Hand on results, warnings and errors."""
        is_heard = (level or e.level_tag()) in (EventLevel.WARN, EventLevel.ERROR)
        if is_heard or force_warn_or_error_handling or type(e).__name__ in _RESULTS:
            super().fire_event(e, level, node, force_warn_or_error_handling)


def compile_project(target: Path) -> None:
    """Compile every model into ``target`` without a look into the warehouse.

    TransformFailed with dbt's own message, which quotes the project and no data.
    """
    with _LOCK:
        arguments = ["compile", "--no-introspect", "--no-populate-cache"]
        result = _invoke(dbtRunner(), target, arguments)
    if not result.success:
        raise TransformFailed(f"the dbt project does not compile: {result.exception}")


def parse(target: Path) -> Manifest:
    """Return the parsed project, for runs that need not parse it again; TransformFailed.

    What the last build left in ``target``, with the SQL that it ran, stays.
    """
    with _LOCK:
        result = _invoke(dbtRunner(), target, ["--no-write-json", "parse"])
    if not isinstance(result.result, Manifest):
        raise TransformFailed(f"the dbt project does not parse: {result.exception}")
    return result.result


def run(
    target: Path,
    arguments: Sequence[str],
    on_progress: Callable[[int, int], None] | None = None,
    *,
    manifest: Manifest | None = None,
) -> Iterator[RawEvent]:
    """Run dbt, then yield its event of each model and test that has ended, as a dictionary.

    TransformFailed after the last where something failed, or at once where dbt ran nothing; by
    names and kinds alone, because dbt's messages quote rows. ``on_progress`` takes how many nodes
    have ended and how many there are, in dbt's threads. A ``manifest`` is not parsed again, and its
    models have been built before.
    """
    events: list[RawEvent] = []

    def hear(message: EventMsg) -> None:
        if message.info.name in _RESULTS:
            events.append(msg_to_dict(message))
            if on_progress is not None:
                data = events[-1]["data"]
                # A model's event and a test's have different names for it.
                on_progress(len(events), data.get("total") or data.get("num_models") or 0)

    with _LOCK, ExitStack() as stack:
        if manifest is not None:
            stack.enter_context(_schemas_there())
        result = _invoke(dbtRunner(manifest, callbacks=[hear]), target, arguments)
    yield from events
    if not result.success:
        raise TransformFailed(
            f"dbt failed on {', '.join(_failures(result))}; what is published stays. See it with "
            "`dbt build --project-dir dbt_project --profiles-dir dbt_project --select ...`"
        )


def _invoke(runner: dbtRunner, target: Path, arguments: Sequence[str]) -> dbtRunnerResult:
    folders = [f"--{name}-dir={DBT_PROJECT}" for name in ("project", "profiles")]
    _do_once()
    before = get_event_manager()
    ctx_set_event_manager(_FewEvents())
    try:
        return runner.invoke([*_SILENT, *arguments, *folders, f"--target-path={target}"])
    finally:
        ctx_set_event_manager(before)
        # dbt-duckdb keeps the warehouse open for the next call of this process.
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]


@contextmanager
def _schemas_there() -> Iterator[None]:
    """Let a run not ask which schemas there are, 40 ms in two connections of its own."""
    create = GraphRunnableTask.create_schemas
    GraphRunnableTask.create_schemas = lambda *_: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        GraphRunnableTask.create_schemas = create  # type: ignore[method-assign]


@cache
def _do_once() -> None:
    """Let dbt do once, or not, what it does again and again, with the same outcome.

    It looks for plugins among all that is installed, 25 ms of each run; for each result of a query
    it makes parsers of dates, which it does not use, 80 of a millisecond in a small run; and it
    makes a message of each of 250 events before it asks whether anybody hears it, 0.3 ms each.
    """
    for owner, name in ((PluginManager, "get_prefixed_modules"), (parsedatetime, "Constants")):
        setattr(owner, name, cache(getattr(owner, name)))
    make = BaseEvent.__init__

    def hold(self: BaseEvent, *args: Any, **kwargs: Any) -> None:
        object.__setattr__(self, "given", (args, kwargs))

    def made(self: BaseEvent, name: str) -> Any:
        if name == "pb_msg":
            args, kwargs = object.__getattribute__(self, "given")
            make(self, *args, **kwargs)
            return object.__getattribute__(self, "pb_msg")
        return getattr(self.pb_msg, name)

    for name, lazy in (("__init__", hold), ("__getattr__", made)):
        setattr(BaseEvent, name, lazy)


def _failures(result: dbtRunnerResult) -> list[str]:
    nodes = getattr(result.result, "results", None) or []
    names = sorted(
        node.node.unique_id.split(".", 2)[-1]
        for node in nodes
        if node.status in ("error", "fail", "runtime error")
    )
    kind = type(result.exception).__name__ if result.exception else "an unknown error"
    return names or [f"the project ({kind})"]
