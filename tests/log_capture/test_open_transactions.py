"""A new slot waits for the transactions that are open at the source, and says for whom."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ingestion.errors import SourceFailed
from ingestion.load import load_source
from ingestion.log_capture import check_source
from ingestion.spec import SourceSpec, SqlDatabaseSource
from tests.log_capture.conftest import Database
from tests.servers import Postgres, server_folder

CREATE = "create table items (id bigint primary key, name text)"
SLOTS = "select count(*) from pg_replication_slots where database = current_database()"


@pytest.fixture
def writer(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection]:
    """A transaction that has written and stays open; we look for such ones at once."""
    monkeypatch.setattr("ingestion.log_capture.new_slot.LOOK_S", 0.1)
    database.execute(CREATE, "insert into items values (1, 'a')")
    with psycopg.connect(database.url) as connection:
        connection.execute("insert into items values (2, 'b')")
        yield connection


def test_a_first_load_tells_whom_it_waits_for_and_goes_on_when_that_ends(
    database: Database, captured: SourceSpec, writer: psycopg.Connection
) -> None:
    process, told = writer.info.backend_pid, list[str]()

    def end_the_writer(message: str) -> None:
        told.append(message)
        if f"process {process} of role postgres" in message:
            writer.commit()

    load_source("own", captured, database.home, on_progress=end_the_writer)
    (waiting,) = [message for message in told if "waits for" in message]
    assert f"`select pg_terminate_backend({process})`" in waiting and "open for" in waiting
    assert database.raw("select id from own.items order by id") == [(1,), (2,)]


def test_a_first_load_gives_up_on_a_transaction_that_does_not_end_and_leaves_no_slot(
    database: Database,
    captured: SourceSpec,
    writer: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as impatient:
        impatient.setattr("ingestion.log_capture.new_slot.WAIT_S", 0.3)
        with pytest.raises(SourceFailed, match=f"process {writer.info.backend_pid} of role") as it:
            database.load(captured)
    assert "load again when it has ended" in str(it.value)
    assert database.ask(SLOTS) == [(0,)]
    writer.rollback()
    assert database.load(captured).tables["items"].rows == 1


def test_a_table_that_is_added_later_tells_whom_its_snapshot_waits_for(
    database: Database, captured: SourceSpec, writer: psycopg.Connection
) -> None:
    writer.commit()
    database.load(captured)
    writer.execute("insert into items values (3, 'c')")
    told = list[str]()

    def end_the_writer(message: str) -> None:
        told.append(message)
        if "waits for process" in message:
            writer.commit()

    load_source("own", captured, database.home, anew=["items"], on_progress=end_the_writer)
    assert [message for message in told if "waits for process" in message]
    assert database.raw("select count(*) from own.items") == [(3,)]


def test_the_check_names_what_the_first_load_will_wait_for_and_nothing_after_it(
    database: Database, captured: SourceSpec, writer: psycopg.Connection
) -> None:
    assert isinstance(captured, SqlDatabaseSource)
    process = writer.info.backend_pid
    awaited = check_source("own", captured, database.home).awaited
    assert [told for told in awaited if f"pg_terminate_backend({process})" in told]
    writer.commit()
    database.load(captured)
    writer.execute("update items set name = 'c'")
    assert check_source("own", captured, database.home).awaited == []


@pytest.fixture
def two_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database of a server that lets transactions commit in two steps; we look at once."""
    monkeypatch.setattr("ingestion.log_capture.new_slot.LOOK_S", 0.1)
    with server_folder() as folder:
        server = Postgres(folder)
        server.start()
        monkeypatch.setenv("SOURCES__OWN__URL", server.url())
        database = Database(server.url(), tmp_path)
        try:
            database.execute("alter system set max_prepared_transactions = 1", CREATE)
            server.stop()
            server.start()
            yield database
        finally:
            server.stop()


def test_a_transaction_that_is_prepared_is_told_with_the_statement_that_ends_it(
    two_step: Database, captured: SourceSpec
) -> None:
    assert isinstance(captured, SqlDatabaseSource)
    prepared = "begin; insert into items values (1, 'a'); prepare transaction 'it''s first'"
    two_step.execute(*prepared.split("; "))
    ending = "a prepared transaction of role postgres in postgres"
    (awaited,) = check_source("own", captured, two_step.home).awaited
    assert awaited.startswith(ending) and awaited.endswith("(`rollback prepared 'it''s first'`)")
    told = list[str]()

    def commit_it(message: str) -> None:
        told.append(message)
        if f"waits for {ending}" in message:
            two_step.execute("commit prepared 'it''s first'")

    load_source("own", captured, two_step.home, on_progress=commit_it)
    assert [message for message in told if "`rollback prepared 'it''s first'`" in message]
    assert two_step.raw("select id, name from own.items") == [(1, "a")]
