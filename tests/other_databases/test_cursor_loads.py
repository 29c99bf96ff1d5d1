"""Loads that follow a cursor lose and double nothing, on every kind of database alike."""

from datetime import datetime

import pytest

from tests.other_databases.conftest import KINDS, Source

CREATE = "create table items (id integer primary key, name varchar(50), changed_at timestamp null)"
OLD, NOON, LATER = (f"2026-01-02 {time}" for time in ("10:00:00", "12:00:00", "12:05:00"))
every_kind = pytest.mark.parametrize("source", KINDS, indirect=True)


def insert(id_: int, name: str, at: str | None) -> str:
    """A statement that adds a row."""
    instant = "null" if at is None else f"'{at}'"
    return f"insert into items values ({id_}, '{name}', {instant})"


@every_kind
def test_rows_that_tie_on_the_cursor_all_arrive_though_they_come_in_two_loads(
    source: Source,
) -> None:
    source.execute(CREATE, insert(1, "a", NOON))
    source.load()
    source.execute(insert(2, "b", NOON), insert(3, "c", NOON))
    source.load()
    assert source.live() == [(1, "a"), (2, "b"), (3, "c")]


@every_kind
def test_an_update_that_leaves_the_cursor_unchanged_is_found_within_the_overlap(
    source: Source,
) -> None:
    source.execute(CREATE, insert(1, "a", NOON), insert(2, "b", LATER))
    source.load()
    source.execute("update items set name = 'changed' where id = 1")
    source.load()
    assert source.live() == [(1, "changed"), (2, "b")]


@every_kind
def test_a_row_that_commits_late_with_a_lower_cursor_is_found_within_the_overlap(
    source: Source,
) -> None:
    source.execute(CREATE, insert(1, "a", LATER))
    source.load()
    source.execute(insert(2, "late", NOON))
    source.load()
    assert source.live() == [(1, "a"), (2, "late")]


@every_kind
def test_a_row_without_a_cursor_value_is_read_every_time(source: Source) -> None:
    source.execute(CREATE, insert(1, "a", None), insert(2, "b", NOON))
    source.load()
    source.execute("update items set name = 'changed' where id = 1")
    source.load()
    assert source.live() == [(1, "changed"), (2, "b")]


@every_kind
def test_a_row_far_behind_the_cursor_is_not_read_again(source: Source) -> None:
    source.execute(CREATE, insert(1, "a", OLD), insert(2, "b", NOON))
    source.load()
    assert source.load().read == 1


@every_kind
def test_an_instant_without_a_zone_arrives_without_one(source: Source) -> None:
    source.execute(CREATE, insert(1, "a", NOON))
    source.load()
    if source.kind == "mariadb":
        source.execute("alter table items modify changed_at datetime null")
    noon = datetime.fromisoformat(NOON)
    assert source.live("changed_at, typeof(changed_at)") == [(noon, "TIMESTAMP")]


@every_kind
def test_a_number_as_cursor_reads_ties_again(source: Source) -> None:
    source.execute(
        "create table items (id integer primary key, version bigint)",
        "insert into items values (1, 7), (2, 5)",
    )
    cursor = {"column": "version"}
    source.load(cursor=cursor)
    source.execute("insert into items values (3, 7), (4, 8)")
    assert source.load(cursor=cursor).read == 3
    assert source.live("id") == [(1,), (2,), (3,), (4,)]


@every_kind
def test_a_table_without_a_cursor_is_read_whole_and_its_deleted_rows_become_tombstones(
    source: Source,
) -> None:
    source.execute(CREATE, *(insert(key, "x", NOON) for key in range(1, 6)))
    source.load(cursor=None)
    source.execute("delete from items where id = 2", "update items set name = 'y' where id = 3")
    report = source.load(cursor=None)
    assert (report.rows, report.gone) == (4, 1)
    assert source.live() == [(1, "x"), (3, "y"), (4, "x"), (5, "x")]
    assert source.raw(
        "select id, name, changed_at from own.items where _deleted_at is not null"
    ) == [(2, None, None)]
    source.execute(insert(2, "back", NOON))
    source.load(cursor=None)
    assert source.live()[1] == (2, "back")


@every_kind
def test_hostile_values_names_and_numbers_of_columns_arrive(source: Source) -> None:
    quote = "`" if source.kind == "mariadb" else '"'
    # MariaDB has no letters beyond U+FFFF in names.
    names = ["select", "order", "\u2600", "\u2601", "a b"]
    columns = ", ".join(f"{quote}{name}{quote} varchar(20)" for name in names)
    source.execute(
        f"create table items (id integer primary key, {columns}, large "
        f"{'longtext' if source.kind == 'mariadb' else 'text'}, early date)",
        "insert into items values (1, 's', 'o', '\U0001f600', 'grin', '', "
        f"{_repeat(source.kind)}, '0001-01-01'), "
        "(2, null, null, null, null, null, null, '9999-12-31')",
    )
    source.load(cursor=None)
    read = '"select", "order", u2600, u2601, a_b, length(large), early::varchar'
    assert source.live(f"id, {read}") == [
        (1, "s", "o", "\U0001f600", "grin", "", 10_000_000, "0001-01-01"),
        (2, None, None, None, None, None, None, "9999-12-31"),
    ]


def _repeat(kind: str) -> str:
    return (
        "replace(hex(zeroblob(5000000)), '0', 'x')" if kind == "sqlite" else "repeat('x', 10000000)"
    )
