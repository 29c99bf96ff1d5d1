"""The backend of a killed load that is at work still: the next load takes what it makes."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg
import pytest

from ingestion.log_capture.new_slot import SlotWait, create_slot
from ingestion.log_capture.publication import Captured, ensure_publication
from ingestion.log_capture.slot import open_connection, read_slot
from ingestion.spec import SourceSpec, SqlDatabaseSource
from tests.log_capture.conftest import Database

CREATE = "create table items (id bigint primary key, name text)"
MAKE_SLOT = b"select pg_create_logical_replication_slot('grounded_own', 'pgoutput')"
BEING_MADE = "select active_pid is not null from pg_replication_slots where not temporary"
WAITING = "select wait_event_type from pg_stat_activity where pid = %s"


@pytest.fixture
def elsewhere() -> Iterator[ThreadPoolExecutor]:
    """Runs what has to wait for another connection."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture
def leftover(database: Database) -> Iterator[psycopg.Connection]:
    """What the killed load's backend does."""
    database.execute(CREATE)
    with closing(psycopg.connect(database.url, autocommit=True)) as connection:
        yield connection


def test_a_slot_that_was_made_meanwhile_is_taken(
    database: Database, leftover: psycopg.Connection
) -> None:
    leftover.execute(MAKE_SLOT)
    with open_connection(database.url) as live:
        made = read_slot(live, "grounded_own")
        create_slot(live, "grounded_own", SlotWait(database.url, print))
        assert made is not None and read_slot(live, "grounded_own") == made


@pytest.mark.parametrize("is_cut", [False, True])
def test_a_slot_that_is_being_made_is_waited_for_and_made_where_nobody_ends_it(
    database: Database,
    leftover: psycopg.Connection,
    elsewhere: ThreadPoolExecutor,
    is_cut: bool,
) -> None:
    def create() -> None:
        with open_connection(database.url) as live:
            create_slot(live, "grounded_own", SlotWait(database.url, print))

    with psycopg.connect(database.url) as writer:
        writer.execute("insert into items values (1, 'a')")
        leftover.pgconn.send_query(MAKE_SLOT)
        while database.ask(BEING_MADE) != [(True,)]:
            pass
        waiting = elsewhere.submit(create)
        if is_cut:
            database.ask(f"select pg_terminate_backend({leftover.info.backend_pid}, 10000)")
    waiting.result(60)
    with open_connection(database.url) as live:
        made = read_slot(live, "grounded_own")
    assert made is not None and not made.is_lost


@pytest.mark.parametrize("there", [False, True])
def test_a_publication_that_is_being_made_is_waited_for_and_taken(
    database: Database,
    captured: SourceSpec,
    leftover: psycopg.Connection,
    elsewhere: ThreadPoolExecutor,
    there: bool,
) -> None:
    assert isinstance(captured, SqlDatabaseSource)
    spec = captured
    statement = "create publication grounded_own for table public.items"
    if there:
        leftover.execute("create publication grounded_own")
        statement = "alter publication grounded_own add table public.items"
    with open_connection(database.url) as live:
        with leftover.transaction():
            leftover.execute(statement.encode())
            ensured = elsewhere.submit(ensure_publication, live, "grounded_own", spec)
            wait_until_blocked(database, live, ensured)
        (table,) = ensured.result(60)
    assert (table.name, [column.name for column in table.columns]) == ("items", ["id", "name"])


def wait_until_blocked(
    database: Database, live: psycopg.Connection[Any], future: Future[list[Captured]]
) -> None:
    """Return when a connection's statement waits for another transaction."""
    process = live.info.backend_pid
    with psycopg.connect(database.url, autocommit=True) as watcher:
        while watcher.execute(WAITING, [process]).fetchone() != ("Lock",):
            assert not future.done(), future.exception()
