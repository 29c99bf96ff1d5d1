"""Clocks that are an hour apart: who writes the cursor's values is ahead of us, or behind."""

from pathlib import Path

import pytest

from tests.faults.children import Zygote
from tests.faults.conftest import execute
from tests.faults.oracle import assert_equal_to_source, at_source, in_raw
from tests.faults.views import Capture

# Each writes, changes and deletes rows as a writer does whose clock is so far off.
INSERT = "insert into items values ({id}, 'skewed', null, 1, clock_timestamp() + interval '{by}')"
UPDATE = (
    "update items set name = name || '!', changed_at = clock_timestamp() + interval '{by}' "
    "where id between {id} and {id} + 5"
)


def test_a_row_of_an_hour_ahead_hides_none_that_is_written_after_it(
    zygote: Zygote, source: str, home: Path
) -> None:
    execute(source, INSERT.format(id=500, by="1 hour"), UPDATE.format(id=20, by="1 hour"))
    assert zygote.run(home, source, "cursor", "load").status == 0
    execute(source, INSERT.format(id=501, by="0"), UPDATE.format(id=40, by="0"))
    assert zygote.run(home, source, "cursor", "load").status == 0
    columns, rows = at_source(source, "items")
    assert in_raw(home, "items", columns) == rows


@pytest.mark.parametrize(
    ("by", "capture"),
    [
        ("1 hour", "log"),
        ("1 hour", "cursor"),
        ("-1 hour", "log"),
        ("-1 hour", "cursor"),
    ],
)
def test_rows_of_a_writer_an_hour_off_arrive_and_leave(
    zygote: Zygote, source: str, home: Path, capture: Capture, by: str
) -> None:
    steps = ["load" if capture == "log" else "reconcile", "publish"]
    assert zygote.run(home, source, capture, *steps).status == 0
    execute(source, INSERT.format(id=500, by=by), INSERT.format(id=501, by=by))
    execute(source, UPDATE.format(id=20, by=by))
    assert zygote.run(home, source, capture, *steps).status == 0
    assert_equal_to_source(source, home)
    execute(source, "delete from items where id in (21, 500)", UPDATE.format(id=40, by=by))
    assert zygote.run(home, source, capture, *steps).status == 0
    assert_equal_to_source(source, home)
