"""Bombs that the gate would refuse, let through: the engine and the process still hold them.

``pytest -m bombs tests/sandbox`` runs all of them, which takes a minute or two.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from serving.catalog import Limits
from serving.errors import BudgetExceeded, InternalError, InvalidSql, QueryTimeout
from serving.sandbox import SqlSandbox
from serving.sandbox.process import WorkerProcess
from tests.sandbox.bombs import BOMBS

LIMITS = Limits(seconds=0.5, memory_mb=256)
EVERY = 7
# The others are refused on sight by DuckDB's own bounds.
LEAST_ENDED = 90


@pytest.fixture(scope="module")
def sandbox(files: dict[str, Path]) -> Iterator[SqlSandbox]:
    with SqlSandbox(files, LIMITS) as opened:
        yield opened


@pytest.fixture
def high_water(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The most memory in MB that each worker had held when it was ended."""
    found: list[int] = []
    end = WorkerProcess.end

    def measured(worker: WorkerProcess) -> None:
        found.append(_held(worker))
        end(worker)

    monkeypatch.setattr(WorkerProcess, "end", measured)
    return found


@pytest.fixture
def ungated(
    files: dict[str, Path], sandbox: SqlSandbox, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], bool]:
    """Runs a statement past the gate; whether a limit ended it."""
    checked = sandbox.run("select 1").checked

    def ends(sql: str) -> bool:
        with monkeypatch.context() as gate:
            gate.setattr("serving.sandbox.sandbox.check", lambda sql, views: checked)
            try:
                sandbox.run(sql)
            except (QueryTimeout, BudgetExceeded, InternalError):
                return True
            except InvalidSql:
                return False
        return False

    return ends


@pytest.mark.parametrize("name", list(BOMBS)[::EVERY])
def test_a_bomb_with_the_gate_off_stays_within_its_memory_and_harms_nobody(
    name: str, sandbox: SqlSandbox, ungated: Callable[[str], bool], high_water: list[int]
) -> None:
    ungated(BOMBS[name])

    assert max([*high_water, *map(_held, sandbox._workers._free)]) <= LIMITS.memory_mb
    assert sandbox.run("select count(*) as n from agent_orders").rows == [{"n": 20000}]


@pytest.mark.bombs
@pytest.mark.timeout(900)
def test_all_bombs_are_ended_within_their_memory_and_leave_no_file(
    files: dict[str, Path],
    sandbox: SqlSandbox,
    ungated: Callable[[str], bool],
    high_water: list[int],
) -> None:
    before = _written(files)
    ended = []
    for name, sql in BOMBS.items():
        if ungated(sql):
            ended.append(name)
        assert max([*high_water, *map(_held, sandbox._workers._free)]) <= LIMITS.memory_mb, name
        assert sandbox.run("select count(*) as n from agent_orders").rows == [{"n": 20000}], name

    assert len(ended) >= LEAST_ENDED
    assert _written(files) == before
    assert not [*Path("/tmp").glob("grounded-bomb*"), *Path("/dev/shm").glob("grounded-bomb*")]


def _written(files: Mapping[str, Path]) -> list[tuple[int, int]]:
    return [(path.stat().st_mtime_ns, path.stat().st_size) for path in files.values()]


def _held(worker: WorkerProcess) -> int:
    """The high-water mark of a worker's resident memory in MB, 0 once it is gone."""
    try:
        status = (Path("/proc") / str(worker.pid) / "status").read_text()
    except OSError:
        return 0
    marks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(marks[0]) // 1024 if marks else 0
