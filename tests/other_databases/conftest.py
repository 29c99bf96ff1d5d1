"""One empty database of each kind that SQLAlchemy reads here, and ways to load it."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ingestion.databases import open_engine
from ingestion.load import load_source
from ingestion.reconcile import TableReconciliation, reconcile
from ingestion.report import TableReport
from ingestion.spec import SourcesFile, SourceSpec
from tests.ingestion.conftest import raw
from tests.other_databases.mariadb import MariaDb, program
from tests.servers import Postgres, server_folder

KINDS = ["postgresql", "sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)]


@dataclass(frozen=True)
class Source:
    """A database that a test owns, and the home into which its table ``items`` is loaded."""

    kind: str
    url: str
    home: Path

    def execute(self, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""
        engine = open_engine(self.url)
        for statement in statements:
            with engine.begin() as connection:
                connection.execute(sa.text(statement))

    def declare(self, **table: Any) -> SourceSpec:
        """Declare the table ``items``; by default it follows ``changed_at``."""
        declared = {
            "primary_key": ["id"],
            "cursor": {"column": "changed_at", "overlap": "10m"},
            **table,
        }
        source = {
            "description": "Own",
            "owner": "team:own",
            "schedule": "0 * * * *",
            "kind": "sql_database",
            "tables": {"items": declared},
        }
        return SourcesFile.model_validate({"sources": {"own": source}}).sources["own"]

    def load(self, **table: Any) -> TableReport:
        """Load the table."""
        return load_source("own", self.declare(**table), self.home).tables["items"]

    def reconcile(self, **table: Any) -> TableReconciliation:
        """Compare the table with raw and mend raw."""
        return reconcile("own", self.declare(**table), self.home).tables["items"]

    def raw(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse."""
        return raw(self.home, query)

    def live(self, columns: str = "id, name") -> list[tuple[Any, ...]]:
        """The live rows, in order."""
        return self.raw(f"select {columns} from own.items where _deleted_at is null order by 1")


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[str], Any]]:
    """Return a function that starts a server once, when a test first needs it."""
    running: dict[str, Any] = {}
    with server_folder() as folder:

        def server(kind: str) -> Any:
            if kind not in running:
                made = folder / kind
                made.mkdir()
                new = Postgres(made) if kind == "postgresql" else MariaDb(made)
                new.start()
                running[kind] = new
            return running[kind]

        yield server
        for started in running.values():
            started.stop()


@pytest.fixture
def source(
    request: pytest.FixtureRequest,
    servers: Callable[[str], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Source:
    """An empty database of the kind that the test asks for; ``SOURCES__OWN__URL`` points at it."""
    url = _empty_database(request.param, servers, tmp_path)
    monkeypatch.setenv("SOURCES__OWN__URL", url)
    return Source(request.param, url, tmp_path)


def _empty_database(kind: str, servers: Callable[[str], Any], folder: Path) -> str:
    if kind == "sqlite":
        return f"sqlite:///{folder / 'own.sqlite'}"
    name = f"test_{secrets.token_hex(6)}"
    if kind == "mariadb":
        pytest.importorskip("pymysql")
        if program("mariadbd") is None:
            pytest.skip("mariadbd is not installed")
        server: MariaDb = servers(kind)
        with open_engine(server.url("")).connect() as connection:
            connection.execute(sa.text(f"create database {name}"))
        return server.url(name)
    postgres: Postgres = servers(kind)
    with open_engine(postgres.url()).connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(sa.text(f"create database {name}"))
    return postgres.url(name)
