"""How far a table of an API was read."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestion.errors import ListingChanged
from ingestion.http.progress import Progress
from tests.hostile_api.conftest import declare

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TABLE = declare(
    {
        "cursor": {"column": "changed_at", "param": "since", "overlap": "10m"},
        "row": {"changed_at": {"type": "timestamp"}},
        "completeness": {"page_size": 3},
        "ordered": True,
    }
).tables["items"]


def at(minutes: int) -> dict[str, Any]:
    return {"changed_at": NOON + timedelta(minutes=minutes)}


def test_a_part_begins_where_the_last_one_was_whole() -> None:
    state: dict[str, Any] = {}
    first = Progress(TABLE, state, NOON)
    assert first.since() == {} and not first.can_pause
    first.saw([at(-60), at(-50), at(-50)], None)
    assert first.can_pause
    first.pause()
    assert Progress(TABLE, state, NOON).since() == {"since": at(-60)["changed_at"].isoformat()}


def test_a_part_of_nothing_but_ties_is_not_kept() -> None:
    state: dict[str, Any] = {}
    Progress(TABLE, state, NOON).saw([at(-60)], None)
    tied = Progress(TABLE, state, NOON)
    tied.since()
    tied.saw([at(-60)] * 3, None)
    assert not tied.can_pause


def test_a_part_that_would_lead_to_itself_is_not_kept() -> None:
    state: dict[str, Any] = {}
    first = Progress(TABLE, state, NOON)
    first.saw([at(-60), at(-50)], None)
    first.pause()
    second = Progress(TABLE, state, NOON)
    second.since()
    second.saw([at(-60), at(-50), at(-50)], None)
    assert not second.can_pause
    second.saw([at(-40)], None)
    assert second.can_pause


def test_the_overlap_counts_from_the_beginning_of_the_first_part() -> None:
    state: dict[str, Any] = {}
    first = Progress(TABLE, state, NOON)
    first.saw([at(-60), at(-5)], NOON)
    first.pause()
    later = NOON + timedelta(hours=3)
    second = Progress(TABLE, state, later)
    second.since()
    second.saw([at(-5), at(170)], later)
    assert second.end() == NOON
    assert Progress(TABLE, state, later).since() == {"since": at(-10)["changed_at"].isoformat()}


def test_a_clock_of_ours_that_is_an_hour_ahead_shortens_no_overlap() -> None:
    state: dict[str, Any] = {}
    progress = Progress(TABLE, state, NOON + timedelta(hours=1))
    progress.saw([at(5)], NOON)
    progress.end()
    assert Progress(TABLE, state, NOON).since() == {"since": at(-10)["changed_at"].isoformat()}


def test_rows_out_of_order_are_told() -> None:
    with pytest.raises(ListingChanged, match="not in the order of changed_at"):
        Progress(TABLE, {}, NOON).saw([at(2), at(1)], None)
