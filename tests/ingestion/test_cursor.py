"""Where a load begins to read again."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ingestion.cursor import advance, lower_bound

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
INSTANTS = st.datetimes(
    min_value=NOON.replace(year=2000, tzinfo=None),
    max_value=NOON.replace(year=2100, tzinfo=None),
    timezones=st.just(UTC),
)


def test_the_first_load_reads_everything() -> None:
    assert lower_bound({}, timedelta(minutes=10)) is None


def test_a_load_reads_again_from_the_overlap() -> None:
    state: dict[str, Any] = {}
    advance(state, NOON, NOON + timedelta(hours=1))
    assert lower_bound(state, timedelta(minutes=10)) == NOON - timedelta(minutes=10)


def test_a_row_from_the_year_9999_does_not_hide_the_rows_of_tomorrow() -> None:
    state: dict[str, Any] = {}
    advance(state, datetime(9999, 1, 1, tzinfo=UTC), NOON)
    assert lower_bound(state, timedelta(0)) == NOON


def test_a_naive_cursor_is_compared_with_naive_time() -> None:
    state: dict[str, Any] = {}
    advance(state, NOON.replace(year=9999, tzinfo=None), NOON)
    assert lower_bound(state, timedelta(0)) == NOON.replace(tzinfo=None)


def test_a_date_cursor_reads_its_last_day_again() -> None:
    state: dict[str, Any] = {}
    advance(state, date(2026, 1, 1), NOON)
    assert lower_bound(state, timedelta(minutes=10)) == date(2025, 12, 31)


def test_a_number_is_read_again_from_itself() -> None:
    state: dict[str, Any] = {}
    advance(state, 42, NOON)
    assert lower_bound(state, timedelta(minutes=10)) == 42


@given(seen=st.lists(INSTANTS, min_size=1), present=INSTANTS)
def test_no_order_of_batches_moves_the_cursor_back_or_beyond_the_present(
    seen: list[datetime], present: datetime
) -> None:
    state: dict[str, Any] = {}
    for instant in seen:
        advance(state, instant, present)
    assert state["highest"] == min(max(seen), present)
