"""A raw table that was dropped, or that a person does not trust, is loaded from the start."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingestion.load import load_source
from ingestion.quarantine import list_quarantine
from ingestion.retry import retry
from ingestion.spec import SourceSpec
from tests.ingestion.conftest import Database, raw
from tests.quarantine.small_api import API, api

Declare = Callable[[dict[str, Any]], SourceSpec]
CREATE = (
    "create table items (id bigint primary key, name text, "
    "changed_at timestamptz not null default '2020-01-01')"
)
LIVE = "select id, name from own.items where _deleted_at is null order by id"


def items(capture: str, **table: Any) -> dict[str, Any]:
    """The declaration of a table that is followed in one of both ways."""
    return {
        "kind": "sql_database",
        "db_schema": "public",
        "capture": capture,
        "tables": {
            "items": {
                "primary_key": ["id"],
                "cursor": {"column": "changed_at", "overlap": "0s"},
                "max_shrink_share": 1,
                **table,
            },
            "notes": {"primary_key": ["id"]},
        },
    }


def drop(home: Path, table: str = "items") -> None:
    """Drop a raw table, as a person does."""
    with duckdb.connect(str(home / "warehouse.duckdb")) as warehouse:
        warehouse.execute(f"drop table own.{table}")


@pytest.fixture
def filled(database: Database) -> Database:
    """A database with rows, whose slot goes with it."""
    database.execute(
        CREATE,
        "create table notes (id int primary key)",
        "insert into items values (1, 'a'), (2, 'b')",
        "insert into notes values (1)",
    )
    return database


@pytest.mark.parametrize("capture", ["log", "cursor"])
def test_a_dropped_raw_table_comes_back_whole_with_the_new_changes(
    filled: Database, declare: Declare, capture: str
) -> None:
    spec = declare(items(capture))
    filled.load(spec)
    drop(filled.home)
    filled.execute("insert into items values (3, 'c', now())")
    report = filled.load(spec)
    assert filled.raw(LIVE) == [(1, "a"), (2, "b"), (3, "c")]
    assert "raw had lost items" in report.alarms[0]
    filled.execute("update items set name = 'd', changed_at = now() where id = 3")
    assert filled.load(spec).alarms == []
    assert filled.raw(LIVE) == [(1, "a"), (2, "b"), (3, "d")]
    assert filled.raw("select count(*) from own.notes") == [(1,)]
    drop_slot(filled)


@pytest.mark.parametrize("capture", ["log", "cursor"])
def test_a_column_that_changed_its_type_arrives_after_its_raw_table_was_dropped(
    filled: Database, declare: Declare, capture: str
) -> None:
    spec = declare(items(capture))
    filled.load(spec)
    filled.execute("alter table items alter name type bigint using 5", "update items set name = 7")
    drop(filled.home)
    filled.load(spec)
    assert filled.raw(LIVE) == [(1, 7), (2, 7)]
    drop_slot(filled)


def test_a_warehouse_that_was_removed_is_filled_again(filled: Database, declare: Declare) -> None:
    spec = declare(items("cursor"))
    filled.load(spec)
    (filled.home / "warehouse.duckdb").unlink()
    filled.load(spec)
    assert filled.raw(LIVE) == [(1, "a"), (2, "b")]


@pytest.mark.parametrize("capture", ["log", "cursor"])
def test_a_reload_reads_every_row_and_deletes_what_is_gone(
    filled: Database, declare: Declare, capture: str
) -> None:
    spec = declare(items(capture))
    filled.load(spec)
    with duckdb.connect(str(filled.home / "warehouse.duckdb")) as warehouse:
        warehouse.execute(
            "update own.items set name = 'spoilt'; insert into own.items (id) values (9)"
        )
    report = load_source("own", spec, filled.home, tables=["items"], anew=["items"])
    assert filled.raw(LIVE) == [(1, "a"), (2, "b")]
    assert (report.tables["items"].read, report.tables["items"].gone) == (2, 1)
    filled.execute("insert into items values (3, 'c', now())")
    filled.load(spec)
    assert filled.raw(LIVE) == [(1, "a"), (2, "b"), (3, "c")]
    drop_slot(filled)


def test_a_dropped_raw_table_comes_back_before_rows_of_it_are_retried(
    filled: Database, declare: Declare
) -> None:
    strict = declare(items("cursor", row={"name": {"type": "text", "required": True}}))
    filled.execute("insert into items values (3, null)")
    filled.load(strict)
    drop(filled.home)
    retry("own", declare(items("cursor")), filled.home)
    assert filled.raw(LIVE) == [(1, "a"), (2, "b"), (3, None)]
    assert list_quarantine(filled.home, {"own": strict})["own"] == []


def test_a_dropped_table_of_an_api_is_asked_for_from_the_start(
    declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    table = API["tables"]["items"]
    row = {**table["row"], "at": {"type": "timestamp"}}
    cursor = {"column": "at", "param": "since", "overlap": "1m"}
    spec = declare({**API, "tables": {"items": {**table, "row": row, "cursor": cursor}}})
    page = '{"data": [{"id": 1, "price": 1, "at": "2026-01-02T12:00:00Z"}]}'
    with api([page], asked) as url:
        monkeypatch.setenv("SOURCES__OWN__URL", url)
        load_source("own", spec, tmp_path)
        load_source("own", spec, tmp_path)
        drop(tmp_path)
        load_source("own", spec, tmp_path)
    assert ["since=" in path for path in asked] == [False, True, False, True]
    assert raw(tmp_path, "select id, price from own.items") == [(1, 1)]


def drop_slot(database: Database) -> None:
    """Let the database be dropped."""
    database.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots where "
                     "database = current_database()")  # fmt: skip
