"""The events of all runs in one SQLite file, through a connection that is kept.

Dagster's own storage opens the file anew for each event: the last one to close it writes its log
back and syncs, 5 to 10 ms of a disk's time each, for a hundred events a run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS


class KeptSqliteEventLogStorage(ConsolidatedSqliteEventLogStorage):
    """Dagster's own storage but for how it connects.

    An event is safe from the death of this process when it is stored; the last ones may be lost
    with the machine's power, and the file is whole then.
    """

    @cached_property
    def _engine(self) -> sa.Engine:
        engine = sa.create_engine(
            self._conn_string, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
        )
        sa.event.listen(engine, "connect", _sync_seldom)
        return engine

    @cached_property
    def _tables(self) -> set[str]:
        return set()

    @contextmanager
    def _connect(self) -> Iterator[sa.Connection]:
        with self._engine.begin() as connection:
            yield connection

    def has_table(self, table_name: str) -> bool:
        """Say whether the file has a table; asked for each event of a check, and none leaves."""
        if table_name not in self._tables:
            with self._connect() as connection:
                if not sa.inspect(connection).has_table(table_name):
                    return False
            self._tables.add(table_name)
        return True

    def dispose(self) -> None:
        """Close the file."""
        super().dispose()  # type: ignore[no-untyped-call]
        self._engine.dispose()


def _sync_seldom(connection: Any, record: object) -> None:
    connection.execute("pragma synchronous = normal")
