"""A statement that takes long leaves the processor to others, and its agent's next one a worker."""

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from serving.catalog import Limits
from serving.errors import QueryTimeout
from serving.sandbox import SqlSandbox, Workers
from serving.sandbox.process import WorkerProcess

LIMITS = Limits(seconds=0.5, concurrent=2)
SHORT = "select count(*) as n from agent_customers"
LONG = (
    "select count(*) from agent_orders a, agent_orders b, agent_orders c where a.id < b.id % c.id"
)
# By the system's rule: the priority of this process, and as much lower as the highest number.
OWN, LOWEST = os.getpriority(os.PRIO_PROCESS, 0), 19


@pytest.fixture
def sandbox(files: dict[str, Path]) -> Iterator[SqlSandbox]:
    workers = Workers(LIMITS.concurrent)
    with SqlSandbox(files, LIMITS, workers=workers) as opened:
        opened.expect()
        yield opened
    workers.close()


def priorities(sandbox: SqlSandbox) -> set[int]:
    """Those of all threads of the worker that the next statement has, once it has run one."""
    assert sandbox.run(SHORT).rows == [{"n": 2000}]
    with sandbox._worker() as worker:
        tasks = list(Path(f"/proc/{worker.pid}/task").iterdir())
        return {os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in tasks}


def run_long(sandbox: SqlSandbox) -> None:
    with pytest.raises(QueryTimeout):
        sandbox.run(LONG)


@pytest.mark.skipif(LOWEST == OWN, reason="this process has the lowest priority itself")
def test_after_a_long_statement_an_agents_workers_have_a_low_priority(sandbox: SqlSandbox) -> None:
    assert priorities(sandbox) == {OWN}
    run_long(sandbox)
    assert min(priorities(sandbox)) > OWN


def test_a_worker_goes_on_after_a_long_statement_that_ends_by_itself(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.sandbox.process._LONG_S", 0.0)
    with SqlSandbox(files, LIMITS, max_workers=1) as sandbox:
        first, second = (sandbox.run(SHORT) and sandbox._workers._free[0] for _ in range(2))
        assert first is second and second.has_stepped_back


@pytest.mark.skipif(LOWEST == OWN, reason="this process has the lowest priority itself")
def test_an_agent_that_asks_nothing_long_any_more_has_its_priority_again(
    sandbox: SqlSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_long(sandbox)
    monkeypatch.setattr("serving.sandbox.workers._LOW_S", 0.0)
    # This one is told that it was asked after a while, and gives its worker up.
    assert sandbox.run(SHORT).rows == [{"n": 2000}]
    assert priorities(sandbox) == {OWN}


def test_the_next_statements_worker_gets_ready_before_a_long_one_ends(
    sandbox: SqlSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[tuple[str, WorkerProcess]] = []
    start, end = WorkerProcess.__init__, WorkerProcess.end

    def started(worker: WorkerProcess, *arguments: object) -> None:
        start(worker, *arguments)  # type: ignore[arg-type]
        happened.append(("started", worker))

    def ended(worker: WorkerProcess) -> None:
        happened.append(("ended", worker))
        end(worker)

    # Long from the start, so that a slow machine has all of its time for the successor.
    monkeypatch.setattr("serving.sandbox.process._LONG_S", 0.0)
    monkeypatch.setattr(WorkerProcess, "__init__", started)
    monkeypatch.setattr(WorkerProcess, "end", ended)
    run_long(sandbox)
    assert [what for what, _ in happened[:3]] == ["started", "started", "ended"]
    (_, first), (_, second), (_, gone) = happened[:3]
    assert gone is first
    with sandbox._worker() as worker:
        assert worker is second


def test_a_long_statement_is_answered_also_where_no_successor_can_be_started(
    sandbox: SqlSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sandbox.run(SHORT).rows == [{"n": 2000}]
    tried = Event()

    def refused(*_: object) -> None:
        tried.set()
        raise BlockingIOError

    monkeypatch.setattr("serving.sandbox.process._LONG_S", 0.0)
    monkeypatch.setattr("serving.sandbox.workers.WorkerProcess", refused)
    assert sandbox.run(SHORT).rows == [{"n": 2000}]
    assert tried.wait(10)
