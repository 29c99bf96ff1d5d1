"""A snapshot that holds an erased person goes, with its bytes, whoever reads it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from serving import connect, snapshot
from serving.agent import Agent
from serving.envelope import Answer, Refusal
from serving.errors import NoSnapshot, PublishError
from serving.layout import building_folder, snapshot_folder
from serving.opened import Snapshots
from serving.snapshot_store import current_id, open_snapshot, snapshot_ids, withdraw
from tests.serving.conftest import connected, declared, home, publish, published

__all__ = ["connected", "home", "published"]
READER = """
import sys
from pathlib import Path
from serving.opened import Snapshots

with Snapshots(Path(sys.argv[1]), None).lease(sys.argv[2]):
    print("open", flush=True)
    sys.stdin.read()
"""
COUNT = "select count(*) as n from agent_orders"


def publish_fresh(home: Path) -> str:
    """Publish again without sharing a file."""
    from serving.embedder import MiniLm, builtin_model_dir

    candidate = snapshot.export_views(home, declared(), is_fresh=True)
    embedder = MiniLm(builtin_model_dir())
    snapshot.build_index(candidate, declared(), embedder, is_fresh=True)
    snapshot.verify(candidate)
    return snapshot.promote(home, candidate)


def inodes(home: Path, snapshot_id: str) -> set[int]:
    """The files of a snapshot, as the file system knows them."""
    folder = snapshot_folder(home, snapshot_id)
    return {path.stat().st_ino for path in folder.rglob("*") if path.is_file()}


def test_a_fresh_publication_shares_no_file_and_embeds_nothing_again(home: Path) -> None:
    first = current_id(home)
    shared = publish(home)
    fresh = publish_fresh(home)
    assert inodes(home, first) & inodes(home, shared)
    assert not inodes(home, fresh) & (inodes(home, first) | inodes(home, shared))
    index = open_snapshot(home, fresh)[1].index
    assert index is not None and index.embedded == 0 and index.carried > 0


def test_an_idle_reader_lets_go_by_itself_and_a_pinned_one_is_refused(
    home: Path, connected: Callable[[str], Agent]
) -> None:
    agent, old = connected("support_agent"), current_id(home)
    assert isinstance(agent.sql(COUNT, snapshot_id=old), Answer)
    publish_fresh(home)
    gone = withdraw(home, [old], patience_s=60)
    assert (gone.snapshot_ids, gone.forced) == ([old], [])
    refused = agent.sql(COUNT, snapshot_id=old)
    assert isinstance(refused, Refusal) and refused.error.code == "NO_SNAPSHOT"
    assert isinstance(agent.sql(COUNT), Answer)
    assert snapshot_ids(home) == [current_id(home)]
    assert list(building_folder(home).iterdir()) == []


def test_a_reader_that_does_not_end_finds_its_files_empty(home: Path) -> None:
    old = current_id(home)
    snapshots = Snapshots(home, lambda: (_ for _ in ()).throw(AssertionError))
    with snapshots.lease(old):
        file = snapshot_folder(home, old) / "views" / "agent_orders.duckdb"
        with file.open("rb") as held:
            assert held.read(4)
            new = publish_fresh(home)
            assert withdraw(home, [old], patience_s=0).forced == [old]
            with pytest.raises(NoSnapshot), snapshots.lease(old):
                pass
            assert os.fstat(held.fileno()).st_size == 0
    snapshots.close()
    with connect(home, "support_agent") as agent:
        answer = agent.sql(COUNT)
        assert isinstance(answer, Answer)
        assert (answer.meta.snapshot_id, answer.data.rows[0]["n"]) == (new, 40)


def test_a_reader_of_another_process_is_seen_and_one_that_died_is_not(home: Path) -> None:
    old = current_id(home)
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(home), old],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdout is not None and reader.stdout.readline() == "open\n"
        second = publish_fresh(home)
        third = publish_fresh(home)
        assert withdraw(home, [old], patience_s=0).forced == [old]
        reader.kill()
    assert withdraw(home, [second], patience_s=0).forced == []
    assert snapshot_ids(home) == [third]


def test_the_snapshot_that_answers_is_not_withdrawn(home: Path) -> None:
    with pytest.raises(PublishError, match="answers now"):
        withdraw(home, [current_id(home)], patience_s=0)
    assert snapshot_ids(home) == [current_id(home)]


def test_a_killed_withdrawal_is_finished_by_the_next_and_by_no_publication(home: Path) -> None:
    old = current_id(home)
    publish_fresh(home)
    hidden = building_folder(home) / f"{old}.withdrawn"
    snapshot_folder(home, old).rename(hidden)
    publish_fresh(home)
    assert hidden.is_dir()
    assert withdraw(home, [], patience_s=0).snapshot_ids == [old]
    assert not hidden.exists()
