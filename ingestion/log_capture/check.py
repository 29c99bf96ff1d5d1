"""Says whether a database is set up as its declaration needs, and proves that we only read.

catalog + attempts to write that are rolled back + watermarks -> SourceCheck
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql
from pydantic import BaseModel, ConfigDict

from ingestion.batch import WATERMARKS
from ingestion.connection import connect
from ingestion.errors import CaptureRefused, SourceFailed
from ingestion.faults import explain
from ingestion.log_capture.open_transactions import open_transactions
from ingestion.log_capture.publication import (
    identified,
    missing_sql,
    refuse_held_back,
    schema_of,
)
from ingestion.log_capture.slot import Live, SlotHealth, open_connection, read_slot, scalar
from ingestion.spec import SqlDatabaseSource
from ingestion.status import still_served
from ingestion.warehouse import reading, warehouse_path, writing

FIRST_VERSION = 15
_PROPOSED_ROLE = "grounded_reader"
_LOCK_WAIT = "2s"


class SourceCheck(BaseModel):
    """What `grounded source check` tells; ``faults`` is empty when a load can run safely.

    ``grants`` is the SQL that an administrator runs once. ``writing_refused`` says of each write
    that was tried, and rolled back, whether the server refused it. ``slot`` is None for a cursor,
    and before the first load; that one waits until the transactions ``awaited`` have ended, each
    told with its age and the statement that ends it.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    version: str
    wal_level: str | None = None
    role: str
    grants: list[str]
    writing_refused: dict[str, bool]
    readable: dict[str, bool]
    slot: SlotHealth | None = None
    watermark: datetime | None = None
    awaited: list[str] = []
    faults: list[str]


def check_source(name: str, spec: SqlDatabaseSource, home: Path) -> SourceCheck:
    """Ask the database; SourceFailed where it cannot be reached."""
    connection = connect(name, spec, home)
    url = connection.url.get_secret_value()
    if not url.startswith("postgres"):
        raise SourceFailed(name, "only PostgreSQL can be checked", "nothing was done")
    try:
        with open_connection(url) as live:
            return _check(name, spec, home, live)
    except psycopg.Error as error:
        raise explain(name, connection.url, error, still_served(home, name)) from None


def _check(name: str, spec: SqlDatabaseSource, home: Path, live: Live) -> SourceCheck:
    schema = schema_of(live, spec)
    is_log = spec.capture == "log"
    publication = spec.publication or f"grounded_{name}"
    refused = dict(_writes_refused(live, schema, spec))
    readable = dict(_reads(live, schema, spec))
    watermark = _watermark(home, name)
    slot = _health(live, spec.slot or f"grounded_{name}", watermark) if is_log else None
    faults = [
        f"our role may {write}: use one that can only read"
        for write, no in refused.items()
        if not no
    ]
    faults += [f"our role may not read {table}" for table, yes in readable.items() if not yes]
    if is_log:
        faults += _log_faults(live, schema, publication, spec, slot)
    return SourceCheck(
        source=name,
        version=str(scalar(live, "show server_version")),
        wal_level=str(scalar(live, "show wal_level")) if is_log else None,
        role=str(scalar(live, "select current_user")),
        grants=_grants(live, schema, publication, spec, all(refused.values())),
        writing_refused=refused,
        readable=readable,
        slot=slot,
        watermark=watermark,
        awaited=_awaited(live, slot) if is_log else [],
        faults=faults,
    )


def _grants(
    live: Live, schema: str, publication: str, spec: SqlDatabaseSource, is_reader: bool
) -> list[str]:
    """The SQL for a role that may read the tables, and their changes, and nothing else."""
    ours = str(scalar(live, "select current_user"))
    name = ours if is_reader else _PROPOSED_ROLE
    role = sql.Identifier(name).as_string(live)
    database = sql.Identifier(str(scalar(live, "select current_database()"))).as_string(live)
    tables = ", ".join(
        sql.Identifier(schema, table.source_table or place).as_string(live)
        for place, table in spec.tables.items()
    )
    is_log = spec.capture == "log"
    statements = [] if is_reader else [f"create role {role} login password '<choose one>'"]
    statements += [
        f"grant connect on database {database} to {role}",
        f"grant usage on schema {sql.Identifier(schema).as_string(live)} to {role}",
        f"grant select on {tables} to {role}",
    ]
    if is_log:
        if scalar(live, "show wal_level") != "logical":
            statements.append("alter system set wal_level = logical -- and restart the server")
        statements.append(f"alter role {role} replication")
        statements += missing_sql(live, publication, spec)
    return statements


