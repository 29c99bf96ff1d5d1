"""The workers of an agent go on with the next snapshot's files, and with nothing of the last."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from serving.agent import Agent
from serving.catalog import Limits
from serving.declarations import DeclaredAgent
from serving.errors import InternalError
from serving.sandbox import SqlSandbox, Workers
from serving.sandbox.process import WorkerProcess

COUNT = "select count(*) as n from agent_orders"


def worker_of(agent: Agent) -> WorkerProcess:
    """The worker that an agent's next statement has."""
    with agent._gateway._snapshots.lease() as opened:
        sandbox = opened.sandbox(opened.catalog.agents[agent.name])
        with sandbox._worker() as worker:
            return worker


def raw(worker: WorkerProcess, sql: str) -> dict[str, object]:
    """What a worker tells past the gate."""
    return worker.ask({"op": "run", "sql": sql, "rows": 10, "characters": 1_000}, 5)


def test_a_publish_starts_no_new_process_and_the_next_answer_is_of_the_new_rows(
    agent: Agent, home: Path, world: SimpleNamespace
) -> None:
    assert agent.sql(COUNT).rows == [{"n": 40}]
    pid = worker_of(agent).pid
    world.change(home, "delete from agents.agent_orders where order_id > 7")
    newest = world.publish(home)
    answer = agent.sql(COUNT)
    assert (answer.rows, answer.meta.snapshot_id) == ([{"n": 7}], newest)
    assert worker_of(agent).pid == pid


def test_workers_go_on_also_where_nobody_asks_between_two_snapshots(
    agent: Agent, home: Path, world: SimpleNamespace
) -> None:
    assert agent.sql(COUNT).success
    pid = worker_of(agent).pid
    world.change(home, "delete from agents.agent_orders where order_id > 7")
    world.publish(home)
    # As the thread does that looks each second.
    agent._gateway._snapshots.let_go()
    assert agent.sql(COUNT).rows == [{"n": 7}]
    assert worker_of(agent).pid == pid


def test_files_that_did_not_change_are_not_opened_again(
    connected: object, home: Path, world: SimpleNamespace
) -> None:
    catalog_agent: Agent = connected("catalog_agent")  # type: ignore[operator]
    assert catalog_agent.sql("from agent_products").success
    worker = worker_of(catalog_agent)
    world.change(home, "delete from agents.agent_orders where order_id > 7")
    world.publish(home)
    assert catalog_agent.list_tables().success
    after = worker_of(catalog_agent)
    assert (after.pid, after._openings) == (worker.pid, 0)
    assert catalog_agent.sql("from agent_products").success


def test_a_worker_keeps_nothing_that_its_agent_has_lost(
    connected: object, home: Path, world: SimpleNamespace
) -> None:
    def clerk(*views: str) -> DeclaredAgent:
        return DeclaredAgent(name="clerk", purpose="Helps.", views=list(views))

    world.publish(home, world.declared(clerk=clerk("agent_orders", "agent_products")))
    agent: Agent = connected("clerk")  # type: ignore[operator]
    assert agent.sql(COUNT).rows == [{"n": 40}]
    pid = worker_of(agent).pid
    world.publish(home, world.declared(clerk=clerk("agent_products")))
    assert agent.sql("select count(*) as n from agent_products").rows == [{"n": 3}]
    worker = worker_of(agent)
    assert worker.pid == pid
    assert raw(worker, COUNT)["error"] == "CatalogException"
    held = raw(worker, "select count(*) as n from duckdb_databases() where not internal")
    assert held["rows"] == [[2]]


def test_other_limits_need_another_process(
    connected: object, home: Path, world: SimpleNamespace
) -> None:
    def clerk(memory_mb: int) -> DeclaredAgent:
        return DeclaredAgent(
            name="clerk",
            purpose="Helps.",
            views=["agent_orders"],
            limits=Limits(memory_mb=memory_mb),
        )

    world.publish(home, world.declared(clerk=clerk(512)))
    agent: Agent = connected("clerk")  # type: ignore[operator]
    assert agent.sql(COUNT).success
    pid = worker_of(agent).pid
    world.publish(home, world.declared(clerk=clerk(256)))
    assert agent.sql(COUNT + " where true").success
    assert worker_of(agent).pid != pid


@pytest.fixture
def two_snapshots(published: Path, tmp_path: Path) -> list[dict[str, Path]]:
    """The same view in files of two snapshots."""
    (file,) = published.glob("published/snapshots/*/views/agent_orders.duckdb")
    copies = [tmp_path / "1.duckdb", tmp_path / "2.duckdb"]
    return [{"agent_orders": Path(shutil.copy(file, copy))} for copy in copies]


def test_a_worker_that_was_busy_at_the_publish_goes_on_when_it_is_free(
    two_snapshots: list[dict[str, Path]],
) -> None:
    workers = Workers(2)
    before, after = (SqlSandbox(files, Limits(), workers=workers) for files in two_snapshots)
    with before._worker() as busy:
        after.expect()
        after.prepare()
        assert busy not in workers._free
    before.close()
    assert busy in workers._free
    assert [worker.files for worker in workers._free] == [after._files] * 2
    assert after.run(COUNT).rows == [{"n": 40}]
    workers.close()


def test_a_pin_and_the_latest_snapshot_each_have_a_worker(
    two_snapshots: list[dict[str, Path]],
) -> None:
    workers = Workers(2)
    pinned, latest = (SqlSandbox(files, Limits(), workers=workers) for files in two_snapshots)
    latest.expect()
    for _ in range(3):
        for sandbox in (latest, pinned):
            assert sandbox.run(COUNT).rows == [{"n": 40}]
    assert len({worker.pid for worker in workers._free}) == 2
    free = list(workers._free)
    pinned.run(COUNT), latest.run(COUNT)
    assert set(workers._free) == set(free)
    workers.close()


def test_files_that_cannot_be_opened_are_told_and_no_worker_is_left_with_them(
    two_snapshots: list[dict[str, Path]],
) -> None:
    workers = Workers(2)
    before, after = (SqlSandbox(files, Limits(), workers=workers) for files in two_snapshots)
    before.run(COUNT)
    two_snapshots[1]["agent_orders"].write_bytes(b"no database")
    with pytest.raises(InternalError, match="could not open its tables"):
        after.run(COUNT)
    assert before.run(COUNT).rows == [{"n": 40}]
    workers.close()
