"""A database of our own, a real PostgreSQL: what raw holds after each kind of change."""

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from ingestion.errors import SourceFailed
from ingestion.spec import SourceSpec
from tests.ingestion.conftest import Database

Declare = Callable[[dict[str, Any]], SourceSpec]
ITEMS = {
    "kind": "sql_database",
    "db_schema": "public",
    "tables": {"items": {"primary_key": ["id"], "cursor": {"column": "changed_at"}}},
}
CREATE = """create table items (
    id bigint primary key, name text, changed_at timestamptz not null default now())"""


def test_the_same_load_twice_changes_nothing(database: Database, declare: Declare) -> None:
    database.execute(CREATE, "insert into items values (1, 'a'), (2, 'b')")
    spec = declare(ITEMS)
    database.load(spec)
    first = database.raw("select id, name, changed_at from own.items order by id")
    database.load(spec)
    assert database.raw("select id, name, changed_at from own.items order by id") == first
    assert [row[0] for row in first] == [1, 2]


def test_inserts_and_updates_arrive_and_deletes_wait_for_change_capture(
    database: Database, declare: Declare
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a'), (2, 'b')")
    spec = declare(ITEMS)
    database.load(spec)
    database.execute(
        "update items set name = 'A', changed_at = now() where id = 1",
        "insert into items values (3, 'c')",
    )
    database.load(spec)
    assert database.raw("select id, name from own.items order by id") == [
        (1, "A"),
        (2, "b"),
        (3, "c"),
    ]


def test_a_row_that_commits_late_is_not_lost(database: Database, declare: Declare) -> None:
    database.execute(CREATE)
    spec = declare(ITEMS)
    with psycopg.connect(database.url) as late:
        late.execute("insert into items values (1, 'late')")
        database.execute("insert into items values (2, 'early')")
        database.load(spec)
        assert database.raw("select id from own.items") == [(2,)]
        late.commit()
    database.load(spec)
    assert database.raw("select id from own.items order by id") == [(1,), (2,)]


def test_a_row_without_a_cursor_value_is_read_every_time(
    database: Database, declare: Declare
) -> None:
    database.execute(
        CREATE,
        "alter table items alter changed_at drop not null",
        "insert into items values (1, 'a', null), (2, 'b', now())",
    )
    spec = declare(ITEMS)
    database.load(spec)
    database.execute("update items set name = 'changed' where id = 1")
    database.load(spec)
    assert database.raw("select name from own.items where id = 1") == [("changed",)]


def test_a_column_that_the_source_adds_arrives(database: Database, declare: Declare) -> None:
    database.execute(CREATE, "insert into items values (1, 'a')")
    spec = declare(ITEMS)
    database.load(spec)
    database.execute(
        "alter table items add colour text", "insert into items values (2, 'b', now(), 'red')"
    )
    database.load(spec)
    assert database.raw("select colour from own.items order by id") == [(None,), ("red",)]


def test_a_changed_type_fails_loudly_and_does_not_poison_later_loads(
    database: Database, declare: Declare
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a')")
    spec = declare(ITEMS)
    database.load(spec)
    database.execute(
        "alter table items alter name type bigint using 5",
        "insert into items values (2, 7)",
    )
    with pytest.raises(SourceFailed, match=r"items\.name changed its type"):
        database.load(spec)
    assert database.raw("select id, name from own.items") == [(1, "a")]
    database.execute("alter table items alter name type text using 'back'")
    database.load(spec)
    assert database.raw("select id, name from own.items order by id") == [(1, "back"), (2, "back")]


def test_every_type_that_postgres_hands_out_arrives_without_loss(
    database: Database, declare: Declare
) -> None:
    database.execute(
        "create type mood as enum ('glad')",
        """create table items (id bigint primary key, a smallint, b real, c double precision,
        d numeric(12, 3), e numeric, f jsonb, g text[], h uuid, i bytea, j mood, k date,
        l timestamp, m timestamptz, n boolean, o inet, p interval, q char(3))""",
        """insert into items values (1, 2, 1.5, 2.5, 123456789.125, 1e40, '{"x": [1]}',
        array['p', 'q'], '00000000-0000-0000-0000-000000000007', '\\x00ff', 'glad', '2026-01-02',
        '2026-01-02 03:04:05.123456', '2026-01-02 03:04:05.123456+02', true, '10.0.0.1', '1 day',
        'abc')""",
        "insert into items (id) values (2)",
    )
    database.load(declare({**ITEMS, "tables": {"items": {"primary_key": ["id"]}}}))
    rows = database.raw(
        "select a, b, c, d::varchar, e, f->>'$.x[0]', g->>'$[1]', h, i, j, k::varchar, l::varchar, "
        "epoch_us(m), n, o, p, q from own.items order by id"
    )
    assert rows[0] == (
        2,
        1.5,
        2.5,
        "123456789.125",
        "1" + "0" * 40,
        "1",
        "q",
        "00000000-0000-0000-0000-000000000007",
        b"\x00\xff",
        "glad",
        "2026-01-02",
        "2026-01-02 03:04:05.123456",
        1767315845123456,
        True,
        "10.0.0.1/32",
        "1 day",
        "abc",
    )
    assert set(rows[1]) == {None}


def test_malformed_rows_wait_in_quarantine_while_the_rest_arrives(
    database: Database, declare: Declare
) -> None:
    database.execute(
        "create table items (id bigint primary key, price int, changed_at timestamptz)",
        "insert into items values (1, 5, now()), (2, -5, now())",
    )
    table = {**ITEMS["tables"]["items"], "row": {"price": {"type": "integer", "ge": 0}}}  # type: ignore[index]
    report = database.load(declare({**ITEMS, "tables": {"items": table}}))
    assert database.raw("select id from own.items") == [(1,)]
    assert database.raw("select table_name, row_key, reason from own._quarantine") == [
        ("items", "2", "price: greater_than_equal")
    ]
    assert (report.tables["items"].rows, report.tables["items"].quarantined) == (1, 1)


def test_a_database_that_is_down_is_told_in_one_line_without_its_password(
    database: Database, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__OWN__URL", "postgresql://me:hunter2@127.0.0.1:1/shop")
    with pytest.raises(SourceFailed) as caught:
        database.load(declare(ITEMS))
    message = str(caught.value)
    assert message.startswith("source own: the database at 127.0.0.1:1 cannot be reached")
    assert "hunter2" not in message and "\n" not in message
    assert caught.value.__cause__ is None


def test_a_quiet_table_moves_its_watermark(database: Database, declare: Declare) -> None:
    database.execute(CREATE, "insert into items values (1, 'a')")
    spec = declare(ITEMS)
    first = database.load(spec).tables["items"].watermark
    second = database.load(spec).tables["items"].watermark
    assert first is not None and second is not None and second > first
    assert database.raw("select watermark from own._watermarks") == [(second,)]


def test_a_failed_load_moves_no_watermark(
    database: Database, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a')")
    spec = declare(ITEMS)
    held = database.load(spec).tables["items"].watermark
    database.execute("drop table items")
    with pytest.raises(SourceFailed, match="has no table items"):
        database.load(spec)
    assert database.raw("select watermark from own._watermarks") == [(held,)]


def test_two_loads_at_once_take_turns(database: Database, declare: Declare) -> None:
    database.execute(CREATE, "insert into items select i, 'x' from generate_series(1, 5000) i")
    spec = declare(ITEMS)
    failures: list[BaseException] = []

    def load() -> None:
        try:
            database.load(spec)
        except SourceFailed as error:
            failures.append(error)

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert database.raw("select count(*), count(distinct id) from own.items") == [(5000, 5000)]


def test_a_failed_load_leaves_no_rows_outside_the_warehouse(
    database: Database, declare: Declare
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a')")
    spec = declare(ITEMS)
    database.load(spec)
    database.execute(
        "alter table items alter name type bigint using 5", "insert into items values (2, 7)"
    )
    with pytest.raises(SourceFailed, match="changed its type"):
        database.load(spec)
    left = [path for path in (database.home / "dlt" / "own").rglob("*") if path.is_file()]
    assert left == []


def test_loads_that_go_well_leave_no_more_files_however_many_they_are(
    database: Database, declare: Declare
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a')")
    spec = declare(ITEMS)
    database.load(spec)
    working = database.home / "dlt" / "own"
    left = sorted(working.rglob("*"))
    for _ in range(2):
        database.execute("update items set name = name || 'a', changed_at = now()")
        database.load(spec)
        assert sorted(working.rglob("*")) == left
