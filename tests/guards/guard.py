"""One guard: a few words of the code that protect something, and the tests that prove it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Guard:
    """``old`` becomes ``new`` in ``file``, which switches it off; then one of ``tests`` must fail.

    A test is a file and a function of it, as pytest names them.
    """

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
