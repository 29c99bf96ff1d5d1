"""A server that throws away the log that a slot needs: told at half, mended when lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.log_capture import check_source
from ingestion.spec import SourceSpec, SqlDatabaseSource
from tests.log_capture.conftest import Database
from tests.servers import Postgres, server_folder

CREATE = "create table items (id bigint primary key, name text)"
LIVE = "select id, name from own.items where _deleted_at is null order by id"
WRITE_A_SEGMENT = (
    "select pg_logical_emit_message(false, 'noise', repeat('x', 1000000)) "
    "from generate_series(1, 17)"
)


@pytest.fixture
def strict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A server of its own that keeps 64 MB for a slot."""
    with server_folder() as folder:
        running = Postgres(folder)
        running.start()
        monkeypatch.setenv("SOURCES__OWN__URL", running.url())
        database = Database(running.url(), tmp_path)
        database.execute(
            "alter system set max_slot_wal_keep_size = '64MB'",
            "alter system set max_wal_size = '32MB'",
            "select pg_reload_conf()",
        )
        yield database
        running.stop()


def test_a_slot_is_told_at_half_and_read_anew_when_lost(
    strict: Database, captured: SourceSpec
) -> None:
    assert isinstance(captured, SqlDatabaseSource)
    strict.execute(CREATE, "insert into items values (1, 'a'), (2, 'b')")
    assert strict.load(captured).alarms == []
    strict.execute(*[WRITE_A_SEGMENT] * 3, "update items set name = 'A' where id = 1")
    assert any("holds back" in fault for fault in _faults(strict, captured))
    assert "max_slot_wal_keep_size" in strict.load(captured).alarms[0]
    assert strict.raw(LIVE) == [(1, "A"), (2, "b")]
    assert strict.load(captured).alarms == []

    strict.execute("delete from items where id = 2", "insert into items values (3, 'c')")
    strict.execute(*[WRITE_A_SEGMENT] * 8, "checkpoint")
    lost = "select wal_status from pg_replication_slots where not temporary"
    assert strict.ask(lost) == [("lost",)]
    told = strict.load(captured).alarms
    assert len(told) == 1 and "was lost" in told[0]
    assert strict.raw(LIVE) == [(1, "A"), (3, "c")]
    strict.execute("delete from items where id = 3")
    assert strict.load(captured).alarms == []
    assert strict.raw(LIVE) == [(1, "A")]


def test_a_server_that_restarts_between_loads_loses_nothing(
    tmp_path: Path, captured: SourceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server_folder() as folder:
        running = Postgres(folder)
        running.start()
        monkeypatch.setenv("SOURCES__OWN__URL", running.url())
        database = Database(running.url(), tmp_path)
        database.execute(CREATE, "insert into items values (1, 'a')")
        database.load(captured)
        database.execute("insert into items values (2, 'b')")
        running.stop()
        running.start()
        monkeypatch.setenv("SOURCES__OWN__URL", running.url())
        report = Database(running.url(), tmp_path).load(captured)
        running.stop()
    assert database.raw(LIVE) == [(1, "a"), (2, "b")]
    assert report.alarms == []


def _faults(database: Database, spec: SqlDatabaseSource) -> list[str]:
    return check_source("own", spec, database.home).faults
