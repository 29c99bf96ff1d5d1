"""A home whose upstreams the tests of following change."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.homes import home_of


@pytest.fixture(scope="module")
def home(first_run: Path) -> Iterator[Path]:
    """A home with upstreams of its own after a first run."""
    with home_of(first_run) as folder:
        yield folder
