"""Nobody who writes makes a reader wait or fail, and nothing that is read is deleted."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from serving import opened, snapshot
from serving.agent import Agent, connect
from serving.envelope import Answer, Refusal
from serving.errors import NoSnapshot
from serving.layout import pointer_path, snapshot_folder
from serving.opened import Snapshots
from serving.snapshot_store import current_id, expire, snapshot_ids, withdraw
from tests.grounded import ROOT

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


READS = """
from serving.opened import Snapshots
with Snapshots(home, None).lease(sys.argv[2]):
    tell()
"""
HOLDS_EVERY_LOCK = """
import duckdb
from ingestion.warehouse import writing
from serving.snapshot_store import publish_lock
with writing(home) as path, publish_lock(home), duckdb.connect(str(path)) as held:
    held.execute("begin; delete from agents.agent_orders")
    tell()
"""
# What it does is on its way once it tells, and lasts until it is killed.
PROCESS = """
import signal, sys
from pathlib import Path
home = Path(sys.argv[1])
def tell():
    print("on its way", flush=True)
    signal.pause()
"""


@contextmanager
def elsewhere(doing: str, home: Path, *arguments: str) -> Iterator[None]:
    """Another process, as a fork of this one would have its locks and none of its threads."""
    command = [sys.executable, "-c", PROCESS + doing, str(home), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "on its way\n"
            yield
        finally:
            process.kill()


def test_a_stuck_run_that_holds_every_lock_of_the_writers_delays_no_answer(home: Path) -> None:
    with elsewhere(HOLDS_EVERY_LOCK, home), connect(home, "support_agent") as agent:
        for ask in ASKS:
            assert ask(agent).success


def test_retention_leaves_what_another_process_reads_until_that_has_died(
    home: Path, world: SimpleNamespace
) -> None:
    old = current_id(home)
    with elsewhere(READS, home, old):
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
