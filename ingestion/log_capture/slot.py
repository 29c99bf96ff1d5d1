"""The replication slot: its state and health, and a snapshot tied to a position of the log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
import sqlalchemy as sa
from psycopg import sql
from psycopg.pq import ExecStatus
from pydantic import BaseModel, ConfigDict

from ingestion.errors import CaptureRefused
from ingestion.postgres_arrow import address

Live = psycopg.Connection[tuple[object, ...]]
BUSY_S = 30.0
"""A killed process's backend holds the slot until it notices that its client is gone."""
FLUSH_S = 0.7
"""A commit with synchronous_commit = off is visible up to three times wal_writer_delay (0.2 s)
before it is durable. What else waits to be flushed, as of a vacuum, may take seconds."""
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


def create_slot(live: Live, name: str) -> None:
    """Create the slot; waits for the transactions that are open at the source."""
    level = str(scalar(live, "show wal_level"))
    if level != "logical":
        raise CaptureRefused(
            f"the server's wal_level is {level}, so its log has no changes to capture; run "
            "`alter system set wal_level = logical` as superuser and restart the server"
        )
    try:
        live.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [name])
    except psycopg.errors.InsufficientPrivilege:
        raise CaptureRefused(
            f"our role may not create a replication slot; run as superuser: {_role_sql(live)}"
        ) from None
    except psycopg.errors.ConfigurationLimitExceeded:
        raise CaptureRefused(
            "all replication slots of the server are in use; raise max_replication_slots, or drop "
            "one that nobody reads"
        ) from None


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
    flushed = end_of_log(live)
    while flushed < written and time.monotonic() < deadline:
        time.sleep(0.02)
        flushed = end_of_log(live)
    return flushed


@contextmanager
def exported_snapshot(url: str, name: str) -> Iterator[tuple[int, str]]:
    """Yield a position of the log and the snapshot of all that was committed before it.

    Of a temporary slot: it ends with the connection, so that a killed process leaves none.
    """
    with open_connection(url, replication=True) as live:
        temporary = f"{name[:40]}_{live.info.backend_pid}"
        command = (
            sql.SQL("CREATE_REPLICATION_SLOT {} TEMPORARY LOGICAL pgoutput (SNAPSHOT 'export')")
            .format(sql.Identifier(temporary))
            .as_bytes(live)
        )
        # Not by execute(): a replication connection knows no prepared statements.
        result = live.pgconn.exec_(command)
        if result.status != ExecStatus.TUPLES_OK:
            raise CaptureRefused(
                "the server gave no snapshot: a replication connection or a second slot is not "
                "allowed; see max_replication_slots, max_wal_senders and pg_hba.conf"
            )
        position, snapshot = result.get_value(0, 1), result.get_value(0, 2)
        assert position is not None and snapshot is not None
        high, low = position.decode().split("/")
        yield (int(high, 16) << 32) + int(low, 16), snapshot.decode()


def scalar(live: Live, query: str) -> object:
    """The one value of a query."""
    row = live.execute(query.encode()).fetchone()
    return row[0] if row else None


def _lsn(live: Live, expression: str) -> int:
    return int(str(scalar(live, f"select ({expression} - '0/0')::bigint")))


def _role_sql(live: Live) -> str:
    role = sql.Identifier(str(scalar(live, "select current_user"))).as_string(live)
    return f"alter role {role} replication"


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
