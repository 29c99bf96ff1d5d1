"""Nobody who writes makes a reader wait or fail, and nothing that is read is deleted."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from ingestion.warehouse import writing
from serving import opened, snapshot
from serving.agent import Agent, connect
from serving.envelope import Answer, Refusal
from serving.errors import NoSnapshot
from serving.layout import pointer_path, snapshot_folder
from serving.opened import Snapshots
from serving.snapshot_store import current_id, expire, publish_lock, snapshot_ids, withdraw

NOW = timedelta(0)
Ask = Callable[[Agent], Answer | Refusal]
ASKS: list[Ask] = [
    lambda a: a.sql("select count(*) as n from agent_orders"),
    lambda a: a.lookup("agent_orders", value=1),
    lambda a: a.search("printer"),
    lambda a: a.list_tables(),
]


def unused_embedder() -> None:
    raise AssertionError


@contextmanager
def reading_elsewhere(home: Path, snapshot_id: str) -> Iterator[int]:
    """Another process that holds a snapshot until it is killed; its process id."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with Snapshots(home, unused_embedder).lease(snapshot_id):  # type: ignore[arg-type]
            os.write(write, b"open")
            signal.pause()
    os.read(read, 4)
    try:
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read)
        os.close(write)


def test_a_stuck_run_that_holds_every_lock_of_the_writers_delays_no_answer(home: Path) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with writing(home) as path, publish_lock(home), duckdb.connect(str(path)) as held:
            held.execute("begin; delete from agents.agent_orders")
            os.write(write, b"held")
            signal.pause()
    os.read(read, 4)
    try:
        with connect(home, "support_agent") as agent:
            for ask in ASKS:
                assert ask(agent).success
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read)
        os.close(write)


def test_retention_leaves_what_another_process_reads_until_that_has_died(
    home: Path, world: SimpleNamespace
) -> None:
    old = current_id(home)
    with reading_elsewhere(home, old):
        between, newest = world.publish(home), world.publish(home)
        assert expire(home, keep=1, minimum_age=NOW) == [between]
        assert snapshot_ids(home) == [old, newest]
    assert expire(home, keep=1, minimum_age=NOW) == [old]


def test_a_snapshot_without_its_catalog_does_not_hold_up_retention(
    home: Path, world: SimpleNamespace
) -> None:
    old = current_id(home)
    world.publish(home)
    (snapshot_folder(home, old) / "catalog.json").unlink()
    assert expire(home, keep=1, minimum_age=NOW) == [old]


def test_retention_leaves_what_a_conversation_has_pinned_until_it_has_been_idle(
    home: Path, world: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(home, "support_agent") as agent:
        old = current_id(home)
        world.publish(home)
        assert all(ask(agent).success for ask in ASKS)
        with connect(home, "support_agent", snapshot_id=old) as pinned:
            assert pinned.lookup("agent_orders", value=1).meta.snapshot_id == old
            assert expire(home, keep=1, minimum_age=NOW) == []
            assert all(ask(pinned).success for ask in ASKS)
            monkeypatch.setattr(opened, "PIN_S", 0.0)
            agent._gateway._snapshots.let_go()
            assert expire(home, keep=1, minimum_age=NOW) == [old]
            refused = pinned.lookup("agent_orders", value=1)
        assert isinstance(refused, Refusal)
        assert (refused.error.code, refused.error.retryable) == ("NO_SNAPSHOT", False)
        assert "expired" in refused.error.message


def test_a_reader_finishes_on_the_snapshot_that_it_began_on(
    home: Path, world: SimpleNamespace
) -> None:
    snapshots = Snapshots(home, unused_embedder)  # type: ignore[arg-type]
    old = current_id(home)
    with snapshots.lease() as lease:
        world.change(home, "delete from agents.agent_orders")
        newest = world.publish(home)
        expire(home, keep=1, minimum_age=NOW)
        view = lease.catalog.views["agent_orders"]
        store = lease.lookup(lease.catalog.agents["support_agent"].stores["agent_orders"], view)
        assert len(store.get("order_id", [1], 10)) == 1
        with snapshots.lease() as later:
            assert later.catalog.snapshot_id == newest
    assert expire(home, keep=1, minimum_age=NOW) == [old]
    snapshots.close()


def test_a_snapshot_that_goes_between_the_look_at_the_pointer_and_the_opening_is_no_failure(
    home: Path, world: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots = Snapshots(home, unused_embedder)  # type: ignore[arg-type]
    old = current_id(home)
    looked = snapshots._look_up_current()
    newest = world.publish(home)
    withdraw(home, [old], patience_s=0)
    looks = iter([looked])
    look_again = snapshots._look_up_current
    monkeypatch.setattr(snapshots, "_look_up_current", lambda: next(looks, None) or look_again())
    with snapshots.lease() as lease:
        assert lease.catalog.snapshot_id == newest
    snapshots.close()


def test_a_lock_on_a_snapshot_that_was_deleted_meanwhile_holds_nothing(
    home: Path, world: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = current_id(home)
    world.publish(home)
    folder, flock = snapshot_folder(home, old), opened.fcntl.flock

    def deleted_while_waiting(descriptor: int, kind: int) -> None:
        withdraw(home, [old], patience_s=0)
        flock(descriptor, kind)

    with monkeypatch.context() as patch, pytest.raises(NoSnapshot):
        patch.setattr(opened, "fcntl", SimpleNamespace(flock=deleted_while_waiting, LOCK_SH=1))
        opened._held(folder)
    assert snapshot.current_id(home) != old
    assert pointer_path(home).is_file()
