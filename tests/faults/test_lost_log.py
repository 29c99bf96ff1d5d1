"""The slot is gone, or its log is: everything is read anew, and the gap is told."""

import random
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.faults.children import Zygote
from tests.faults.conftest import execute, fill
from tests.faults.lane import Lane
from tests.faults.oracle import assert_equal_to_source
from tests.servers import Postgres

Lose = Callable[[str], None]
SEGMENTS = 12
GAP = (
    "delete from items where id between 10 and 40",
    "update items set id = id + 20000 where id between 50 and 60",
    "insert into items values (700, 'in the gap')",
    "update accounts set balance = balance + 1 where id = 1",
    "update accounts set balance = balance - 1 where id = 2",
)


def dropped(url: str) -> None:
    """Drop the slot, as an operator does who frees a disk."""
    execute(url, "select pg_drop_replication_slot('grounded_own')", *GAP)


def outgrown(url: str) -> None:
    """Let the log grow beyond what the server keeps for a slot."""
    execute(url, *GAP, "alter system set max_slot_wal_keep_size = '16MB'")
    execute(url, "select pg_reload_conf()")
    lost = b"select 1 from pg_replication_slots where wal_status = 'lost'"
    with psycopg.connect(url, autocommit=True) as live:
        for _ in range(SEGMENTS):
            live.execute("select pg_logical_emit_message(false, 'noise', repeat('x', 1000))")
            live.execute("select pg_switch_wal()")
            live.execute("checkpoint")
            if live.execute(lost).fetchone():
                return
    raise AssertionError("the slot was not lost")


@pytest.mark.parametrize("lose", [dropped, outgrown])
def test_a_lost_slot_is_told_and_the_gap_is_read_anew(
    own_server: Postgres, zygote: Zygote, home: Path, lose: Lose
) -> None:
    url = fill(own_server)
    assert zygote.run(home, url, "log", "load", "publish").alarms == []
    lose(url)
    trial = zygote.run(home, url, "log", "load", "publish")
    assert trial.status == 0, trial.error
    assert_equal_to_source(url, home)
    assert [alarm for alarm in trial.alarms if "items is read anew in whole" in alarm]
    execute(url, "delete from items where id = 700")
    assert zygote.run(home, url, "log", "load", "publish").alarms == []
    assert_equal_to_source(url, home)


@pytest.mark.parametrize("lose", [dropped, outgrown])
def test_kills_while_the_gap_is_read_anew_lose_nothing_of_it(
    own_server: Postgres, zygote: Zygote, home: Path, lose: Lose, seed: int
) -> None:
    url = fill(own_server)
    lane = Lane(zygote, url, home, "log", random.Random(seed))
    context = f"GROUNDED_SEED={seed}"
    try:
        lane.finish(context)
        lose(url)
        for phase in ("extract", "normalise", "load", "settle"):
            lane.killed(context, phase)
        lane.finish(context)
    finally:
        lane.close()
