"""A file in the warehouse's place that DuckDB cannot open."""

from collections.abc import Callable
from typing import Any

import duckdb
import pytest

from ingestion.errors import SourceFailed, WarehouseDamaged
from ingestion.spec import SourceSpec
from ingestion.status import source_states
from ingestion.warehouse import KeptOpen, warehouse_path
from tests.ingestion.conftest import Database


@pytest.fixture
def items(declare: Callable[[dict[str, Any]], SourceSpec]) -> SourceSpec:
    """A table by its cursor."""
    table = {"primary_key": ["id"], "cursor": {"column": "changed_at"}}
    return declare({"kind": "sql_database", "db_schema": "public", "tables": {"items": table}})


@pytest.fixture
def damaged(database: Database) -> Database:
    """A database with a row, beside a warehouse whose first page was lost."""
    database.execute(
        "create table items (id bigint primary key, name text, changed_at timestamptz)",
        "insert into items values (1, 'a', now())",
    )
    warehouse_path(database.home).write_bytes(bytes(12_288))
    return database


def test_it_is_told_with_what_to_do_and_left_as_it_is(damaged: Database, items: SourceSpec) -> None:
    with pytest.raises(SourceFailed, match=r"damaged.* cannot be told now$") as told:
        damaged.load(items)
    assert "move it away" in str(told.value)
    with pytest.raises(WarehouseDamaged, match="move it away"):
        source_states({"own": items}, damaged.home)
    assert warehouse_path(damaged.home).read_bytes() == bytes(12_288)


def test_once_it_is_moved_away_everything_is_read_anew(
    damaged: Database, items: SourceSpec
) -> None:
    warehouse_path(damaged.home).unlink()
    damaged.load(items)
    warehouse_path(damaged.home).write_bytes(bytes(12_288))
    with pytest.raises(SourceFailed, match="damaged"):
        damaged.load(items)
    warehouse_path(damaged.home).unlink()
    damaged.load(items)
    assert damaged.raw("select id from own.items") == [(1,)]


def test_what_a_killed_writer_left_beside_a_file_that_was_moved_away_is_not_read(
    damaged: Database, items: SourceSpec
) -> None:
    warehouse_path(damaged.home).unlink()
    left = damaged.home / "warehouse.duckdb.wal"
    with duckdb.connect(str(damaged.home / "other.duckdb")) as connection:
        connection.execute("pragma disable_checkpoint_on_shutdown; create table t as select 1 as i")
    (damaged.home / "other.duckdb.wal").rename(left)
    damaged.load(items)
    assert damaged.raw("select id from own.items") == [(1,)]
    assert damaged.raw("select 1 from duckdb_tables() where table_name = 't'") == []


def test_who_keeps_it_open_leaves_it_to_each_step_to_tell(damaged: Database) -> None:
    kept = KeptOpen(damaged.home)
    kept.take()
    kept.let_go()
    with pytest.raises(WarehouseDamaged):
        source_states({}, damaged.home)
