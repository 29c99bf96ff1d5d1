"""What must hold of masks that keep a shape, a bucket or a distance, on the real functions."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.transform.conftest import Mask
from tests.transform.test_dbt_masks import anything, phone_digits

properties = settings(deadline=None, derandomize=True, max_examples=60)

WIDTH = 25
code = st.text("0123456789ABCXYZabcxyz -+()./#€", min_size=1, max_size=50)
number = st.decimals(-(10**12), 10**12, places=9)
days = st.dates(date(2, 1, 1), date(9998, 12, 31))
recent = st.dates(date(1900, 1, 1), date(2100, 1, 1))
person = st.text("abé12", min_size=1, max_size=6)


def shape(text: str) -> str:
    """A text with its letters and digits made alike."""
    return re.sub("[a-z]", "a", re.sub("[A-Z]", "A", re.sub("[0-9]", "0", text)))


@properties
@given(value=code)
def test_a_format_key_has_the_shape_of_its_input_and_never_is_it(value: str, mask: Mask) -> None:
    [masked] = mask("format_key", value)
    size = len(re.findall("[0-9A-Za-z]", value))
    assert (masked is not None) == (6 <= size <= 42)
    if masked is not None:
        assert shape(masked) == shape(value.strip())
        assert masked != value.strip()


@properties
@given(value=anything)
def test_letters_that_have_no_alphabet_to_move_in_are_hidden_whole(value: str, mask: Mask) -> None:
    [masked] = mask("format_key", f"123456{value}")
    foreign = [sign for sign in value if not sign.isascii() and sign.isalnum()]
    if foreign:
        assert masked is None


def test_a_format_key_neither_joins_two_values_nor_keeps_one(mask: Mask) -> None:
    values = [f"+1 303 {number:07d}" for number in range(0, 10_000_000, 2_000)]
    masked = mask("format_key", *values)
    assert len(set(masked)) == len(values)
    assert not set(masked) & {values[0]}
    assert all(one != other for one, other in zip(values, masked, strict=True))
    # Every place takes every digit: none is told by its own alone.
    for place in range(-7, 0):
        assert len({one[place] for one in masked}) == 10


@properties
@given(one=phone_digits, other=phone_digits)
def test_equal_inputs_have_one_format_key_and_unequal_ones_differ(
    one: str, other: str, mask: Mask
) -> None:
    first, again, second = mask("format_key", one, f" {one}\t", other)
    assert first == again
    assert (first == second) == (one == other)
    assert mask("format_key_of_card", one) != [first]


@properties
@given(digits=phone_digits)
def test_a_phone_number_joins_however_it_is_grouped(digits: str, mask: Mask) -> None:
    grouped = f"({digits[:3]}) {digits[3:6]}-{digits[6:]}"
    [one, other] = mask("phone_key", digits, grouped)
    assert one == other
    assert mask("email_key", digits)[0].partition("_")[2] != one.partition("_")[2]


def test_what_has_no_digit_has_no_phone_key(mask: Mask) -> None:
    assert mask("phone_key", "", "call me", "０１") == [None, None, None]


@properties
@given(value=number)
def test_a_bucket_holds_its_number_and_tells_no_more(value: Decimal, mask: Mask) -> None:
    [bound] = mask("bucket_number", str(value))
    assert bound % WIDTH == 0
    assert bound <= value < bound + WIDTH
    others = (bound, bound + Decimal("0.5"), bound + WIDTH - 1)
    assert set(mask("bucket_number", *map(str, others))) == {bound}


def test_a_number_that_is_none_or_too_large_has_no_bucket(mask: Mask) -> None:
    assert mask("bucket_double", "nan", "inf", "-inf", "1e300") == [None] * 4
    assert mask("bucket_double", "-0.5", "24.999999", "25") == [-WIDTH, 0, WIDTH]


@properties
@given(first=recent, second=recent, who=person, other=person)
def test_the_days_between_the_dates_of_one_person_stay(
    first: date, second: date, who: str, other: str, mask: Mask
) -> None:
    one, two = mask("shift_date", first.isoformat(), second.isoformat(), name=who)
    assert two - one == second - first
    assert 1 <= abs(one - first).days <= 182
    assume(who != other)
    [time] = mask("shift_timestamp", f"{first.isoformat()} 03:04:05+00", name=who)
    assert time == datetime(one.year, one.month, one.day, 3, 4, 5, tzinfo=UTC)


def test_people_are_shifted_by_days_of_their_own(mask: Mask) -> None:
    start = date(2000, 1, 1)
    shifts = {mask("shift_date", "2000-01-01", name=f"p{n}")[0] - start for n in range(40)}
    assert len(shifts) > 25
    assert timedelta(0) not in shifts


@properties
@given(value=days)
def test_no_date_of_the_calendar_breaks_the_shift(value: date, mask: Mask) -> None:
    [masked] = mask("shift_date", value.isoformat(), name="p")
    assert masked is not None and masked != value


def test_a_date_without_a_person_or_beyond_the_calendar_is_hidden(mask: Mask) -> None:
    assert mask("shift_date", "2000-01-01") == [None]
    assert mask("shift_timestamp", "2000-01-01 00:00:00+00") == [None]
    assert (
        mask("shift_date", "infinity", "-infinity", "9999-12-31", "0001-01-01", name="p")
        == [None] * 4
    )


@properties
@given(value=anything)
def test_nothing_is_left_of_what_is_nulled(value: str, mask: Mask) -> None:
    assert mask("nulled", value) == [None]
