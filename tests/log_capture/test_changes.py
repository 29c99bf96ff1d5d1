"""What raw holds after each kind of change that the log tells of."""

import functools
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from ingestion import load
from ingestion.log_capture import changes, spool
from ingestion.spec import SourceSpec
from tests.ingestion.conftest import StoppedClock
from tests.log_capture.conftest import Database, Declare, of_items

CREATE = "create table items (id bigint primary key, name text)"
LIVE = "select id, name from own.items where _deleted_at is null order by id"


def test_inserts_updates_and_deletes_arrive(database: Database, captured: SourceSpec) -> None:
    database.execute(CREATE, "insert into items values (1, 'a'), (2, 'b')")
    database.load(captured)
    assert database.raw(LIVE) == [(1, "a"), (2, "b")]
    database.execute(
        "insert into items values (3, 'c')",
        "update items set name = 'A' where id = 1",
        "delete from items where id = 2",
    )
    database.load(captured)
    assert database.raw(LIVE) == [(1, "A"), (3, "c")]
    assert database.raw("select id, name from own.items where _deleted_at is not null") == [
        (2, None)
    ]


def test_the_last_of_many_changes_to_a_key_wins(database: Database, captured: SourceSpec) -> None:
    database.execute(CREATE, "insert into items values (1, 'a')")
    database.load(captured)
    database.execute(
        "delete from items where id = 1",
        "insert into items values (1, 'again')",
        "update items set name = 'last' where id = 1",
        "insert into items values (2, 'short')",
        "delete from items where id = 2",
    )
    database.load(captured)
    assert database.raw(LIVE) == [(1, "last")]


