"""What the log does not tell is noticed, read anew, and told."""

import pytest

from ingestion import load
from ingestion.errors import SourceFailed
from ingestion.spec import SourceSpec
from tests.log_capture.conftest import Database, Declare, of_items

CREATE = "create table items (id bigint primary key, name text)"
LIVE = "select id, name from own.items where _deleted_at is null order by id"


def test_a_slot_that_was_dropped_is_made_again_and_the_gap_is_told(
    database: Database, captured: SourceSpec
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a'), (2, 'b')")
    assert database.load(captured).alarms == []
    database.execute(
        "select pg_drop_replication_slot('grounded_own')",
        "delete from items where id = 1",
        "update items set name = 'B'",
        "insert into items values (3, 'c')",
    )
    report = database.load(captured)
    assert database.raw(LIVE) == [(2, "B"), (3, "c")]
    assert len(report.alarms) == 1 and "grounded_own was dropped" in report.alarms[0]
    database.execute("delete from items where id = 2")
    assert database.load(captured).alarms == []
    assert database.raw(LIVE) == [(3, "c")]


def test_a_slot_made_again_by_someone_else_is_a_gap(
    database: Database, captured: SourceSpec
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a'), (2, 'b')")
    database.load(captured)
    database.execute(
        "select pg_drop_replication_slot('grounded_own')",
        "delete from items where id = 1",
        "select pg_create_logical_replication_slot('grounded_own', 'pgoutput')",
    )
    report = database.load(captured)
    assert database.raw(LIVE) == [(2, "b")]
    assert "moved or made again" in report.alarms[0]


def test_a_load_that_died_after_making_the_slot_again_still_knows_of_the_gap(
    database: Database, captured: SourceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a'), (2, 'b')")
    database.load(captured)
    database.execute(
        "select pg_drop_replication_slot('grounded_own')", "delete from items where id = 1"
    )
    with monkeypatch.context() as broken:
        broken.setattr(load.dlt.Pipeline, "load", _die)
        with pytest.raises(SourceFailed):
            database.load(captured)
    database.load(captured)
    assert database.raw(LIVE) == [(2, "b")]


def test_a_publication_made_again_is_a_gap(database: Database, captured: SourceSpec) -> None:
    database.execute(CREATE, "insert into items values (1, 'a'), (2, 'b')")
    database.load(captured)
    database.execute("drop publication grounded_own", "delete from items where id = 1")
    report = database.load(captured)
    assert database.raw(LIVE) == [(2, "b")]
    assert "publication" in report.alarms[0]


def test_a_table_made_again_is_read_anew(database: Database, captured: SourceSpec) -> None:
    database.execute(CREATE, "insert into items values (1, 'a'), (2, 'b')")
    database.load(captured)
    database.execute("drop table items", CREATE, "insert into items values (2, 'B')")
    database.load(captured)
    assert database.raw(LIVE) == [(2, "B")]


def test_a_table_declared_later_is_read_while_the_others_are_followed(
    database: Database, declare: Declare
) -> None:
    database.execute(
        CREATE,
        "create table later (id bigint primary key, name text)",
        "insert into items values (1, 'a')",
        "insert into later values (1, 'x')",
    )
    database.load(declare(of_items()))
    database.execute("update items set name = 'b'", "insert into later values (2, 'y')")
    both = {"items": {"primary_key": ["id"]}, "later": {"primary_key": ["id"]}}
    report = database.load(declare({**of_items(), "tables": both}))
    assert database.raw(LIVE) == [(1, "b")]
    assert database.raw("select id from own.later order by id") == [(1,), (2,)]
    assert report.alarms == []


def test_tables_loaded_alone_do_not_let_go_of_what_the_others_need(
    database: Database, declare: Declare
) -> None:
    both = {"items": {"primary_key": ["id"]}, "other": {"primary_key": ["id"]}}
    spec = declare({**of_items(), "tables": both})
    database.execute(CREATE, "create table other (id bigint primary key, name text)")
    database.load(spec)
    database.execute("insert into items values (1, 'a')", "insert into other values (1, 'x')")
    load.load_source("own", spec, database.home, tables=["items"])
    assert database.raw(LIVE) == [(1, "a")]
    report = database.load(spec)
    assert database.raw("select id from own.other") == [(1,)]
    assert report.alarms == []


@pytest.mark.parametrize(
    "ddl",
    [
        "alter table items add colour text default 'red'",
        "alter table items rename name to title",
        "alter table items alter name type text using upper(name)",
        "alter table items drop name; alter table items add name text default 'new'",
    ],
)
def test_a_definition_that_changes_rows_unseen_by_the_log_is_read_anew(
    database: Database, captured: SourceSpec, ddl: str
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a'), (2, 'b')")
    database.load(captured)
    database.execute("update items set id = 3 where id = 1", *ddl.split("; "))
    report = database.load(captured)
    names = [
        row[0]
        for row in database.ask(
            "select attname from pg_attribute where attrelid = "
            "'items'::regclass and attnum > 0 and not attisdropped"
        )
    ]
    listed = ", ".join(names)
    assert database.raw(
        f"select {listed} from own.items where _deleted_at is null order by id"
    ) == database.ask(f"select {listed} from items order by id")
    assert "definition" in report.alarms[0]


def test_columns_that_come_and_go_between_transactions_are_followed(
    database: Database, captured: SourceSpec
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a'), (2, 'b')")
    database.load(captured)
    database.execute(
        "alter table items add extra text",
        "insert into items (id, name, extra) values (3, 'c', 'x')",
        "alter table items drop extra",
        "insert into items values (4, 'd')",
        "alter table items drop name",
        "insert into items values (5)",
    )
    report = database.load(captured)
    assert database.raw("select id from own.items order by id") == [(1,), (2,), (3,), (4,), (5,)]
    assert report.alarms == []


def test_a_changed_type_fails_loudly_and_does_not_poison_later_loads(
    database: Database, captured: SourceSpec
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a')")
    database.load(captured)
    database.execute(
        "alter table items alter name type bigint using 5", "insert into items values (2, 7)"
    )
    with pytest.raises(SourceFailed, match=r"name changed its type"):
        database.load(captured)
    assert database.raw(LIVE) == [(1, "a")]
    database.execute("alter table items alter name type text using 'back'")
    database.load(captured)
    assert database.raw(LIVE) == [(1, "back"), (2, "back")]


def test_a_source_that_was_followed_by_a_cursor_loses_its_dead_rows(
    database: Database, declare: Declare
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a'), (2, 'b')")
    database.load(declare({**of_items(), "capture": "cursor"}))
    database.execute("delete from items where id = 1")
    report = database.load(declare(of_items()))
    assert database.raw(LIVE) == [(2, "b")]
    assert report.tables["items"].gone == 1


def _die(*_: object, **__: object) -> None:
    raise OSError("died")
