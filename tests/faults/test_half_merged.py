"""A load that dies when some of its tables are merged into raw and its state is not.

dlt merges each table in a transaction of its own, so such a load has brought some tables further
than others.
"""

from pathlib import Path

import pytest

from tests.faults.children import Zygote
from tests.faults.conftest import execute
from tests.faults.oracle import assert_equal_to_source

# Every one leaves the long body alone, so that the log does not tell it.
MOVES = {
    "the key changed": ["update items set id = id + 10000 where id between 10 and 20"],
    "the key changed and changed back": [
        "update items set id = id + 10000 where id between 10 and 20",
        "update items set id = id - 10000 where id between 10010 and 10020",
    ],
    "the key changed to one that was deleted": [
        "delete from items where id between 30 and 40",
        "update items set id = id + 20 where id between 10 and 20",
    ],
    "the key changed and another row took the former one": [
        "update items set id = id + 10000 where id between 10 and 20",
        "insert into items select i, 'other', repeat('o', 3000), i from generate_series(10, 20) i",
    ],
    "another column changed": ["update items set name = 'x' where id between 10 and 20"],
}


@pytest.mark.parametrize("moved", MOVES)
@pytest.mark.parametrize(
    "after",
    ["", "delete from items where id between 15 and 17", "update items set name = name || '!'"],
    ids=["nothing after", "a deletion after", "an update of another column after"],
)
def test_a_value_that_the_log_does_not_tell_survives_a_load_that_died_half_merged(
    zygote: Zygote, source: str, home: Path, moved: str, after: str
) -> None:
    assert zygote.run(home, source, "log", "load", "publish").status == 0
    execute(source, *MOVES[moved])
    trial = zygote.start(home, source, "log", "load", die_when_merged="items")
    zygote.wait()
    assert trial.was_killed and trial.last_phase == "load"
    execute(source, *filter(None, [after]))
    trial = zygote.run(home, source, "log", "load", "publish")
    assert trial.status == 0, trial.error
    assert_equal_to_source(source, home)
