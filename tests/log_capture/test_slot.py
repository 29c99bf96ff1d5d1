"""The slot moves only with what is durable, moves when nothing changes, and is watched."""

from contextlib import closing
from typing import Any

import psycopg
import pytest

from ingestion import load
from ingestion.errors import SourceFailed
from ingestion.log_capture.slot import SlotHealth
from ingestion.spec import SourceSpec
from tests.log_capture.conftest import Database

CREATE = "create table items (id bigint primary key, name text)"
POSITION = "select confirmed_flush_lsn - '0/0' from pg_replication_slots where not temporary"
OTHERS = """
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""
NOISE = "select pg_logical_emit_message(false, 'noise', repeat('x', 1000000))"


def position_before_a_change(database: Database, captured: SourceSpec) -> list[tuple[Any, ...]]:
    """Load one row, then commit another."""
    database.execute(CREATE, "insert into items values (1, 'a')")
    database.load(captured)
    before = database.ask(POSITION)
    database.execute("insert into items values (2, 'b')")
    return before


def test_a_load_that_fails_leaves_the_slot_where_it_was(
    database: Database, captured: SourceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = position_before_a_change(database, captured)
    with monkeypatch.context() as broken:
        broken.setattr(load.dlt.Pipeline, "load", _die)
        with pytest.raises(SourceFailed):
            database.load(captured)
    assert database.ask(POSITION) == before
    database.load(captured)
    assert database.ask(POSITION) > before
    assert database.raw("select id from own.items order by id") == [(1,), (2,)]


def test_the_slot_moves_although_the_connection_that_read_the_log_is_cut_meanwhile(
    database: Database, captured: SourceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = position_before_a_change(database, captured)
    load_it = load.dlt.Pipeline.load

    def cut_and_load(pipeline: Any) -> Any:
        cut = database.ask(OTHERS)
        assert cut, "the log is read by a connection that stays open"
        return load_it(pipeline)

    with monkeypatch.context() as cutting:
        cutting.setattr(load.dlt.Pipeline, "load", cut_and_load)
        report = database.load(captured)
    assert report.tables["items"].read == 1 and report.alarms == []
    assert database.ask(POSITION) > before


def test_a_commit_that_is_not_durable_yet_is_waited_for(
    database: Database, captured: SourceSpec
) -> None:
    database.execute(CREATE)
    database.load(captured)
    for number in range(5):
        change = f"insert into items values ({number}, 'a')"
        database.execute("set synchronous_commit = off", change)
        assert database.load(captured).tables["items"].read == 1


def test_a_quiet_slot_moves_with_the_log_of_others(
    database: Database, captured: SourceSpec
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a')")
    database.load(captured)
    before = database.ask(POSITION)
    database.execute(*[NOISE] * 20)
    report = database.load(captured)
    assert database.ask(POSITION)[0][0] - before[0][0] > 15_000_000
    assert report.tables["items"].read == 0 and report.alarms == []


def test_a_quiet_table_moves_its_watermark_and_writes_no_rows(
    database: Database, captured: SourceSpec
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a')")
    first = database.load(captured).tables["items"].watermark
    loads = database.raw("select count(*) from own._dlt_loads")
    database.execute("create table other (id int)")
    second = database.load(captured).tables["items"].watermark
    assert first is not None and second is not None and second > first
    assert database.raw("select count(*) from own._dlt_loads") == loads


def test_an_alarm_comes_at_half_of_what_the_server_keeps() -> None:
    health = SlotHealth(
        slot="s", lag_bytes=60, wal_status="reserved", safe_wal_size=51, max_slot_wal_keep_size=100
    )
    assert health.alarm is None
    near = health.model_copy(update={"safe_wal_size": 50})
    assert near.alarm is not None and "max_slot_wal_keep_size" in near.alarm
    unlimited = health.model_copy(update={"safe_wal_size": None, "max_slot_wal_keep_size": None})
    assert unlimited.alarm is None


def test_a_slot_in_use_by_another_process_is_told(
    database: Database, captured: SourceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestion.log_capture.slot.BUSY_S", 0.2)
    database.execute(CREATE)
    database.load(captured)
    with closing(psycopg.connect(database.url, autocommit=True, replication="database")) as reader:
        reader.pgconn.send_query(
            b"START_REPLICATION SLOT grounded_own LOGICAL 0/0 "
            b"(proto_version '1', publication_names 'grounded_own')"
        )
        while not database.ask("select 1 from pg_replication_slots where active"):
            pass
        with pytest.raises(SourceFailed, match="in use by another process"):
            database.load(captured)


def _die(*_: object, **__: object) -> None:
    raise OSError("died")
