"""Random ids and salts; many are asked for at once, as the system takes a microsecond each."""

import os

_BYTES = 16
_AT_ONCE = 256
# Taken from by `pop` alone, which threads may call at once.
_ready: list[str] = []
# A forked child would draw what its parent draws.
os.register_at_fork(after_in_child=_ready.clear)


def random_hex() -> str:
    """Return 16 random bytes as 32 hexadecimal digits; no two calls of any process share them."""
    try:
        return _ready.pop()
    except IndexError:
        digits = os.urandom(_BYTES * _AT_ONCE).hex()
        fresh = [digits[at : at + 2 * _BYTES] for at in range(0, len(digits), 2 * _BYTES)]
        mine = fresh.pop()
        _ready.extend(fresh)
        return mine
