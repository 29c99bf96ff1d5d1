"""The source's server is killed and restarted in the middle of a load."""

import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from serving import snapshot
from tests.faults.children import Zygote
from tests.faults.conftest import execute, fill
from tests.faults.oracle import assert_equal_to_source, in_view
from tests.faults.views import Capture
from tests.servers import Postgres

DEADLINE_S = 30.0
SOME = (
    "insert into items select i, 'some', md5(i::text), i from generate_series(1001, 2000) i",
    "delete from items where id between 10 and 40",
    "update items set id = id + 200000 where id between 50 and 60",
    "update accounts set balance = balance + 1",
)
# So many that their log is still being read when the server is killed; to publish them takes long.
MANY = ("insert into items select i, 'many', 'm', i from generate_series(300001, 420000) i", *SOME)
WAITING = "select 1 from pg_stat_activity where wait_event_type = 'Lock'"
DECODING = "select 1 from pg_replication_slots where active_pid is not null and not temporary"


def until(url: str, query: str) -> None:
    """Ask until there is an answer."""
    deadline = time.monotonic() + DEADLINE_S
    with psycopg.connect(url, autocommit=True) as watcher:
        while watcher.execute(query.encode()).fetchone() is None:
            assert time.monotonic() < deadline, query


def test_a_server_killed_while_a_cursor_load_reads_fails_it_and_the_next_completes(
    own_server: Postgres, zygote: Zygote, home: Path
) -> None:
    url = fill(own_server)
    assert zygote.run(home, url, "cursor", "load", "publish").status == 0
    before = snapshot.current_id(home), in_view(home, "agent_items")
    execute(url, *SOME)
    with suppress(psycopg.OperationalError), psycopg.connect(url) as blocker:
        blocker.execute("lock table items in access exclusive mode")
        trial = zygote.start(home, url, "cursor", "load", "publish")
        until(url, WAITING)
        own_server.kill()
        zygote.wait()
    assert trial.status == 1
    assert trial.error is not None and "cannot be reached" in trial.error
    assert (snapshot.current_id(home), in_view(home, "agent_items")) == before
    _completes(own_server, zygote, home, url, "cursor")


def test_a_server_killed_while_its_log_is_read_fails_the_load_and_the_next_completes(
    own_server: Postgres, zygote: Zygote, home: Path
) -> None:
    url = fill(own_server)
    assert zygote.run(home, url, "log", "load", "publish").status == 0
    before = snapshot.current_id(home), in_view(home, "agent_items")
    execute(url, *MANY)
    trial = zygote.start(home, url, "log", "load", "publish")
    until(url, DECODING)
    own_server.kill()
    zygote.wait()
    assert trial.status == 1
    assert trial.error is not None and "cannot be reached" in trial.error
    assert (snapshot.current_id(home), in_view(home, "agent_items")) == before
    _completes(own_server, zygote, home, url, "log")


@pytest.mark.parametrize("phase", ["normalise", "load"])
def test_a_server_killed_after_its_log_was_read_costs_no_load_and_doubles_nothing(
    own_server: Postgres, zygote: Zygote, home: Path, phase: str
) -> None:
    url = fill(own_server)
    assert zygote.run(home, url, "log", "load", "publish").status == 0
    execute(url, *SOME)
    trial = zygote.start(home, url, "log", "load", "publish")
    zygote.wait(phase)
    own_server.kill()
    zygote.wait()
    assert trial.status == 0, trial.error
    assert any("could not be moved" in alarm for alarm in trial.alarms)
    _completes(own_server, zygote, home, url, "log")


def _completes(server: Postgres, zygote: Zygote, home: Path, url: str, capture: Capture) -> None:
    """Restart the server, change a little, load and compare."""
    server.start()
    execute(url, "delete from items where id between 70 and 80 or id > 300000")
    step = "reconcile" if capture == "cursor" else "load"
    trial = zygote.run(home, url, capture, step, "publish")
    assert trial.status == 0, trial.error
    assert_equal_to_source(url, home)
