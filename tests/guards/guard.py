"""One guard: a few words of the code that protect something, and the tests that prove it."""

from collections.abc import Callable
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


def guards_of(code: str, tests: str = "tests") -> Callable[..., Guard]:
    """Return what makes guards of files of one folder, with tests of another."""

    def guard(what: str, file: str, old: str, new: str, *proofs: str) -> Guard:
        return Guard(what, f"{code}/{file}", old, new, tuple(f"{tests}/{one}" for one in proofs))

    return guard
