"""A working day changes all three upstreams, and the next one goes on from there."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from ingestion import demo
from ingestion.demo import canary
from ingestion.demo.state import Layout

SHOP = ("customers", "products", "orders", "inventory")


class Snapshot:
    """Every row of the demo by its key."""

    def __init__(self, home: Path) -> None:
        found = demo.find(home)
        assert found is not None
        self.rows: dict[str, dict[object, object]] = {}
        with psycopg.connect(found.shop_url) as database:
            for table in SHOP:
                key = 2 if table == "inventory" else 1
                rows = database.execute(f"select * from {table}").fetchall()  # type: ignore[call-overload]
                self.rows[f"shop.{table}"] = {row[:key]: row for row in rows}
        with closing(sqlite3.connect(Layout.of(home).helpdesk)) as database_file:
            for table in ("tickets", "comments"):
                rows = database_file.execute(f"select id, document from {table}").fetchall()
                self.rows[f"helpdesk.{table}"] = dict(rows)
        paths = found.runbooks_path.rglob("*.md")
        self.rows["runbooks.documents"] = {path: path.read_bytes() for path in paths}

    def inserted(self, before: "Snapshot", table: str) -> int:
        return len(self.rows[table].keys() - before.rows[table].keys())

    def deleted(self, before: "Snapshot", table: str) -> int:
        return before.inserted(self, table)

    def updated(self, before: "Snapshot", table: str) -> int:
        shared = self.rows[table].keys() & before.rows[table].keys()
        return sum(self.rows[table][key] != before.rows[table][key] for key in shared)


def test_traffic_does_what_it_reports_in_all_three_upstreams(home: Path) -> None:
    before = Snapshot(home)
    report = demo.traffic(home, changes=60, seed=1)
    after = Snapshot(home)
    for table in before.rows:
        # A row may be inserted and changed, or changed twice, in one day.
        assert 0 <= after.inserted(before, table) <= report.inserted.get(table, 0)
        assert after.updated(before, table) <= report.updated.get(table, 0)
        assert after.deleted(before, table) <= report.deleted.get(table, 0)
    for source in ("shop", "helpdesk", "runbooks"):
        tables = [table for table in before.rows if table.startswith(source)]
        assert sum(after.inserted(before, table) for table in tables) > 0
        assert sum(after.updated(before, table) for table in tables) > 0
        assert sum(after.deleted(before, table) for table in tables) > 0


def test_changed_rows_carry_the_time_of_the_change(home: Path) -> None:
    found = demo.find(home)
    assert found is not None
    started = datetime.now(UTC)
    report = demo.traffic(home, changes=60)
    with psycopg.connect(found.shop_url) as database:
        row = database.execute(
            "select count(*) from orders where updated_at >= %s", [started]
        ).fetchone()
    assert row is not None
    assert row[0] >= report.inserted["shop.orders"]


def test_each_call_goes_on_with_new_rows_even_for_the_same_seed(home: Path) -> None:
    demo.traffic(home, changes=60, seed=5)
    middle = Snapshot(home)
    demo.traffic(home, changes=60, seed=5)
    after = Snapshot(home)
    for table in ("shop.orders", "helpdesk.tickets", "runbooks.documents"):
        assert after.inserted(middle, table) > 0


def test_the_canary_survives_a_busy_year(home: Path) -> None:
    demo.traffic(home, changes=2_000, seed=9)
    rows = Snapshot(home).rows
    assert canary.FULL_NAME in str(rows["shop.customers"][(canary.CUSTOMER_ID,)])
    assert canary.EMAIL in str(rows["helpdesk.tickets"][canary.TICKET_ID])


def test_runbooks_are_never_deleted(home: Path) -> None:
    demo.traffic(home, changes=300)
    found = demo.find(home)
    assert found is not None
    assert len(list((found.runbooks_path / "runbooks").glob("*.md"))) > 25
    assert (found.runbooks_path / "guides" / "warranty.md").exists()


def test_no_changes_is_an_argument_error(home: Path) -> None:
    with pytest.raises(demo.DemoError, match="at least one"):
        demo.traffic(home, changes=0)
