"""Rows that break their declaration are set aside, and no others."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from ingestion.row_model import RowModel
from ingestion.spec import RowField

FIELDS = {
    "id": RowField(type="integer", required=True),
    "price": RowField(type="integer", ge=0),
    "items": RowField(type="array"),
}


class Aside:
    """Collects what was set aside."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str]] = []

    def __call__(self, key: str, reason: str, row: Mapping[str, Any]) -> None:
        self.rows.append((key, reason))


def test_a_good_row_passes_with_fields_that_nobody_declared() -> None:
    aside = Aside()
    row = RowModel(FIELDS, ["id"]).check({"id": "7", "price": 5, "new": "column"}, aside)
    assert row is not None
    assert row["id"] == 7 and row["new"] == "column"
    assert aside.rows == []


def test_a_reason_names_field_and_rule_but_never_the_value() -> None:
    aside = Aside()
    assert RowModel(FIELDS, ["id"]).check({"id": 1, "price": "ann@example.com"}, aside) is None
    assert aside.rows == [("1", "price: int_parsing")]


def test_a_missing_required_field_and_a_number_out_of_range_are_both_told() -> None:
    aside = Aside()
    RowModel(FIELDS, ["id"]).check({"price": -1}, aside)
    assert [reason for _, reason in aside.rows] == ["id: missing; price: greater_than_equal"]


def test_arrow_rows_lose_only_the_malformed_one() -> None:
    aside = Aside()
    rows = pa.table(
        {"id": [1, 2, 3], "price": [1, 1, 1], "items": ["[]", '{"a": 1}', "[1]"], "x": [7, 8, 9]}
    )
    kept = RowModel(FIELDS, ["id"]).filter_arrow(rows, aside)
    assert kept["id"].to_pylist() == [1, 3]
    assert kept["x"].to_pylist() == [7, 9]
    assert aside.rows == [("2", "items: list_type")]


def test_text_that_is_no_json_is_set_aside_too() -> None:
    aside = Aside()
    rows = pa.table({"id": [1], "price": [1], "items": ["not json"]})
    assert RowModel(FIELDS, ["id"]).filter_arrow(rows, aside).num_rows == 0
    assert aside.rows[0][0] == "1"
