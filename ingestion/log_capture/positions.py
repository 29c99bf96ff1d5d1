"""How far raw is in the log, table by table, noted before a load's rows are merged.

[lock] note_positions -> dlt merges each table in a transaction of its own -> held_positions

dlt's own state would tell a load's position when all of its tables are merged. After a load that
died between two of them raw would be ahead of it, and a value that the log leaves out, because its
row kept it while its key changed, would be looked for in a row that has taken that key since.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from ingestion.batch import QUARANTINE
from ingestion.names import LOAD_ID
from ingestion.vanished import quoted
from ingestion.warehouse import reading, warehouse_path, writing

POSITIONS = "_positions"


@dataclass(frozen=True)
class Held:
    """What raw has of a table: all that committed before ``lsn``; 0 for nothing.

    ``load_id`` is the load that brought it there.
    """

    lsn: int = 0
    origin: str = ""
    shape: Mapping[str, str] = field(default_factory=dict)
    load_id: str = ""


@dataclass(frozen=True)
class Noted:
    """Where a load will bring a table, and the load that brought it to where it is.

    ``is_straight`` says that its rows come in more than one transaction, so that some of them prove
    nothing; ``aside`` counts the keys that the load sets aside, in another table's transaction.
    """

    held: Held
    before: str = ""
    is_straight: bool = False
    aside: int = 0


def note_positions(warehouse: Path, source: str, noted: Mapping[str, Noted]) -> None:
    """Write where the load that is about to begin will bring tables; the writer's lock is held."""
    table = f"{quoted(source)}.{POSITIONS}"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(
            f"begin; create schema if not exists {quoted(source)}; "
            f"create table if not exists {table} (number bigint, table_name varchar, "
            "load_id varchar, lsn bigint, origin varchar, shape varchar, is_straight boolean, "
            "aside bigint)"
        )
        for name, note in noted.items():
            held = note.held
            connection.execute(
                f"delete from {table} where table_name = ? and load_id <> ?", [name, note.before]
            )
            connection.execute(
                f"insert into {table} select coalesce(max(number), 0) + 1, ?, ?, ?, ?, ?, ?, ? "
                f"from {table}",
                [
                    *(name, held.load_id, held.lsn, held.origin, json.dumps(dict(held.shape))),
                    *(note.is_straight, note.aside),
                ],
            )
        connection.execute("commit")


def held_positions(home: Path, source: str) -> dict[str, Held]:
    """Return how far raw is, by table; a table that must be read anew is left out."""
    if not warehouse_path(home).exists():
        return {}
    with writing(home) as path, reading(path) as connection:
        if not _has(connection, source, POSITIONS):
            return {}
        newest_first = connection.execute(
            "select table_name, load_id, lsn, origin, shape, is_straight, aside "
            f"from {quoted(source)}.{POSITIONS} order by number desc"
        ).fetchall()
        found: dict[str, Held | None] = {}
        ended = _ended(connection, source)
        for name, load_id, lsn, origin, shape, is_straight, aside in newest_first:
            is_whole = load_id in ended
            if name in found or not (
                is_whole or (not is_straight and _came(connection, source, name, load_id))
            ):
                continue
            # A load whose rows came and whose quarantine did not has lost what it set aside.
            is_right = is_whole or _set_aside(connection, source, name, load_id) >= aside
            found[name] = Held(lsn, origin, json.loads(shape), load_id) if is_right else None
    return {name: held for name, held in found.items() if held is not None}


def _ended(connection: duckdb.DuckDBPyConnection, source: str) -> set[str]:
    """The loads of which every table came."""
    if not _has(connection, source, "_dlt_loads"):
        return set()
    query = f"select load_id from {quoted(source)}._dlt_loads where status = 0"
    return {row[0] for row in connection.execute(query).fetchall()}


def _came(connection: duckdb.DuckDBPyConnection, source: str, table: str, load_id: str) -> bool:
    """Whether the load's rows of a table are in raw; they come in one transaction."""
    if not _has(connection, source, table):
        return False
    query = f"select 1 from {quoted(source)}.{quoted(table)} where {LOAD_ID} = ? limit 1"
    return connection.execute(query, [load_id]).fetchone() is not None


def _set_aside(connection: duckdb.DuckDBPyConnection, source: str, table: str, load_id: str) -> int:
    if not _has(connection, source, QUARANTINE):
        return 0
    counted = connection.execute(
        f"select count(*) from {quoted(source)}.{QUARANTINE} where table_name = ? and load_id = ?",
        [table, load_id],
    ).fetchone()
    return int(counted[0]) if counted else 0


def _has(connection: duckdb.DuckDBPyConnection, source: str, table: str) -> bool:
    found = connection.execute(
        "select 1 from duckdb_tables() where schema_name = ? and table_name = ?", [source, table]
    )
    return found.fetchone() is not None
