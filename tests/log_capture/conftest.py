"""The database of the ingestion tests, captured from its log."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from ingestion.spec import SourceSpec
from tests.ingestion.conftest import Database as PlainDatabase
from tests.ingestion.conftest import database as plain_database
from tests.ingestion.conftest import declare, server
from tests.servers import Postgres

__all__ = ["declare", "plain_database", "server"]

Declare = Callable[[dict[str, Any]], SourceSpec]


class Database(PlainDatabase):
    """A database that a test owns and may ask."""

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the source itself."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()


@pytest.fixture
def database(plain_database: PlainDatabase, server: Postgres) -> Iterator[Database]:
    """An empty database whose slots are dropped with it."""
    yield Database(plain_database.url, plain_database.home)
    drop_slots(server, plain_database.url)


def drop_slots(server: Postgres, url: str) -> None:
    """Drop every slot of a database, after ending who reads them."""
    name = url.rpartition("/")[2]
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(active_pid) from pg_replication_slots "
            "where database = %s and active_pid is not null",
            [name],
        )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots "
            "where database = current_database() and not temporary"
        )


@pytest.fixture
def captured(declare: Declare) -> SourceSpec:
    """A table ``items`` with the key ``id``, captured from the log."""
    return declare(of_items())


def of_items(**table: Any) -> dict[str, Any]:
    """The declaration of a table ``items``."""
    return {
        "kind": "sql_database",
        "db_schema": "public",
        "capture": "log",
        "tables": {"items": {"primary_key": ["id"], **table}},
    }
