"""What a value is made of: the inputs that flow into it and the inputs that merely steer it."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

PRIVACY_SCHEMA = "privacy"
# Its functions read their arguments alone, like DuckDB's own, and hide nothing.
HELPER_SCHEMA = "redaction"


@dataclass(frozen=True, order=True)
class Passed:
    """A function of the schema ``privacy`` on the way, and as which argument (from 0)."""

    function: str
    argument: int = 0


@dataclass(frozen=True)
class Input:
    """One column of one table that a value depends on.

    ``use`` is empty where the column's value flows on, else how it steers: ``filter``, ``join``,
    ``group by``. ``relation`` is ``schema.table`` in lower case.
    """

    relation: str
    column: str
    passed: frozenset[Passed] = field(default_factory=frozenset)
    use: str = ""


Value = frozenset[Input]
NOTHING: Value = frozenset()


def merged(values: Iterable[Value]) -> Value:
    """Return all inputs of several values."""
    return NOTHING.union(*values)


def used(value: Value, use: str) -> Value:
    """Return the same inputs as ones that steer; those that did already keep how."""
    return frozenset(found if found.use else replace(found, use=use) for found in value)


def through(value: Value, passed: Passed) -> Value:
    """Return the inputs after a function of the schema ``privacy``.

    What merely steers stays as it was: hiding a result does not hide which result was chosen.
    """
    return frozenset(
        found if found.use else replace(found, passed=found.passed | {passed}) for found in value
    )


def plain(name: object) -> str:
    """Return an identifier as DuckDB compares it: ASCII letters in lower case, others as is."""
    text = str(name)
    return text.lower() if text.isascii() else "".join(c.lower() if c < "\x80" else c for c in text)
