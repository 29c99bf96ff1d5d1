"""A home with raw tables and nothing built, in this process's environment."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestration.resources import Settings, prepare_environment, read_settings
from tests.homes import environment_put_back
from tests.transform import raw_tables


@contextmanager
def home_with_raw_tables(home: Path) -> Iterator[Settings]:
    """Set the environment as a command does, and put it back."""
    with environment_put_back():
        settings = read_settings(home)
        raw_tables.create(settings.home / "warehouse.duckdb")
        prepare_environment(settings)
        yield settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """One home for the tests of a file."""
    with home_with_raw_tables(tmp_path_factory.mktemp("home")) as settings:
        yield settings
