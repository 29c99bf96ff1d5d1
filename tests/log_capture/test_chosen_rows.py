"""Rows that are read by key, or all anew, from a source whose log is captured while its keys move.

What is read so is newer than what raw has of the log, so both come as of one position: otherwise a
value that the log leaves out would be taken from a row that has another one's former key.
"""

from typing import Any

import pytest

from ingestion.load import load_source
from ingestion.retry import retry
from ingestion.spec import SourceSpec
from tests.log_capture.conftest import Database, Declare, of_items

CREATE = """create table items (id bigint primary key, name text, price int, body text);
    alter table items alter body set storage external"""
START = """insert into items select i, 'row ' || i,
    case when i between 11 and 15 then -1 else 1 end, repeat(md5(i::text), 100)
    from generate_series(1, 30) i"""
SAME = "select id, name, price, md5(body) from {} order by id"

# Rows 11 to 15 wait in quarantine when these happen; every one leaves the long body alone.
MOVES = {
    "another row took a waiting key": [
        "update items set id = id + 100 where id between 11 and 15",
        "insert into items select i, 'other', 1, repeat('o', 3000) from generate_series(11, 15) i",
    ],
    "a waiting row was changed and kept its key": [
        "update items set name = 'changed' where id between 11 and 15",
    ],
    "two keys were changed with each other": [
        "update items set id = 1000 where id = 11",
        "update items set id = 11 where id = 1",
        "update items set id = 1 where id = 1000",
    ],
    "a waiting key moved on twice": [
        "update items set id = id + 100 where id between 11 and 15",
        "update items set id = id + 100 where id between 111 and 115",
    ],
    "a waiting row was deleted and its key taken by one that moved": [
        "delete from items where id between 11 and 15",
        "update items set id = id + 10 where id between 1 and 5",
    ],
    "the table was emptied and filled again": [
        "truncate items",
        "insert into items select i, 'new', 1, repeat('n', 3000) from generate_series(9, 13) i",
    ],
    "a column came": [
        "update items set id = id + 100 where id between 11 and 13",
        "alter table items add extra text",
        "update items set extra = 'e' where id between 105 and 112",
    ],
}
AFTER = [
    "update items set id = id - 100 where id > 100 "
    "and not exists (select from items as other where other.id = items.id - 100)",
    "update items set name = name || '!'",
]


@pytest.mark.parametrize("moved", MOVES)
def test_a_retry_by_key_takes_no_value_from_a_row_that_has_taken_its_key(
    database: Database, declare: Declare, moved: str
) -> None:
    database.execute(CREATE, START)
    strict, lenient = declared(declare, least=0), declared(declare, least=-1)
    assert database.load(strict).tables["items"].in_quarantine == 5
    database.execute(*MOVES[moved])
    retry("own", lenient, database.home)
    assert_same(database)
    database.execute(*AFTER)
    database.load(lenient)
    assert_same(database)


@pytest.mark.parametrize(
    "moved",
    ["two keys were changed with each other", "a waiting key moved on twice", "a column came"],
)
def test_a_reload_while_keys_move_ends_in_what_the_source_holds(
    database: Database, declare: Declare, moved: str
) -> None:
    database.execute(CREATE, START)
    strict, lenient = declared(declare, least=0), declared(declare, least=-1)
    database.load(strict)
    database.execute(*MOVES[moved])
    before = database.ask(SAME.format("items"))

    def move_on(message: str) -> None:
        # Its rows are read, and are not in raw yet.
        if message.startswith("normalising"):
            database.execute(*AFTER)

    load_source("own", lenient, database.home, anew=["items"], on_progress=move_on)
    assert_same(database, before)
    database.load(lenient)
    assert_same(database)


def declared(declare: Declare, *, least: int) -> SourceSpec:
    """The table, with a model that quarantines a price below ``least``."""
    return declare(of_items(row={"price": {"type": "integer", "ge": least}}))


def assert_same(database: Database, source: list[tuple[Any, ...]] | None = None) -> None:
    """Raw's live rows are the source's, by default as it is now; none waits or is there twice."""
    raw = database.raw(SAME.format("own.items where _deleted_at is null"))
    assert raw == (database.ask(SAME.format("items")) if source is None else source)
    assert database.raw("select row_key, reason from own._quarantine") == []
    assert database.raw("select id from own.items group by id having count(*) > 1") == []
