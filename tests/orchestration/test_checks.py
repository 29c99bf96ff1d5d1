"""What stops a promotion, and what does not."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from orchestration.checks import (
    leaks_found,
    rows_differ,
    too_stale,
    unclassified_columns,
)
from serving.catalog import Catalog, CatalogView
from serving.declarations import DeclaredSource, SourceColumn
from serving.leak_scan.report import Hit, ScanReport

CLASSES = frozenset({"public", "identifier", "email"})
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def customers(**classes: str | None) -> DeclaredSource:
    return DeclaredSource(
        source="shop",
        table="customers",
        file="models/staging/shop/_shop__sources.yml",
        columns={
            name: SourceColumn(name=name, privacy=privacy) for name, privacy in classes.items()
        },
    )


def test_a_new_upstream_column_blocks_and_the_message_is_the_yaml_to_add() -> None:
    finding = unclassified_columns(
        {"shop.customers": ["id", "passport"]}, [customers(id="identifier")], CLASSES
    )
    assert finding.blocks and not finding.passed
    assert "shop.customers.passport has no privacy class" in finding.problems[0]
    assert "_shop__sources.yml" in finding.problems[0]
    assert "- name: passport" in finding.problems[0]


@pytest.mark.parametrize("privacy", [None, "harmless", "Public"])
def test_a_class_that_the_project_does_not_know_is_no_class(privacy: str | None) -> None:
    finding = unclassified_columns({"shop.customers": ["id"]}, [customers(id=privacy)], CLASSES)
    assert len(finding.problems) == 1


def test_classified_columns_pass() -> None:
    raw = {"shop.customers": ["id", "email"]}
    assert unclassified_columns(raw, [customers(id="identifier", email="email")], CLASSES).passed


def test_one_row_too_few_or_too_many_blocks() -> None:
    assert rows_differ("agent_orders", "shop.orders", 10, 10).passed
    for rows in (9, 11):
        finding = rows_differ("agent_orders", "shop.orders", 10, rows)
        assert finding.blocks and not finding.passed


def catalog(age: timedelta | None, on_stale: Literal["warn", "refuse"]) -> Catalog:
    view = CatalogView(
        name="agent_orders",
        description="",
        columns=[],
        key="order_id",
        warn_after_s=3600,
        error_after_s=7200,
        on_stale=on_stale,
        data_as_of=None if age is None else NOW - age,
        sources=[],
    )
    return Catalog(
        snapshot_id="x",
        created_at=NOW,
        contract_version="x",
        views={"agent_orders": view},
        agents={},
    )


@pytest.mark.parametrize(
    ("age", "on_stale", "passes", "blocks"),
    [
        (timedelta(seconds=3600), "refuse", True, True),
        (timedelta(seconds=3601), "refuse", False, False),
        (timedelta(seconds=7201), "refuse", False, True),
        (timedelta(seconds=7201), "warn", False, False),
        (None, "refuse", False, True),
        (None, "warn", False, False),
    ],
)
def test_only_a_view_that_refuses_stale_answers_is_held_back(
    age: timedelta | None, on_stale: Literal["warn", "refuse"], passes: bool, blocks: bool
) -> None:
    finding = too_stale(catalog(age, on_stale), "agent_orders", NOW)
    assert finding.passed is passes
    assert passes or finding.blocks is blocks


def test_a_leak_is_told_by_its_place() -> None:
    hits = [Hit("views/a.duckdb", "a", "body", "email", str(row)) for row in range(4)]
    others = {(f"file {number}", "name"): 1 for number in range(25)}
    counts = Counter({(hits[0].place, "email"): 30, **others})
    finding = leaks_found(ScanReport(hits=tuple(hits), counts=counts))
    assert finding.blocks and not finding.passed
    assert finding.problems[-2].startswith("file")
    assert finding.problems[-1] == "and 6 more places"
    assert finding.facts["hits"] == 55
    alone = ScanReport(hits=tuple(hits), counts=counts - Counter(others))
    (told,) = leaks_found(alone).problems
    assert told == "views/a.duckdb: a.body holds email in 0, 1, 2 and 27 more"


def test_a_file_that_does_not_open_blocks() -> None:
    finding = leaks_found(ScanReport(unread=("views/a.duckdb",)))
    assert finding.problems == ["views/a.duckdb does not open, so its cells were not searched"]