def _writes_refused(live: Live, schema: str, spec: SqlDatabaseSource) -> Iterator[tuple[str, bool]]:
    """Try each kind of write on no rows; a server checks the right to write before it looks."""
    for name, table in spec.tables.items():
        target = sql.Identifier(schema, table.source_table or name)
        key = sql.SQL(", ").join(map(sql.Identifier, table.primary_key))
        first = sql.Identifier(table.primary_key[0])
        attempts = {
            "insert into": "insert into {0} ({1}) overriding system value "
            "select {1} from {0} where false",
            "update": "update {0} set {2} = default where false",
            "delete from": "delete from {0} where false",
            "truncate": "truncate {0}",
        }
        for told, statement in attempts.items():
            query = sql.SQL(statement).format(target, key, first)
            if told == "truncate":
                # Trying it would lock the table against its own application.
                granted = "select not has_table_privilege(to_regclass(%s), 'truncate')"
                row = live.execute(granted, [target.as_string(live)]).fetchone()
                yield f"{told} {name}", bool(row and row[0])
            else:
                yield f"{told} {name}", _is_refused(live, query)
    probe = sql.SQL("create table {} ()").format(sql.Identifier(schema, "grounded_probe"))
    yield f"create a table in {schema}", _is_refused(live, probe)


def _is_refused(live: Live, query: sql.Composed) -> bool:
    try:
        with live.transaction(force_rollback=True):
            live.execute("set transaction read write")
            live.execute(f"set local lock_timeout = '{_LOCK_WAIT}'".encode())
            live.execute(query)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction):
        return True
    except psycopg.errors.UndefinedTable:
        return True
    except psycopg.errors.DuplicateTable:
        return False
    return False


def _reads(live: Live, schema: str, spec: SqlDatabaseSource) -> Iterator[tuple[str, bool]]:
    for name, table in spec.tables.items():
        target = sql.Identifier(schema, table.source_table or name)
        key = sql.SQL(", ").join(map(sql.Identifier, table.primary_key))
        try:
            live.execute(sql.SQL("select {} from {} limit 0").format(key, target))
        except (
            psycopg.errors.InsufficientPrivilege,
            psycopg.errors.UndefinedTable,
            psycopg.errors.UndefinedColumn,
        ):
            yield name, False
        else:
            yield name, True


def _log_faults(
    live: Live,
    schema: str,
    publication: str,
    spec: SqlDatabaseSource,
    slot: SlotHealth | None,
) -> Iterator[str]:
    if live.info.server_version // 10_000 < FIRST_VERSION:
        yield f"PostgreSQL before {FIRST_VERSION} cannot be captured from its log"
    if scalar(live, "show wal_level") != "logical":
        yield "wal_level is not logical"
    may = "select rolreplication or rolsuper from pg_roles where rolname = current_user"
    if not scalar(live, may):
        yield "our role has no right to replicate"
    for name, table in spec.tables.items():
        try:
            identified(live, schema, table.source_table or name, table)
            refuse_held_back(live, publication, schema, name, table)
        except CaptureRefused as refusal:
            yield str(refusal)
    for statement in missing_sql(live, publication, spec):
        if not _may_publish(live, schema, spec):
            yield f"the publication is not complete; its owner must run: {statement}"
    if slot is not None and slot.alarm is not None:
        yield slot.alarm


def _may_publish(live: Live, schema: str, spec: SqlDatabaseSource) -> bool:
    """Whether our role owns every table, which no role that can only read does."""
    tables = [table.source_table or name for name, table in spec.tables.items()]
    row = live.execute(
        "select bool_and(pg_has_role(relowner, 'usage')) from pg_class "
        "where relnamespace = to_regnamespace(quote_ident(%s)) and relname = any(%s::text[])",
        [schema, tables],
    ).fetchone()
    return bool(row and row[0])


def _health(live: Live, slot: str, watermark: datetime | None) -> SlotHealth | None:
    found = read_slot(live, slot)
    if found is None:
        return None
    age = None if watermark is None else (datetime.now(UTC) - watermark).total_seconds()
    return found.health.model_copy(update={"lag_seconds": age})


def _awaited(live: Live, slot: SlotHealth | None) -> list[str]:
    """The transactions that the next load would wait for, where it has to make a slot."""
    if slot is not None and slot.wal_status != "lost":
        return []
    return [one.told(live) for one in open_transactions(live)]


def _watermark(home: Path, source: str) -> datetime | None:
    """The instant up to which all tables of the source are complete."""
    if not warehouse_path(home).exists():
        return None
    with writing(home) as path, reading(path) as warehouse:
        there = warehouse.execute(
            "select 1 from information_schema.tables where table_schema = ? and table_name = ?",
            [source, WATERMARKS],
        ).fetchone()
        if there is None:
            return None
        query = f'select min(watermark) from "{source}"."{WATERMARKS}"'
        row = warehouse.execute(query).fetchone()
        found: datetime | None = row[0] if row else None
        return found
