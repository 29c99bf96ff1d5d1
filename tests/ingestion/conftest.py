"""A small database of this test's own on the demo's PostgreSQL, and ways to load it."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from ingestion.load import load_source
from ingestion.report import LoadReport
from ingestion.spec import SourcesFile, SourceSpec
from tests.servers import Postgres, server_folder


@dataclass(frozen=True)
class Database:
    """A database that a test owns, and the home into which it is loaded."""

    url: str
    home: Path

    def execute(self, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def load(self, spec: SourceSpec) -> LoadReport:
        """Load the source named ``own``."""
        return load_source("own", spec, self.home)

    def raw(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse."""
        return raw(self.home, query)


class StoppedClock:
    """A clock in place of ``datetime`` that stands still."""

    def __init__(self, instant: datetime) -> None:
        self._instant = instant

    def now(self, zone: object) -> datetime:
        """The instant."""
        return self._instant


def raw(home: Path, query: str) -> list[tuple[Any, ...]]:
    """Ask the warehouse of a home."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """A PostgreSQL for all tests of this folder."""
    with server_folder() as folder:
        running = Postgres(folder)
        running.start()
        yield running
        running.stop()


@pytest.fixture
def database(
    server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """An empty database; ``SOURCES__OWN__URL`` points at it."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    monkeypatch.setenv("SOURCES__OWN__URL", server.url(name))
    yield Database(server.url(name), tmp_path)
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture
def declare() -> Callable[[dict[str, Any]], SourceSpec]:
    """Validate the declaration of a source named ``own``."""

    def validate(declaration: dict[str, Any]) -> SourceSpec:
        common = {"description": "Own", "owner": "team:own", "schedule": "0 * * * *"}
        file = SourcesFile.model_validate({"sources": {"own": {**common, **declaration}}})
        return file.sources["own"]

    return validate
