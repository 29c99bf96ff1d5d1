"""Makes a slot, or a snapshot tied to the log, and tells for whom that has to wait.

The server does either only when every transaction that was open has ended.
"""

import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from ingestion.errors import CaptureRefused
from ingestion.log_capture.open_transactions import OpenTransaction, waited_for
from ingestion.log_capture.slot import Live, await_free, open_connection, read_slot, scalar

WAIT_S = 600.0
"""Beyond it the load gives up: a transaction that is older may never end, and other loads of this
source wait for ours."""
LOOK_S = 2.0
AGAIN_S = 30.0
_ENDED_WELL = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


@dataclass(frozen=True)
class SlotWait:
    """How a load waits for the transactions that are open at its source."""

    url: str
    told: Callable[[str], None]

    def run(self, live: Live, command: bytes) -> PGresult:
        """Run a command and return its result; tell for whom it waits, and for how long.

        Raises CaptureRefused after WAIT_S, when the command has been cancelled, and else what the
        server says.
        """
        # Not by execute(): a replication connection knows no prepared statements, and that would
        # not return before the end.
        live.pgconn.send_query(command)
        began, last_told = time.monotonic(), 0.0
        while self._is_busy(live):
            waited = time.monotonic() - began
            if waited - last_told >= (AGAIN_S if last_told else LOOK_S) or waited >= WAIT_S:
                last_told = waited
                self._look(live, waited)
        return _result(live)

    def _is_busy(self, live: Live) -> bool:
        if live.pgconn.is_busy():
            select.select([live.pgconn.socket], [], [], min(LOOK_S, WAIT_S))
            live.pgconn.consume_input()
        return bool(live.pgconn.is_busy())

    def _look(self, live: Live, waited: float) -> None:
        process = live.info.backend_pid
        with open_connection(self.url) as watcher:
            found = waited_for(watcher, process)
            named = _named(found, watcher)
            if waited < WAIT_S:
                self.told(f"a new slot waits for {named}; {waited:,.0f} s so far")
                return
            watcher.execute("select pg_cancel_backend(%s)", [process])
        while live.pgconn.get_result() is not None:
            pass
        raise CaptureRefused(
            f"a new slot has to wait until every open transaction has ended, and after "
            f"{waited:,.0f} s still waited for {named}; end it, or load again when it has ended"
        )


def create_slot(live: Live, name: str, wait: SlotWait) -> None:
    """Create the slot; waits for the transactions that are open at the source.

    The backend of a process that was killed meanwhile may be at it still: its slot is as good.
    """
    while True:
        with suppress(psycopg.errors.DuplicateObject):
            return _create_slot(live, name, wait)
        await_free(live, name)
        if read_slot(live, name) is not None:
            return


def _create_slot(live: Live, name: str, wait: SlotWait) -> None:
    level = str(scalar(live, "show wal_level"))
    if level != "logical":
        raise CaptureRefused(
            f"the server's wal_level is {level}, so its log has no changes to capture; run "
            "`alter system set wal_level = logical` as superuser and restart the server"
        )
    command = sql.SQL("select pg_create_logical_replication_slot({}, 'pgoutput')")
    try:
        wait.run(live, command.format(sql.Literal(name)).as_bytes(live))
    except psycopg.errors.InsufficientPrivilege:
        raise CaptureRefused(
            f"our role may not create a replication slot; run as superuser: {_role_sql(live)}"
        ) from None
    except psycopg.errors.ConfigurationLimitExceeded:
        raise CaptureRefused(
            "all replication slots of the server are in use; raise max_replication_slots, or drop "
            "one that nobody reads"
        ) from None


@contextmanager
def exported_snapshot(name: str, wait: SlotWait) -> Iterator[tuple[int, str]]:
    """Yield a position of the log and the snapshot of all that was committed before it.

    Of a temporary slot: it ends with the connection, so that a killed process leaves none.
    """
    with open_connection(wait.url, replication=True) as live:
        temporary = f"{name[:40]}_{live.info.backend_pid}"
        command = (
            sql.SQL("CREATE_REPLICATION_SLOT {} TEMPORARY LOGICAL pgoutput (SNAPSHOT 'export')")
            .format(sql.Identifier(temporary))
            .as_bytes(live)
        )
        try:
            result = wait.run(live, command)
        except psycopg.Error as error:
            if error.sqlstate is None:
                # The server did not refuse it: it is gone.
                raise
            raise CaptureRefused(
                "the server gave no snapshot: a replication connection or a second slot is not "
                "allowed; see max_replication_slots, max_wal_senders and pg_hba.conf"
            ) from None
        position, snapshot = result.get_value(0, 1), result.get_value(0, 2)
        assert position is not None and snapshot is not None
        high, low = position.decode().split("/")
        yield (int(high, 16) << 32) + int(low, 16), snapshot.decode()


def _named(found: list[OpenTransaction], live: Live) -> str:
    return ", ".join(one.told(live) for one in found) or "the server, which names no transaction"


def _result(live: Live) -> PGresult:
    """The result of a command that has ended; what the server refused is raised."""
    result = last = live.pgconn.get_result()
    while last is not None:
        result, last = last, live.pgconn.get_result()
    assert result is not None
    if result.status not in _ENDED_WELL:
        raise psycopg.errors.error_from_result(result)
    return result


def _role_sql(live: Live) -> str:
    role = sql.Identifier(str(scalar(live, "select current_user"))).as_string(live)
    return f"alter role {role} replication"
