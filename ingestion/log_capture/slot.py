"""The replication slot: its state and health, and how it moves."""

import time
from contextlib import suppress
from dataclasses import dataclass

import psycopg
import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict

from ingestion.errors import CaptureRefused
from ingestion.postgres_arrow import address

Live = psycopg.Connection[tuple[object, ...]]
BUSY_S = 30.0
"""A killed process's backend holds the slot until it notices that its client is gone."""
FLUSH_S = 0.7
"""A commit with synchronous_commit = off is visible up to three times wal_writer_delay (0.2 s)
before it is durable. What else waits to be flushed, as of a vacuum, may take seconds."""
_FIRST_LOOK_S, _LOOK_S = 0.001, 0.02
ALARM_SHARE = 0.5
_OPTIONS = "-c idle_session_timeout=0 -c client_connection_check_interval=1s"


class SlotHealth(BaseModel):
    """What the server keeps for a slot; sizes in bytes, None where there is no limit."""

    model_config = ConfigDict(frozen=True)

    slot: str
    lag_bytes: int
    lag_seconds: float | None = None
    wal_status: str
    safe_wal_size: int | None
    max_slot_wal_keep_size: int | None

    @property
    def used_share(self) -> float:
        """The part of the allowed log that the slot holds back; 1 when it is lost."""
        if self.wal_status == "lost":
            return 1.0
        if self.max_slot_wal_keep_size is None or self.safe_wal_size is None:
            return 0.0
        return 1.0 - self.safe_wal_size / max(1, self.max_slot_wal_keep_size)

    @property
    def alarm(self) -> str | None:
        """What to tell when half of the allowed log is used."""
        if self.used_share < ALARM_SHARE:
            return None
        return (
            f"slot {self.slot} holds back {self.lag_bytes:,} bytes of log, {self.used_share:.0%} "
            "of max_slot_wal_keep_size; beyond it the slot is lost and every table is read again: "
            "load more often, or raise that setting"
        )


@dataclass(frozen=True)
class Slot:
    """A slot as the server describes it; positions are byte offsets in the log."""

    plugin: str | None
    is_here: bool
    confirmed_lsn: int | None
    health: SlotHealth

    @property
    def is_lost(self) -> bool:
        """Whether the server has removed log that the slot needed."""
        return self.health.wal_status == "lost" or self.confirmed_lsn is None


def open_connection(url: str, *, replication: bool = False) -> Live:
    """Connect in autocommit, so that values print as they do for a snapshot."""
    given = sa.make_url(url)
    options = f"{given.query.get('options', '')} {_OPTIONS}"
    target = address(given.update_query_dict({"options": options}))
    if replication:
        return psycopg.connect(target, autocommit=True, replication="database")
    return psycopg.connect(target, autocommit=True)


def read_slot(live: Live, name: str) -> Slot | None:
    """Return the slot, or None where there is none."""
    row = live.execute(
        """
        select plugin, coalesce(database = current_database(), false),
            (confirmed_flush_lsn - '0/0')::bigint,
            coalesce((pg_current_wal_flush_lsn() - coalesce(confirmed_flush_lsn, restart_lsn))
                ::bigint, 0),
            coalesce(wal_status, 'lost'), safe_wal_size,
            (select nullif(setting::bigint, -1) * 1048576
                from pg_settings where name = 'max_slot_wal_keep_size')
        from pg_replication_slots where slot_name = %s
        """,
        [name],
    ).fetchone()
    if row is None:
        return None
    plugin, is_here, confirmed, lag, status, safe, most = row
    health = SlotHealth.model_validate(
        {
            "slot": name,
            "lag_bytes": lag,
            "wal_status": status,
            "safe_wal_size": safe,
            "max_slot_wal_keep_size": most,
        }
    )
    return Slot(
        plugin=None if plugin is None else str(plugin),
        is_here=bool(is_here),
        confirmed_lsn=confirmed if isinstance(confirmed, int) else None,
        health=health,
    )


def drop_slot(live: Live, name: str) -> None:
    """Drop the slot, unless the backend of a killed process is just done with that."""
    with suppress(psycopg.errors.UndefinedObject):
        _when_free(live, name, "select pg_drop_replication_slot(%s)", [name])


def advance_slot(live: Live, name: str, lsn: int) -> None:
    """Let the server forget the log before ``lsn``; does nothing where it already has."""
    _when_free(
        live,
        name,
        """
        select pg_replication_slot_advance(slot_name, '0/0'::pg_lsn + %s::numeric)
        from pg_replication_slots
        where slot_name = %s and confirmed_flush_lsn < '0/0'::pg_lsn + %s::numeric
        """,
        [lsn, name, lsn],
    )


def end_of_log(live: Live) -> int:
    """The end of the durable log."""
    return _lsn(live, "pg_current_wal_flush_lsn()")


def flushed_lsn(live: Live) -> int:
    """The end of the durable log, after everything that was committed before this call."""
    written = _lsn(live, "pg_current_wal_insert_lsn()")
    deadline = time.monotonic() + FLUSH_S
    flushed, wait = end_of_log(live), _FIRST_LOOK_S
    while flushed < written and time.monotonic() < deadline:
        time.sleep(wait)
        flushed, wait = end_of_log(live), min(2 * wait, _LOOK_S)
    return flushed


def scalar(live: Live, query: str) -> object:
    """The one value of a query."""
    row = live.execute(query.encode()).fetchone()
    return row[0] if row else None


def _lsn(live: Live, expression: str) -> int:
    return int(str(scalar(live, f"select ({expression} - '0/0')::bigint")))


def _when_free(live: Live, name: str, statement: str, parameters: list[object]) -> None:
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            live.execute(statement.encode(), parameters)
            return
        except psycopg.errors.ObjectInUse:
            if time.monotonic() > deadline:
                raise busy(name) from None
            time.sleep(0.1)


def await_free(live: Live, name: str) -> None:
    """Wait until no other process reads the slot."""
    deadline = time.monotonic() + BUSY_S
    held = "select 1 from pg_replication_slots where slot_name = %s and active_pid is not null"
    while live.execute(held, [name]).fetchone() is not None:
        if time.monotonic() > deadline:
            raise busy(name)
        time.sleep(0.1)


def busy(name: str) -> CaptureRefused:
    """The error of a slot that another process reads."""
    return CaptureRefused(
        f"slot {name} is in use by another process; end that one, or declare a slot of our own"
    )
