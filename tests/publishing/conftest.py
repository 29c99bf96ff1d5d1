"""A home with a small warehouse, published or not, and the built-in model."""

import shutil
from pathlib import Path

import pytest
from small_warehouse import publish, write_warehouse

from serving.embedder import MiniLm, builtin_model_dir


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a warehouse and nothing published."""
    write_warehouse(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture(scope="session")
def published_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published home that tests copy and never change."""
    home = tmp_path_factory.mktemp("published") / "home"
    write_warehouse(home)
    publish(home)
    return home


@pytest.fixture
def published(published_once: Path, tmp_path: Path) -> Path:
    """A home with one published snapshot."""
    return Path(shutil.copytree(published_once, tmp_path / "home"))


@pytest.fixture(scope="session")
def minilm() -> MiniLm:
    """The built-in model; loading it takes most of a second."""
    return MiniLm(builtin_model_dir())
