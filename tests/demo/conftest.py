"""One demo at a twentieth of its size, on real servers, for all tests of a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion import demo


@pytest.fixture(scope="module")
def scale() -> float:
    return 0.05


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, scale: float) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("home")
    demo.up(folder, scale=scale)
    yield folder
    demo.down(folder)


@pytest.fixture
def empty_home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    demo.down(tmp_path)
