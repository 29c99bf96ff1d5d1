"""The matcher beside the plainest search there is, and the forms of one text."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.leak_scan.folding import folded, squashed
from serving.leak_scan.matcher import SHORTEST, Matcher

LETTERS = st.text("ab1", min_size=SHORTEST, max_size=14).map(str.encode)


@given(
    patterns=st.lists(LETTERS, min_size=1, max_size=30, unique=True),
    parts=st.lists(st.one_of(LETTERS, st.binary(max_size=6)), max_size=30),
    own=st.lists(st.integers(0, 29), max_size=10),
)
def test_it_finds_what_a_plain_search_finds(
    patterns: list[bytes], parts: list[bytes], own: list[int]
) -> None:
    data = b"".join([*parts, *(patterns[number % len(patterns)] for number in own)])
    expected = {
        (start, number)
        for number, pattern in enumerate(patterns)
        for start in range(len(data))
        if data.startswith(pattern, start)
    }
    found = [(match.start, match.pattern) for match in Matcher(patterns).find(data)]
    assert set(found) == expected and len(found) == len(expected)


def test_it_finds_values_anywhere_in_a_long_stream() -> None:
    source = random.Random(1)
    patterns = [source.randbytes(source.randint(5, 40)) for _ in range(5_000)]
    parts = [source.randbytes(source.randint(0, 90)) for _ in range(5_000)]
    data = b"".join(part + pattern for part, pattern in zip(parts, patterns, strict=True))
    assert len(data) > 2 << 16
    assert {match.pattern for match in Matcher(patterns).find(data)} == set(range(5_000))


def test_a_pattern_of_too_few_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="fewer than 5 bytes"):
        Matcher([b"abcd"])


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    once = folded(text)
    assert folded(once.decode()) == once
    assert squashed(squashed(once)) == squashed(once)


@pytest.mark.parametrize(
    ("one", "other"),
    [("José Ñandú", "JOSE\u0301 nandu"), ("Straße 5", "STRASSE 5"), ("Łódź", "lodz"), ("Ⅻ", "xii")],
)
def test_spellings_of_one_text_are_folded_alike(one: str, other: str) -> None:
    assert folded(one) == folded(other)
