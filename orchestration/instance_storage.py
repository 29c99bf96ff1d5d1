"""The runs and their events in two SQLite files, through connections that are kept.

Dagster's own storages open the file anew for each statement: the last one to close it writes its
log back and syncs, 5 to 10 ms of a disk's time each, for a hundred events a run. They also ask for
each event of an asset which columns a table has, store it in two transactions, and compose their
statements anew for each, which is most of the time that an event takes.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from dagster import EventLogEntry
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData, serialize_value

_CHECK_EVENTS = [event.value for event in ASSET_CHECK_EVENTS]
# Statements that are composed once; which columns they set is told by what they are given.
_CHECKS = AssetCheckExecutionsTable
_EVENT = SqlEventLogStorageTable.insert()
_ASSET = AssetKeyTable.insert()
_ASSET_AGAIN = AssetKeyTable.update().where(AssetKeyTable.c.asset_key == sa.bindparam("of_asset"))
_CHECK = _CHECKS.insert()
_PLANNED_CHECK = _CHECKS.update().where(
    _CHECKS.c.asset_key == sa.bindparam("of_asset"),
    _CHECKS.c.check_name == sa.bindparam("of_check"),
    _CHECKS.c.run_id == sa.bindparam("of_run"),
    _CHECKS.c.partition.is_(None),
)
_LATER = _CHECKS.alias("later")
_TOLD_AGAIN = sa.exists().where(
    _LATER.c.asset_key == _CHECKS.c.asset_key,
    _LATER.c.check_name == _CHECKS.c.check_name,
    _LATER.c.id > _CHECKS.c.id,
)


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
        with self._transaction() as connection:
            stored = connection.execute(_EVENT, self._event_to_row(event))
            (event_id,) = stored.inserted_primary_key or (None,)
            assert event_id is not None
            told = event.dagster_event
            if told is None:
                return
            if told.event_type in ASSET_EVENTS and told.asset_key:
                self._store_asset_event_tags(connection, [event], [event_id])
                self._store_asset_event(connection, event, event_id)
            if told.event_type in ASSET_CHECK_EVENTS:
                self.store_asset_check_event(event, event_id)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store all of them or none."""
        with self._transaction():
            super().store_event_batch(events)

    def delete_events_for_run(self, conn: sa.Connection, run_id: str) -> None:
        """Delete what a run told; of checks, which Dagster would keep, what a later run told again.

        They have no index by run: most runs make none, and are seen by their events to make none.
        """
        events = SqlEventLogStorageTable.c
        checked = sa.select(events.id).where(
            events.run_id == run_id, events.dagster_event_type.in_(_CHECK_EVENTS)
        )
        if conn.execute(checked.limit(1)).first() is not None:
            conn.execute(_CHECKS.delete().where(_CHECKS.c.run_id == run_id, _TOLD_AGAIN))
        super().delete_events_for_run(conn, run_id)

    def _store_asset_event(self, conn: sa.Connection, event: EventLogEntry, event_id: int) -> None:
        told = event.dagster_event
        if told is None or told.asset_key is None:
            return
        has_times = self._has_asset_key_index_cols_on_connection(conn)
        values = self._get_asset_entry_values(event, event_id, has_times)
        if not values:
            return
        name = told.asset_key.to_string()
        if not conn.execute(_ASSET_AGAIN, {"of_asset": name, **values}).rowcount:
            conn.execute(_ASSET, {"asset_key": name, **values})

    def _store_asset_check_evaluation_planned(
        self, event: EventLogEntry, event_id: int | None
    ) -> None:
        told = event.dagster_event
        if told is None or told.asset_check_planned_data.partitions_subset is not None:
            super()._store_asset_check_evaluation_planned(event, event_id)
            return
        planned = told.asset_check_planned_data
        row = {
            **self._of_check(event, event_id),
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "partition": None,
            "run_id": event.run_id,
            "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
        }
        with self._transaction() as connection:
            connection.execute(_CHECK, row)

    def _update_asset_check_evaluation(self, event: EventLogEntry, event_id: int | None) -> None:
        told = event.dagster_event
        if told is None or told.asset_check_evaluation_data.partition is not None:
            super()._update_asset_check_evaluation(event, event_id)
            return
        found = told.asset_check_evaluation_data
        status = AssetCheckExecutionRecordStatus
        target = found.target_materialization_data
        row = {
            **self._of_check(event, event_id),
            "of_asset": found.asset_key.to_string(),
            "of_check": found.check_name,
            "of_run": event.run_id,
            "execution_status": (status.SUCCEEDED if found.passed else status.FAILED).value,
            "materialization_event_storage_id": target.storage_id if target else None,
        }
        with self._transaction() as connection:
            updated = connection.execute(_PLANNED_CHECK, row).rowcount
        if updated != 1:
            # What was not planned, or twice, is Dagster's own affair.
            super()._update_asset_check_evaluation(event, event_id)

    def _of_check(self, event: EventLogEntry, event_id: int | None) -> dict[str, Any]:
        return {
            "evaluation_event": serialize_value(event),
            "evaluation_event_timestamp": self._event_insert_timestamp(event),  # type: ignore[no-untyped-call]
            "evaluation_event_storage_id": event_id,
        }

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
