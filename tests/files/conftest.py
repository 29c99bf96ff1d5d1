"""A folder of files that a test owns, and ways to load it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ingestion.load import load_source
from ingestion.report import TableReport
from ingestion.spec import SourcesFile, SourceSpec
from tests.ingestion.conftest import raw


@dataclass(frozen=True)
class Folder:
    """A folder, the home into which it is loaded, and its declaration."""

    path: Path
    home: Path
    spec: SourceSpec

    def write(self, name: str, content: str | bytes) -> Path:
        """Write one file."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    def load(self) -> TableReport:
        """Load the table ``rows`` of the source ``own``."""
        return load_source("own", self.spec, self.home).tables["rows"]

    def raw(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse."""
        return raw(self.home, query)

    def live(self, columns: str = "id, name") -> list[tuple[Any, ...]]:
        """The live rows, in order."""
        return self.raw(f"select {columns} from own.rows where _deleted_at is null order by 1")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Folder]:
    """Return a function that declares the files of a folder."""
    path = tmp_path / "files"
    path.mkdir()
    monkeypatch.setenv("SOURCES__OWN__URL", str(path))

    def declare(**table: Any) -> Folder:
        source = {
            "description": "Own",
            "owner": "team:own",
            "schedule": "0 * * * *",
            "kind": "files",
            "tables": {"rows": table},
        }
        spec = SourcesFile.model_validate({"sources": {"own": source}}).sources["own"]
        return Folder(path, tmp_path, spec)

    return declare
