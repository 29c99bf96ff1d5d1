"""Two agents in turn, each trying to leave something behind: neither meets it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.catalog import Limits
from serving.errors import AnswerError
from serving.sandbox import SqlSandbox
from serving.sandbox.process import Files, WorkerProcess
from tests.sandbox.conftest import write_views

CALLS = 1_000
LEAVES = [
    "use v0",
    "set variable whose = '{me}'",
    "set search_path = 'temp'",
    "set schema = 'v0.main'",
    "create temp table whose as select '{me}' as name",
    "create temp view agent_things as select '{me}' as name",
    "create or replace view agent_things as select '{me}' as name",
    "create temp macro whose() as '{me}'",
    "prepare whose as select '{me}'",
    "begin transaction",
    "set timezone = 'Asia/Tokyo'",
    "pragma disable_optimizer",
    "drop view agent_things",
    "detach v0",
]
LOOKS = [
    "select getvariable('whose') as name",
    "from whose",
    "select whose() as name",
    "execute whose",
    "from temp.agent_things",
]


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Path]]:
    """A view of the same name for each of two agents, with that agent's own row."""
    return {
        name: write_views(
            tmp_path_factory.mktemp(name), {"agent_things": f"select '{name}' as name"}
        )
        for name in ("ann", "bob")
    }


@pytest.fixture
def sandboxes(things: dict[str, dict[str, Path]]) -> Iterator[dict[str, SqlSandbox]]:
    opened = {name: SqlSandbox(files, Limits(), max_workers=1) for name, files in things.items()}
    yield opened
    for sandbox in opened.values():
        sandbox.close()


def test_a_thousand_alternating_calls_leave_nothing_to_each_other(
    sandboxes: dict[str, SqlSandbox],
) -> None:
    names = list(sandboxes)
    for number in range(CALLS):
        me = names[number % 2]
        wanted = (LEAVES + LOOKS)[(number // 2) % (len(LEAVES) + len(LOOKS))]
        with pytest.raises(AnswerError):
            sandboxes[me].run(wanted.replace("{me}", me))
        if number % 4 < 2:
            assert sandboxes[me].run("from agent_things").rows == [{"name": me}]


def test_past_the_gate_what_a_statement_leaves_is_its_own_agents_at_most(
    things: dict[str, dict[str, Path]],
) -> None:
    workers = {name: WorkerProcess(Files(files), Limits()) for name, files in things.items()}

    def ask(me: str, sql: str) -> dict[str, Any]:
        request = {"op": "run", "sql": sql.replace("{me}", me), "rows": 9, "characters": 999}
        return workers[me].ask(request, 5)

    for number in range(200):
        me, other = ("ann", "bob") if number % 2 else ("bob", "ann")
        ask(me, LEAVES[number % len(LEAVES)])
        for look in LOOKS:
            assert other not in str(ask(me, look).get("rows"))
    for worker in workers.values():
        worker.end()
