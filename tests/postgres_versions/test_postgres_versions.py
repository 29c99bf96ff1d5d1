"""What log capture and cursor loads promise, on every PostgreSQL that they are promised for."""

from collections.abc import Callable
from typing import Any

import psycopg

from ingestion.log_capture import check_source
from ingestion.reconcile import reconcile
from ingestion.spec import SourceSpec, SqlDatabaseSource
from tests.log_capture.conftest import Database, of_items
from tests.log_capture.test_rights import (
    test_the_grants_that_the_check_prints_are_all_that_a_load_needs,
)
from tests.servers import Postgres

__all__ = ["test_the_grants_that_the_check_prints_are_all_that_a_load_needs"]

Declare = Callable[[dict[str, Any]], SourceSpec]
CREATE = """create type mood as enum ('glad', 'sad');
create table items (
    id bigint primary key, name text, body text, price numeric(12, 2), changed_at timestamptz,
    tags text[], doc jsonb, key uuid, raw bytea, mood mood);
alter table items alter body set storage external"""
BIG = "(select string_agg(md5((i * {}) :: text), '') from generate_series(1, 400) i)"
ROW = (
    "insert into items values ({id}, 'n', {body}, 12.50, '2026-01-02 03:04:05+02', "
    "array['a', null], '{{\"a\": [1]}}', '00000000-0000-0000-0000-000000000007', "
    "'\\x00ff', 'sad')"
)
SAME = (
    "select id, name, md5(body), price, changed_at, md5(raw), mood::{text} from {table} order by id"
)


def row(number: int) -> str:
    """A statement that inserts a row with a value that lies out of line."""
    return ROW.format(id=number, body=BIG.format(number))


def assert_same(database: Database) -> None:
    """Hold raw's live rows against the source's."""
    ours = SAME.format(table="own.items where _deleted_at is null", text="varchar")
    assert database.raw(ours) == database.ask(SAME.format(table="items", text="text"))


def test_every_kind_of_change_is_captured(
    server: Postgres, database: Database, captured: SourceSpec
) -> None:
    database.execute(*CREATE.split(";\n"), *[row(number) for number in range(1, 9)])
    with psycopg.connect(database.url) as late:
        # Open while the slot is not yet there, so the first snapshot has to be tied to it.
        late.execute(b"select 1")
        assert database.load(captured).alarms == []
    assert_same(database)
    with psycopg.connect(database.url) as one:
        one.execute(row(20).encode())
        one.execute(b"update items set name = 'left the body alone' where id = 1")
        one.execute(b"update items set id = 30 where id = 2")
        one.execute(b"delete from items where id = 3")
    with psycopg.connect(database.url) as undone:
        undone.execute(b"delete from items")
        undone.rollback()
    report = database.load(captured)
    assert_same(database)
    assert report.alarms == []
    assert database.raw("select id from own.items where _deleted_at is not null order by id") == [
        (2,),
        (3,),
    ]
    database.execute(
        "alter table items add extra text", "update items set extra = 'x' where id = 1"
    )
    database.load(captured)
    assert_same(database)
    assert database.raw("select id from own.items where extra = 'x'") == [(1,)]
    database.execute("alter table items rename extra to other", "update items set other = 'y'")
    database.load(captured)
    assert database.raw("select distinct other from own.items where _deleted_at is null") == [
        ("y",)
    ]
    database.execute("truncate items", row(1))
    assert database.load(captured).alarms == []
    assert_same(database)
    assert database.ask("select count(*) from pg_replication_slots where temporary") == [(0,)]


def test_a_lost_slot_is_told_at_half_and_read_anew(
    server: Postgres, database: Database, captured: SourceSpec
) -> None:
    assert isinstance(captured, SqlDatabaseSource)
    database.execute(*CREATE.split(";\n"), row(1), row(2))
    database.load(captured)
    noise = "select pg_logical_emit_message(false, 'noise', repeat('x', 1000000)) "
    with_limit = [f"alter system set max_slot_wal_keep_size = '{size}'" for size in ("64MB", "-1")]
    limit, no_limit = with_limit
    database.execute(limit, "alter system set max_wal_size = '32MB'", "select pg_reload_conf()")
    try:
        database.execute(*[f"{noise} from generate_series(1, 17)"] * 3)
        told = check_source("own", captured, database.home)
        assert any("holds back" in fault for fault in told.faults)
        database.execute("delete from items where id = 2", row(3))
        database.execute(*[f"{noise} from generate_series(1, 17)"] * 8, "checkpoint")
        lost = "select wal_status from pg_replication_slots where not temporary"
        assert database.ask(lost) == [("lost",)]
        (alarm,) = database.load(captured).alarms
        assert "was lost" in alarm
        assert_same(database)
    finally:
        database.execute(no_limit, "alter system reset max_wal_size", "select pg_reload_conf()")
    database.execute("delete from items where id = 3")
    assert database.load(captured).alarms == []
    assert_same(database)


def test_a_cursor_load_follows_and_a_comparison_finds_the_rest(
    server: Postgres, database: Database, declare: Declare
) -> None:
    spec = declare(
        {
            **of_items(cursor={"column": "changed_at"}, reconcile={"max_delete_share": 1}),
            "capture": "cursor",
        }
    )
    database.execute(*CREATE.split(";\n"), row(1), row(2), row(3))
    database.load(spec)
    assert_same(database)
    database.execute(
        "update items set name = 'new', changed_at = now() where id = 1",
        "delete from items where id = 2",
    )
    database.execute("insert into items (id, changed_at) values (4, null)")
    database.load(spec)
    found = reconcile("own", spec, database.home).tables["items"]
    assert (found.missing, found.extra, found.different) == (0, 1, 0)
    assert_same(database)
