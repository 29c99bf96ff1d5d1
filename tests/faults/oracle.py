"""What the source holds is what raw and the agent's views must hold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import psycopg

from ingestion.vanished import quoted
from serving import snapshot
from serving.store_rows import store_rows
from tests.faults.views import VIEWS

Rows = list[tuple[Any, ...]]


def assert_equal_to_source(url: str, home: Path, *, context: str = "") -> None:
    """Raw's live rows, each key once, and the published views equal the source's rows."""
    for table in ("items", "accounts"):
        columns, rows = at_source(url, table)
        raw = in_raw(home, table, columns)
        told = difference(columns, raw, rows)
        assert told == "", f"raw {table}: {told} {context}"
        assert tombstones_with_values(home, table) == [], f"{table} {context}"
    assert set_aside(home) == [], f"healthy rows in quarantine {context}"
    for view in VIEWS:
        columns, rows = in_view(home, view)
        _, expected = at_source(url, view.removeprefix("agent_"), columns)
        told = difference(columns, rows, expected)
        assert told == "", f"view {view}: {told} {context}"


def at_source(url: str, table: str, columns: Sequence[str] = ()) -> tuple[list[str], Rows]:
    """Column names and rows of a table at the source, by key."""
    listed = ", ".join(map(quoted, columns)) or "*"
    with psycopg.connect(url, autocommit=True) as live:
        cursor = live.execute(f"select {listed} from {quoted(table)} order by id".encode())
        assert cursor.description is not None
        return [column.name for column in cursor.description], cursor.fetchall()


def in_raw(home: Path, table: str, columns: Sequence[str]) -> Rows:
    """The live rows of a raw table; a column that never arrived is NULL."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        described = connection.execute(f"describe own.{table}").fetchall()
        there = {row[0] for row in described}
        listed = ", ".join(quoted(name) if name in there else "null" for name in columns)
        return connection.execute(
            f"select {listed} from own.{table} where _deleted_at is null order by id"
        ).fetchall()


def tombstones_with_values(home: Path, table: str) -> Rows:
    """Deleted rows that still hold something, or that stand beside a live row of their key."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        described = connection.execute(f"describe own.{table}").fetchall()
        held = [row[0] for row in described if row[0] != "id" and not row[0].startswith("_")]
        return connection.execute(
            f"select id from own.{table} group by id having count(*) > 1 union all "
            f"select id from own.{table} where _deleted_at is not null "
            f"and coalesce({', '.join(f'{quoted(name)}::varchar' for name in held)}) is not null"
        ).fetchall()


def set_aside(home: Path) -> Rows:
    """Keys and reasons of the rows in quarantine; every row of these histories is healthy."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        there = connection.execute(
            "select 1 from information_schema.tables where table_name = '_quarantine' "
            "and table_schema = 'own'"
        ).fetchone()
        query = "select row_key, reason from own._quarantine limit 5"
        return connection.execute(query).fetchall() if there else []


def in_view(home: Path, view: str) -> tuple[list[str], Rows]:
    """Column names and rows of a published view, by key."""
    folder, catalog = snapshot.current(home)
    with store_rows(folder, catalog.views[view], catalog.stores[view]) as connection:
        columns = [column.name for column in catalog.views[view].columns]
        listed = ", ".join(map(quoted, columns))
        return columns, connection.execute(f"select {listed} from {view} order by id").fetchall()


def balance(home: Path) -> int:
    """The sum that every transfer between accounts leaves as it is, as published."""
    _, rows = in_view(home, "agent_accounts")
    return sum(row[1] for row in rows)


def difference(columns: Sequence[str], found: Rows, expected: Rows) -> str:
    """How two lists of rows by key differ, in one line; empty when they do not."""
    ours, theirs = {row[0]: row for row in found}, {row[0]: row for row in expected}
    if len(ours) != len(found):
        return "a key twice"
    missing = sorted(theirs.keys() - ours.keys())
    extra = sorted(ours.keys() - theirs.keys())
    other = sorted(key for key in ours.keys() & theirs.keys() if ours[key] != theirs[key])
    if not (missing or extra or other):
        return ""
    pairs = [
        f"{key}.{column}: {str(mine)[:40]!r} for {str(its)[:40]!r}"
        for key in other[:3]
        for column, mine, its in zip(columns, ours[key], theirs[key], strict=True)
        if mine != its
    ]
    return f"missing {missing[:5]}, extra {extra[:5]}, different {other[:5]}: {'; '.join(pairs)}"
