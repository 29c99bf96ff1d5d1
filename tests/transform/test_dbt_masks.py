"""What must hold of every mask for any input, on the very functions that the models call."""

import hmac
import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from hashlib import sha256
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transform.conftest import KEY, MACROS, TODAY, Mask

T = TypeVar("T")
anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
letters = st.characters(categories=("Lu", "Ll"), max_codepoint=0x24F).filter(
    lambda char: char == "ß" or len(char.upper()) == 1
)
name_part = st.text(letters, min_size=3, max_size=12)
ordinary = st.sampled_from(
    ["The kettle", "arrived", "SKU KET-0001-XL", "2024-01-15", "on 12/31/2024,", "order 1002345:"]
)
phone_digits = st.from_regex(r"[2-9][0-9]{9}", fullmatch=True)
email = st.from_regex(r"[a-z][a-z0-9._]{0,8}[a-z0-9]@[a-z]{2,8}\.(com|org|example)", fullmatch=True)

settings.register_profile("masks", deadline=None, derandomize=True, max_examples=60)
properties = settings(settings.get_profile("masks"))
# For what takes DuckDB long to plan: each example is many cases.
in_bulk = settings(properties, max_examples=10)


def many(case: st.SearchStrategy[T]) -> st.SearchStrategy[list[T]]:
    """Cases for one query."""
    return st.lists(case, min_size=6, max_size=12)


