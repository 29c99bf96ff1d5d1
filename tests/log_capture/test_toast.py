"""A value that an update left alone is not in the log, and yet raw keeps it."""

import pytest

from ingestion.retry import retry
from tests.log_capture.conftest import Database, Declare, of_items

BIG = "(select string_agg(md5((i * {}) :: text), '') from generate_series(1, 400) i)"
CREATE = """create table items (
    id bigint primary key, name text, body text, more text);
    alter table items alter body set storage external, alter more set storage external"""
SAME = "select id, name, md5(body), md5(more) from {} order by id"


@pytest.mark.parametrize("identity", ["default", "full"])
def test_an_unchanged_toasted_value_stays(
    database: Database, declare: Declare, identity: str
) -> None:
    spec = declare(of_items())
    database.execute(CREATE, f"alter table items replica identity {identity}")
    for place in (1, 2, 3, 4, 5, 6):
        big, more = BIG.format(place), BIG.format(place + 100)
        database.execute(f"insert into items values ({place}, 'a', {big}, {more})")
    database.load(spec)
    database.execute(
        "update items set name = 'from raw' where id = 1",
        f"update items set body = {BIG.format(77)} where id = 2",
        "update items set name = 'from the batch' where id = 2",
        "update items set name = 'and again' where id = 2",
        "update items set id = 30 where id = 3",
        "update items set id = 31, name = 'moved twice' where id = 30",
        f"update items set more = {BIG.format(78)} where id = 4",
        "update items set id = 40 where id = 4",
        "update items set name = 'moved' where id = 40",
        "update items set body = null where id = 5",
        "update items set name = 'null' where id = 5",
        "delete from items where id = 6",
        f"insert into items values (6, 'new', {BIG.format(79)}, null)",
        "update items set name = 'newer' where id = 6",
        # A key that another row had before takes nothing from it.
        f"insert into items values (3, 'new', {BIG.format(80)}, {BIG.format(81)})",
        "update items set name = 'own' where id = 3",
    )
    database.load(spec)
    raw = SAME.format("own.items where _deleted_at is null")
    assert database.raw(raw) == database.ask(SAME.format("items"))


def test_a_key_that_changed_in_an_earlier_load_keeps_its_value(
    database: Database, declare: Declare
) -> None:
    spec = declare(of_items())
    database.execute(CREATE)
    database.load(spec)
    database.execute(f"insert into items values (1, 'a', {BIG.format(1)}, null)")
    for place in (1, 2, 3):
        database.load(spec)
        database.execute(f"update items set id = {place + 1} where id = {place}")
    database.load(spec)
    raw = SAME.format("own.items where _deleted_at is null")
    assert database.raw(raw) == database.ask(SAME.format("items"))


@pytest.mark.parametrize("identity", ["default", "full"])
def test_a_value_that_neither_the_log_nor_raw_has_is_never_taken_for_null(
    database: Database, declare: Declare, identity: str
) -> None:
    spec = declare(of_items(row={"name": {"type": "text", "required": True}}))
    database.execute(CREATE, f"alter table items replica identity {identity}")
    database.execute(f"insert into items values (1, 'a', {BIG.format(1)}, null)")
    database.load(spec)
    database.execute(
        f"insert into items values (2, null, {BIG.format(2)}, null)",
        f"update items set name = null, body = {BIG.format(3)} where id = 1",
    )
    assert database.load(spec).tables["items"].quarantined == 2
    database.execute("update items set name = 'mended'")
    database.load(spec)
    if identity == "default":
        assert database.raw("select row_key, reason from own._quarantine order by 1") == [
            (key, "body: unchanged, and neither the log nor raw has it") for key in "12"
        ]
        retry("own", spec, database.home)
    raw = SAME.format("own.items where _deleted_at is null")
    assert database.raw(raw) == database.ask(SAME.format("items"))
    assert database.raw("select count(*) from own._quarantine") == [(0,)]


def test_a_value_of_a_row_with_a_key_of_two_columns_stays(
    database: Database, declare: Declare
) -> None:
    spec = declare(of_items(primary_key=["id", "name"]))
    database.execute(
        CREATE.replace("bigint primary key", "bigint").replace(
            "more text)", "more text, primary key (id, name))"
        )
    )
    database.execute(f"insert into items values (1, 'a', {BIG.format(1)}, 'm')")
    database.load(spec)
    database.execute("update items set more = 'n'", "update items set name = 'b'")
    database.load(spec)
    raw = SAME.format("own.items where _deleted_at is null")
    assert database.raw(raw) == database.ask(SAME.format("items"))
