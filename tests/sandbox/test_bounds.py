"""Limits end what the gate cannot judge, and the next statement is answered."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.catalog import Limits
from serving.errors import BudgetExceeded, InvalidArgument, NoSnapshot, QueryTimeout
from serving.sandbox import SqlSandbox

# Statements whose size does not show; those that the gate refuses are in test_bombs.py.
BOMBS = [
    "select count(*) from agent_orders a, agent_orders b, agent_orders c",
    "select a.id from agent_orders a, agent_orders b order by a.amount * b.amount limit 5000000",
    "select string_agg(a.body, '') from agent_notes a, agent_notes b, agent_notes c",
    "select length(" + "replace(" * 7 + f"'{'a' * 20}'" + f", 'a', '{'a' * 20}')" * 7 + ")",
    "select list(a.body) from agent_notes a, agent_notes b, agent_notes c",
    "select max(length(regexp_replace(body, '', repeat(' ', 10000), 'g'))) from agent_notes",
    "select max(list_sort(range(100000))) from agent_orders",
    "select list_transform(range(100000), x -> list_transform(range(100000), y -> x * y))",
]


@pytest.fixture(scope="module")
def bounded(files: dict[str, Path]) -> Iterator[SqlSandbox]:
    with SqlSandbox(files, Limits(seconds=1, memory_mb=256)) as opened:
        yield opened


@pytest.mark.parametrize("sql", BOMBS, ids=lambda sql: sql[:60])
def test_a_bomb_is_ended_and_the_next_statement_is_answered(sql: str, bounded: SqlSandbox) -> None:
    with pytest.raises((QueryTimeout, BudgetExceeded)) as ended:
        bounded.run(sql)

    assert ended.value.message.endswith(".")
    assert bounded.run("select count(*) as n from agent_orders").rows == [{"n": 20000}]


def test_a_worker_killed_in_the_middle_is_one_statements_error(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:

    with SqlSandbox(files, Limits(seconds=60), max_workers=1) as sandbox:
        assert sandbox.run("select 1 as one").rows == [{"one": 1}]
        worker = sandbox._workers._free[0]
        ask = worker.ask

        def kill_in_the_middle(*asked: Any) -> dict[str, Any]:
            threading.Timer(0.1, worker._process.kill).start()
            return ask(*asked)

        monkeypatch.setattr(worker, "ask", kill_in_the_middle)
        with pytest.raises(BudgetExceeded):
            sandbox.run("select count(*) from agent_orders a, agent_orders b, agent_orders c")

        assert sandbox.run("select 2 as two").rows == [{"two": 2}]


def test_a_worker_that_died_idle_is_replaced_unnoticed(files: dict[str, Path]) -> None:
    with SqlSandbox(files, Limits(), max_workers=1) as sandbox:
        assert len(sandbox.columns) == 3
        sandbox._workers._free[0]._process.kill()
        sandbox._workers._free[0]._process.wait()

        assert sandbox.run("select 1 as one").rows == [{"one": 1}]


def test_threads_share_a_sandbox_and_get_their_own_rows(files: dict[str, Path]) -> None:
    wrong: list[object] = []

    def ask(sandbox: SqlSandbox, number: int) -> None:
        for id_ in range(number, 200, 6):
            rows = sandbox.run(f"select id from agent_orders where id = {id_}").rows
            if rows != [{"id": id_}]:
                wrong.append(rows)

    with SqlSandbox(files, Limits()) as sandbox:
        threads = [threading.Thread(target=ask, args=(sandbox, number)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert wrong == []


@pytest.mark.parametrize(
    ("limit", "rows", "by"),
    [
        (None, 1000, "rows"),
        (5, 5, "limit"),
        (1000, 1000, "limit"),
        (1001, 1000, "rows"),
        (0, 0, "limit"),
    ],
)
def test_truncation_tells_whose_limit_cut(
    limit: int | None, rows: int, by: str, sandbox: SqlSandbox
) -> None:
    result = sandbox.run("select id from agent_orders order by id", limit=limit)

    assert (len(result.rows), result.truncated, result.truncated_by) == (rows, True, by)


@pytest.mark.parametrize("limit", [None, 1000, 2000])
def test_exactly_as_many_rows_as_allowed_are_not_truncated(
    limit: int | None, sandbox: SqlSandbox
) -> None:
    result = sandbox.run("select id from agent_orders where id < 1000", limit=limit)

    assert (len(result.rows), result.truncated, result.truncated_by) == (1000, False, None)


def test_a_long_answer_is_cut_by_its_characters(files: dict[str, Path]) -> None:
    with SqlSandbox(files, Limits(characters=1000)) as sandbox:
        whole = sandbox.run("select repeat('x', 100) as x from agent_orders limit 10")
        cut = sandbox.run("select repeat('x', 100) as x from agent_orders limit 11")

        assert (len(whole.rows), whole.truncated_by) == (10, None)
        assert (len(cut.rows), cut.truncated_by) == (10, "characters")
        with pytest.raises(BudgetExceeded, match="One row alone"):
            sandbox.run("select repeat('x', 1001)")


def test_a_negative_limit_is_refused(sandbox: SqlSandbox) -> None:
    with pytest.raises(InvalidArgument):
        sandbox.run("select 1", limit=-1)


def test_a_snapshot_that_is_gone_says_so(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(NoSnapshot, match="expired"):
        SqlSandbox({"agent_orders": tmp_path / "gone.duckdb"}, Limits()).run("select 1")


def test_a_closed_sandbox_says_so_and_leaves_no_process(files: dict[str, Path]) -> None:
    sandbox = SqlSandbox(files, Limits())
    sandbox.run("select 1")
    worker = sandbox._workers._free[0]
    sandbox.close()

    assert not worker.is_alive
    with pytest.raises(NoSnapshot):
        sandbox.run("select 1")