def test_a_changed_key_is_a_tombstone_and_a_new_row(
    database: Database, captured: SourceSpec
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a'), (2, 'b')")
    database.load(captured)
    database.execute("update items set id = id + 10")
    database.load(captured)
    assert database.raw(LIVE) == [(11, "a"), (12, "b")]
    assert database.raw("select id, name from own.items where _deleted_at is not null") == [
        (1, None),
        (2, None),
    ]


def test_keys_that_swap_within_a_transaction_arrive_swapped(
    database: Database, captured: SourceSpec
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a'), (2, 'b')")
    database.load(captured)
    database.execute(
        "begin; update items set id = 0 where id = 1; update items set id = 1 where id = 2; "
        "update items set id = 2 where id = 0; commit"
    )
    database.load(captured)
    assert database.raw(LIVE) == [(1, "b"), (2, "a")]


def test_a_truncate_buries_every_row_and_what_follows_it_lives(
    database: Database, captured: SourceSpec
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a'), (2, 'b')")
    database.load(captured)
    database.execute(
        "insert into items values (3, 'c')",
        "truncate items",
        "insert into items values (2, 'B'), (4, 'd')",
    )
    database.load(captured)
    assert database.raw(LIVE) == [(2, "B"), (4, "d")]
    database.execute("truncate items")
    database.load(captured)
    assert database.raw(LIVE) == []
    assert database.raw("select count(*) from own.items where name is not null") == [(0,)]


def test_a_transaction_that_is_rolled_back_leaves_nothing(
    database: Database, captured: SourceSpec
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a')")
    database.load(captured)
    database.execute("begin; delete from items; rollback", "insert into items values (2, 'b')")
    database.load(captured)
    assert database.raw(LIVE) == [(1, "a"), (2, "b")]


def test_a_transaction_that_commits_late_is_not_lost(
    database: Database, captured: SourceSpec
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a')")
    database.load(captured)
    with psycopg.connect(database.url) as late:
        late.execute("insert into items values (2, 'late')")
        database.execute("insert into items values (3, 'early')")
        database.load(captured)
        assert database.raw(LIVE) == [(1, "a"), (3, "early")]
        late.commit()
    database.load(captured)
    assert database.raw(LIVE) == [(1, "a"), (2, "late"), (3, "early")]


def test_a_table_without_a_key_at_the_source_works_with_identity_full(
    database: Database, captured: SourceSpec
) -> None:
    database.execute(
        "create table items (id bigint, name text)",
        "alter table items replica identity full",
        "insert into items values (1, 'a'), (2, 'b'), (3, 'c')",
    )
    database.load(captured)
    database.execute("update items set id = 4 where id = 1", "delete from items where id = 2")
    database.load(captured)
    assert database.raw(LIVE) == [(3, "c"), (4, "a")]
    assert database.raw("select count(*) from own.items where name is not null") == [(2,)]


def test_a_key_of_two_columns_is_followed(database: Database, declare: Declare) -> None:
    spec = declare(of_items(primary_key=["region", "id"]))
    database.execute(
        "create table items (region text, id int, name text, primary key (region, id))",
        "insert into items values ('eu', 1, 'a'), ('us', 1, 'b')",
    )
    database.load(spec)
    database.execute(
        "delete from items where region = 'us'",
        "update items set region = 'uk', name = 'A' where region = 'eu'",
    )
    database.load(spec)
    assert database.raw("select region, id, name from own.items where _deleted_at is null") == [
        ("uk", 1, "A")
    ]


def test_a_transaction_far_larger_than_a_batch_arrives_whole(
    database: Database, captured: SourceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "FLUSH_ROWS", 1000)
    monkeypatch.setattr(changes, "FETCH_ROWS", 300)
    database.execute(CREATE)
    database.load(captured)
    database.execute(
        "begin; insert into items select i, 'x' || i from generate_series(1, 20000) i; "
        "update items set name = 'y' where id % 2 = 0; delete from items where id % 5 = 0; commit"
    )
    database.load(captured)
    assert database.raw(
        "select count(*), count(distinct id), count(*) filter (name = 'y') from own.items "
        "where _deleted_at is null"
    ) == [(16000, 16000, 8000)]


def test_a_long_log_is_loaded_in_rounds_that_are_each_durable(
    database: Database, captured: SourceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.execute(CREATE)
    database.load(captured)
    database.execute(*(f"insert into items values ({i}, 'x')" for i in range(30)))
    real = load.LogCapture
    monkeypatch.setattr(load, "LogCapture", functools.partial(real, most=20))
    report = database.load(captured)
    assert database.raw("select count(*) from own.items") == [(30,)]
    assert len(report.load_ids) > 3
    assert report.unfinished == []


def test_a_part_of_the_log_is_held_up_to_no_instant_that_our_clock_has_not_reached(
    database: Database, captured: SourceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a')")
    database.load(captured)
    database.execute("update items set name = 'b'", "update items set name = 'c'")
    ours = datetime.now(UTC) - timedelta(hours=1)
    real = load.LogCapture
    monkeypatch.setattr(load, "LogCapture", functools.partial(real, most=1))
    monkeypatch.setattr(load, "in_rounds", lambda load_once, tables, told: load_once(tables))
    monkeypatch.setattr(load, "datetime", StoppedClock(ours))
    report = database.load(captured)
    assert report.unfinished == ["items"]
    assert report.tables["items"].watermark == ours


def test_rows_that_break_their_declaration_wait_in_quarantine(
    database: Database, declare: Declare
) -> None:
    spec = declare(of_items(row={"price": {"type": "integer", "ge": 0, "required": True}}))
    database.execute("create table items (id bigint primary key, price int)")
    database.load(spec)
    database.execute(
        "insert into items values (1, 5), (2, -5), (3, 7)", "delete from items where id = 3"
    )
    report = database.load(spec)
    assert database.raw("select id from own.items where _deleted_at is null") == [(1,)]
    assert database.raw("select row_key, reason from own._quarantine") == [
        ("2", "price: greater_than_equal")
    ]
    assert report.tables["items"].quarantined == 1


def test_the_same_position_loaded_twice_changes_nothing(
    database: Database, captured: SourceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a')")
    database.load(captured)
    database.execute("update items set name = 'b'")
    monkeypatch.setattr(load.LogCapture, "confirm", lambda capture: None)
    database.load(captured)
    first = database.raw("select * from own.items")
    report = database.load(captured)
    assert database.raw("select * from own.items") == first
    assert report.tables["items"].read == 0
