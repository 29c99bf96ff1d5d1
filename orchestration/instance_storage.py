"""The runs and their events in two SQLite files, through connections that are kept.

Dagster's own storages open the file anew for each statement: the last one to close it writes its
log back and syncs, 5 to 10 ms of a disk's time each, for a hundred events a run. They also ask for
each event of an asset which columns a table has, and store it in two transactions.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from dagster import EventLogEntry
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData


class _KeptConnections:
    """Connections of one file; what a thread asks within a transaction of its own is part of it.

    What is stored is safe from the death of this process; the last of it may be lost with the
    machine's power, and the file is whole then.
    """

    _conn_string: str

    @cached_property
    def _engine(self) -> sa.Engine:
        engine = sa.create_engine(
            self._conn_string, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
        )
        sa.event.listen(engine, "connect", _sync_seldom)
        return engine

    @cached_property
    def _begun(self) -> threading.local:
        return threading.local()

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        begun = getattr(self._begun, "connection", None)
        if begun is not None:
            yield begun
            return
        with self._engine.begin() as connection:
            self._begun.connection = connection
            try:
                yield connection
            finally:
                self._begun.connection = None


class KeptSqliteEventLogStorage(_KeptConnections, ConsolidatedSqliteEventLogStorage):
    """Dagster's own storage but for how it connects, and that an event is one transaction."""

    @cached_property
    def _known(self) -> set[str]:
        return set()

    @contextmanager
    def _connect(self) -> Iterator[sa.Connection]:
        with self._transaction() as connection:
            yield connection

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event and what it says of its asset or check."""
        with self._transaction():
            super().store_event(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store all of them or none."""
        with self._transaction():
            super().store_event_batch(events)

    def has_table(self, table_name: str) -> bool:
        """Say whether the file has a table; asked for each event of a check, and none leaves."""
        if table_name not in self._known:
            with self._connect() as connection:
                if not sa.inspect(connection).has_table(table_name):
                    return False
            self._known.add(table_name)
        return True

    def _has_asset_key_col_on_connection(self, conn: sa.Connection, column_name: str) -> bool:
        """Say whether assets have a column; asked for each event of one, and none leaves."""
        if column_name not in self._known:
            if not super()._has_asset_key_col_on_connection(conn, column_name):
                return False
            self._known.add(column_name)
        return True

    def dispose(self) -> None:
        """Close the file."""
        super().dispose()  # type: ignore[no-untyped-call]
        self._engine.dispose()


class KeptSqliteRunStorage(_KeptConnections, SqliteRunStorage):
    """Dagster's own storage but for how it connects."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """Open the file where Dagster has it that is told of no storage."""
        return cls.from_local(str(Path(config_value["base_dir"]) / "history"), inst_data)

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Begin a transaction, or go on in the one that this thread has begun."""
        with self._transaction() as connection:
            yield connection

    def dispose(self) -> None:
        """Close the file."""
        super().dispose()
        self._engine.dispose()


def _sync_seldom(connection: Any, record: object) -> None:
    connection.execute("pragma synchronous = normal")
