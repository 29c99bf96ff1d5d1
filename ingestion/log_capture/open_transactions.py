"""The transactions that are open at a source, for which a new slot has to wait.

Those of every database of the server count, and those that were prepared for a commit in two steps;
one that has only read does not.
"""

from collections.abc import Sequence

from psycopg import sql
from pydantic import BaseModel, ConfigDict

from ingestion.log_capture.slot import Live

_COLUMNS = """
    select pid, usename::text as role, datname::text as database, null::text as prepared,
        extract(epoch from clock_timestamp() - xact_start)::float8 as seconds, backend_xid as xid
    from pg_stat_activity where backend_xid is not null
    union all
    select null, owner::text, database::text, gid,
        extract(epoch from clock_timestamp() - prepared)::float8, transaction
    from pg_prepared_xacts
"""
_WAITED_FOR = f"""
    select pid, role, database, prepared, seconds from ({_COLUMNS}) as open
    where pid = any(pg_blocking_pids(%s)) or xid in (
        select transactionid from pg_locks where pid = %s and not granted)
    order by seconds desc nulls last, pid
"""
_ALL = f"""
    select pid, role, database, prepared, seconds from ({_COLUMNS}) as open
    where pid is distinct from pg_backend_pid() order by seconds desc nulls last, pid
"""


class OpenTransaction(BaseModel):
    """One transaction that has written; ``process`` is None where it is ``prepared`` (its name).

    ``seconds`` since it began; None where our role may not see that (`pg_read_all_stats`).
    """

    model_config = ConfigDict(frozen=True)

    process: int | None
    role: str | None
    database: str | None
    prepared: str | None
    seconds: float | None

    def told(self, live: Live) -> str:
        """Who it is, how old, and the statement that ends it."""
        name = "a prepared transaction" if self.process is None else f"process {self.process}"
        age = "" if self.seconds is None else f", open for {self.seconds:,.0f} s"
        return f"{name} of role {self.role} in {self.database}{age} (`{self._ending(live)}`)"

    def _ending(self, live: Live) -> str:
        if self.process is not None:
            return f"select pg_terminate_backend({self.process})"
        return f"rollback prepared {sql.Literal(self.prepared).as_string(live)}"


def waited_for(live: Live, process: int) -> list[OpenTransaction]:
    """The transactions that a backend waits for now, the oldest first."""
    return _read(live, _WAITED_FOR, [process, process])


def open_transactions(live: Live) -> list[OpenTransaction]:
    """All transactions that a slot, made now, would wait for, the oldest first."""
    return _read(live, _ALL, [])


def _read(live: Live, query: str, parameters: Sequence[object]) -> list[OpenTransaction]:
    fields = list(OpenTransaction.model_fields)
    rows = live.execute(query.encode(), parameters or None).fetchall()
    return [OpenTransaction.model_validate(dict(zip(fields, row, strict=True))) for row in rows]