def bare(text: str) -> str:
    """A text as it is compared: composed, without case, accents and outer white space."""
    decomposed = unicodedata.normalize("NFD", text.strip().casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


@pytest.mark.parametrize("macro", MACROS)
def test_nothing_stays_nothing(macro: str, mask: Mask) -> None:
    assert mask(macro, None) == [None]


@pytest.mark.parametrize("macro", ["email_domain", "mask_phone", "mask_name"])
@properties
@given(value=anything | st.text("0123456789+*() .JKab@-", max_size=12))
def test_no_partial_mask_shows_its_input(macro: str, value: str, mask: Mask) -> None:
    [masked] = mask(macro, value)
    if masked is not None and bare(value):
        assert bare(value) not in bare(masked)


@properties
@given(value=anything)
def test_a_pseudonym_is_pythons_hmac_of_class_and_value(value: str, mask: Mask) -> None:
    [masked] = mask("customer", value)
    if masked is None:
        assert not re.sub(r"[\s\x00-\x1f\x7f-\x9f]", "", value)
    elif value == value.strip() and value.isprintable():
        message = f"customer:{unicodedata.normalize('NFC', value)}".encode()
        assert masked == f"cus_{hmac.new(KEY.encode(), message, sha256).hexdigest()[:32]}"


@properties
@given(one=email, other=email)
def test_equal_inputs_join_and_unequal_ones_differ(one: str, other: str, mask: Mask) -> None:
    for macro in ("customer", "email_key"):
        first, again, second = mask(macro, one, one, other)
        assert first == again
        assert (first == second) == (one == other)


@properties
@given(value=email)
def test_the_same_text_in_two_classes_does_not_join(value: str, mask: Mask) -> None:
    macros = ("customer", "pseudonym_of_phone", "email_key")
    assert len({mask(macro, value)[0].partition("_")[2] for macro in macros}) == 3


@properties
@given(value=email, before=st.sampled_from(["", " ", "\t", "\u00a0"]))
def test_case_and_white_space_variants_of_an_email_join(
    value: str, before: str, mask: Mask
) -> None:
    variants = (value, value.upper(), value.title(), f"{before}{value} ", f"{value}\r\n")
    assert len(set(mask("email_key", *variants))) == 1
    assert set(mask("email_domain", *variants)) == {value.partition("@")[2]}


@properties
@given(value=st.dates(date(1890, 1, 1), date(2030, 1, 1)))
def test_an_age_band_holds_the_age(value: date, mask: Mask) -> None:
    age = TODAY.year - value.year - ((TODAY.month, TODAY.day) < (value.month, value.day))
    [band] = mask("age_band", value.isoformat())
    if value > TODAY or age > 120:
        assert band is None
        return
    bounds = {"under 18": (0, 17), "65+": (65, 120)}
    low, high = bounds.get(band) or map(int, band.split("-"))
    assert low <= age <= high


@properties
@given(value=anything)
def test_a_city_is_kept_as_it_is_or_hidden_whole(value: str, mask: Mask) -> None:
    [city] = mask("address_city", value)
    if city is not None:
        assert city in unicodedata.normalize("NFC", value)
        assert not re.search(r"[\d@,]", city)


def name_variants(parts: list[str]) -> Iterator[str]:
    """How people write their names."""
    yield " ".join(parts)
    yield " ".join(parts).upper()
    yield "  ".join(reversed(parts))
    yield ", ".join(reversed(parts))
    yield "".join(parts)
    yield unicodedata.normalize("NFD", " ".join(parts))
    yield from (part.capitalize() for part in parts)


@in_bulk
@given(cases=many(st.tuples(st.lists(name_part, min_size=1, max_size=3), ordinary, ordinary)))
def test_a_known_name_is_hidden_in_every_variant(
    cases: list[tuple[list[str], str, str]], mask: Mask
) -> None:
    texts = [
        (f"{before} «{variant}» {after}", " ".join(parts))
        for parts, before, after in cases
        for variant in name_variants(parts)
    ]
    redacted = mask("redact_known", *(text for text, _ in texts), name=[name for _, name in texts])
    for (text, _), hidden in zip(texts, redacted, strict=True):
        assert re.search(r"«(<PERSON_1>|[\s,])+»", hidden), (text, hidden)


def phone_variants(digits: str) -> tuple[str, ...]:
    """How people group a number."""
    area, office, line = digits[:3], digits[3:6], digits[6:]
    return (
        digits,
        f"+1 {area} {office} {line}",
        f"({area}) {office}-{line}",
        f"{area}.{office}.{line}",
        f"{office}{line}",
        f"{office}-{line[:2]}-{line[2:]}",
        "-".join(digits),
    )


@in_bulk
@given(cases=many(st.tuples(phone_digits, ordinary, ordinary)))
def test_a_known_phone_is_hidden_however_it_is_grouped(
    cases: list[tuple[str, str, str]], mask: Mask
) -> None:
    texts = [
        (f"{before} «{variant}» {after}", f"+1 {digits}")
        for digits, before, after in cases
        for variant in phone_variants(digits)
    ]
    redacted = mask("redact_known", *(text for text, _ in texts), phone=[own for _, own in texts])
    for (text, _), hidden in zip(texts, redacted, strict=True):
        assert "«<PHONE>»" in hidden, (text, hidden)


@in_bulk
@given(cases=many(st.tuples(email, ordinary, ordinary)))
def test_an_email_is_hidden_though_nobody_knows_it(
    cases: list[tuple[str, str, str]], mask: Mask
) -> None:
    texts = [
        (f"{before} {variant} {after}", value)
        for value, before, after in cases
        for variant in (value, value.upper(), f"<{value}>", f"{value},", f"mailto:{value}")
    ]
    redacted = mask("redact", *(text for text, _ in texts))
    for (text, value), hidden in zip(texts, redacted, strict=True):
        assert "<EMAIL>" in hidden, text
        assert value.casefold() not in hidden.casefold(), text


@in_bulk
@given(cases=many(st.lists(ordinary, max_size=8)))
def test_an_ordinary_text_stays_as_it_is(cases: list[list[str]], mask: Mask) -> None:
    texts = [" ".join(words) for words in cases]
    known = {"name": "José Álvarez", "phone": "+34 600 123 456", "street": "Calle Mayor 1"}
    assert mask("redact_known", *texts, **known) == texts


@in_bulk
@given(cases=many(st.tuples(anything, anything, anything, anything, anything)))
def test_no_known_value_breaks_the_redaction(
    cases: list[tuple[str, str, str, str, str]], mask: Mask
) -> None:
    values, names, emails, phones, streets = map(list, zip(*cases, strict=True))
    known = {"name": names, "email": emails, "phone": phones, "street": streets}
    assert None not in mask("redact_known", *values, **known)
