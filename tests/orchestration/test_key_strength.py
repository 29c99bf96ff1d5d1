"""Which texts can be a privacy key."""

import base64
import secrets

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.key_strength import weakness


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "missing"),
        ("   ", "missing"),
        ("0123456789abcdef0123456789abcde", "too short"),
        (" " * 40 + "0123456789abcdef", "too short"),
        ("changeme-changeme-changeme-changeme", "default"),
        ("Change_Me_To_A_Long_Random_String_42!", "default"),
        ("my-very-long-secret-key-for-production-1", "default"),
        ("a" * 64, "guessed"),
        ("0123456789" * 4, "guessed"),
        ("abcdefghijklmnopqrstuvwxyz0123456789", "guessed"),
        ("deadbeef" * 8, "guessed"),
        ("ab12" * 16, "guessed"),
    ],
)
def test_a_key_that_can_be_guessed_is_refused_and_not_shown(key: str, reason: str) -> None:
    problem = weakness(key)
    assert problem is not None and reason in problem
    assert not key.strip() or key not in problem


@settings(deadline=None)
@given(raw=st.binary(min_size=32, max_size=48).filter(lambda raw: len(set(raw)) > 24))
def test_random_keys_pass_in_every_usual_spelling(raw: bytes) -> None:
    assert weakness(raw.hex()) is None
    assert weakness(base64.b64encode(raw).decode()) is None


def test_what_the_message_tells_to_type_is_strong_enough() -> None:
    assert [weakness(secrets.token_hex(32)) for _ in range(2_000)] == [None] * 2_000
    assert [weakness(secrets.token_hex(16)) for _ in range(2_000)] == [None] * 2_000
