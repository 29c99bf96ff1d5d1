"""Lets dlt find out once of each type of setting whether it is a secret.

It asks 1,600 times a load, of a hundred types: a tenth of what a small load takes.
"""

from functools import lru_cache
from typing import Any

from dlt.common.configuration import resolve
from dlt.common.configuration.providers import environ
from dlt.common.configuration.specs.base_configuration import is_secret_hint


def ask_once() -> None:
    """Have every load of this process remember; dlt has no setting for it."""
    for module in (resolve, environ):
        setattr(module, is_secret_hint.__name__, _remembered)


@lru_cache(maxsize=1_000)
def _known(hint: Any) -> bool:
    return is_secret_hint(hint)


def _remembered(hint: Any) -> bool:
    try:
        return _known(hint)
    except TypeError:
        # An annotation may hold what has no hash.
        return is_secret_hint(hint)
