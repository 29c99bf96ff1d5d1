"""Whether a text can be a privacy key: long, not a repetition, a sequence or a known default."""

import math
from collections import Counter

MIN_KEY_LENGTH = 32
_MIN_ENTROPY_BITS = 80.0
_MIN_DISTINCT_PAIRS = 16
_MIN_DISTINCT_STEPS = 8
# What stands in examples and templates; no random key of hex digits or base64 has one in it.
_DEFAULTS = (
    "changeme",
    "changethis",
    "replaceme",
    "password",
    "passphrase",
    "yoursecret",
    "yourkey",
    "mysecret",
    "secretkey",
    "privacykey",
    "placeholder",
    "example",
    "default",
    "insecure",
    "notasecret",
)


def weakness(key: str) -> str | None:
    """Say what is wrong with a key as the end of a sentence, None where it is strong enough.

    Never shows the key. `openssl rand -hex 32` passes always.
    """
    bare = key.strip()
    if not bare:
        return "is missing"
    if len(bare) < MIN_KEY_LENGTH:
        return f"is too short: it has fewer than {MIN_KEY_LENGTH} characters"
    letters = "".join(sign for sign in bare.lower() if sign.isalnum())
    if any(default in letters for default in _DEFAULTS):
        return "is a default or an example, which everybody knows"
    pairs = set(zip(bare, bare[1:], strict=False))
    steps = {ord(after) - ord(before) for before, after in pairs}
    if (
        _entropy_bits(bare) < _MIN_ENTROPY_BITS
        or len(pairs) < _MIN_DISTINCT_PAIRS
        or len(steps) < _MIN_DISTINCT_STEPS
    ):
        return "can be guessed: its characters repeat or follow each other"
    return None


def _entropy_bits(text: str) -> float:
    """What the frequencies of its characters leave open; an upper bound of its real entropy."""
    counts = Counter(text).values()
    return -sum(count * math.log2(count / len(text)) for count in counts)
