"""Hostile names, links and values in files arrive as they are, or are set aside with a reason."""

import io
import json
import os
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from tests.files.conftest import Folder

Declare = Callable[..., Folder]
ROW = {"id": {"type": "integer", "required": True}}
CSV = {"glob": "*.csv", "format": "csv", "primary_key": ["id"], "row": ROW}
JSONL = {**CSV, "glob": "*.jsonl", "format": "jsonl"}
PARQUET = {**CSV, "glob": "*.parquet", "format": "parquet", "row": {}}


def test_names_that_differ_only_in_case_or_unicode_form_are_different_files(
    folder: Declare,
) -> None:
    files = folder(glob="**/*.md")
    names = ["a.md", "A.md", "caf\u00e9.md", "cafe\u0301.md", "with space.md", "100%#?[1].md"]
    names += ["x" * 250 + ".md", "\U0001f600.md", "new\nline.md", "quote'\".md"]
    for name in names:
        files.write(name, f"# {len(name)}")
    assert files.load().rows == len(names)
    assert {row[0] for row in files.live("path")} == set(names)


def test_a_link_out_of_the_folder_is_refused_and_one_inside_is_read(folder: Declare) -> None:
    files = folder(glob="**/*.md")
    secret = files.home / "secret.md"
    secret.write_text("not yours", encoding="utf-8")
    files.write("one.md", "# One")
    (files.path / "out.md").symlink_to(secret)
    (files.path / "in.md").symlink_to(files.path / "one.md")
    (files.path / "loop.md").symlink_to(files.path / "loop.md")
    (files.path / "outside").symlink_to(files.home)
    report = files.load()
    assert (report.rows, report.in_quarantine) == (2, 1)
    assert files.live("path, content") == [("in.md", "# One"), ("one.md", "# One")]
    assert files.raw("select row_key, reason from own._quarantine") == [
        ("out.md", "path: a link out of the folder")
    ]
    (files.path / "out.md").unlink()
    assert files.load().in_quarantine == 0


def test_a_name_that_is_not_utf8_is_set_aside_by_its_escaped_name(folder: Declare) -> None:
    files = folder(glob="*.md")
    (files.path / os.fsdecode(b"\xff.md")).write_bytes(b"# One")
    assert files.load().in_quarantine == 1
    assert files.raw("select row_key, reason from own._quarantine") == [
        ("\\xff.md", "path: not UTF-8")
    ]


def test_csv_values_take_their_declared_types_and_a_malformed_line_is_set_aside(
    folder: Declare,
) -> None:
    row = {
        "id": {"type": "integer", "required": True},
        "price": {"type": "number", "ge": 0},
        "seen": {"type": "timestamp"},
        "on": {"type": "date"},
        "ok": {"type": "boolean"},
        "tags": {"type": "array"},
    }
    files = folder(**{**CSV, "row": row})
    files.write(
        "a.csv",
        "\ufeffid,price,seen,on,ok,tags,note\n"
        '1,1.5,2026-01-02T03:04:05+02:00,0001-01-01,true,"[1]",\n'
        "2,,,9999-12-31,,,plain\n"
        "3,-1,,,,,\n"
        "4,NaN,,,,,\n"
        "5,1\n"
        "6,1,,,,,,more\n"
        ",1,,,,,\n"
        f"{10**38},1,,,,,\n",
    )
    report = files.load()
    assert (report.rows, report.quarantined) == (2, 6)
    columns = 'id, price, epoch(seen), "on"::varchar, ok, tags::varchar, note'
    assert files.live(columns) == [
        (1, 1.5, 1767315845.0, "0001-01-01", True, "[1]", ""),
        (2, None, None, "9999-12-31", None, None, "plain"),
    ]
    found = dict(files.raw("select row_key, reason from own._quarantine"))
    assert found["3"] == "price: greater_than_equal"
    assert found["4"] == "price: finite_number"
    assert found["5"] == "line: fewer_values_than_columns"
    assert found["6"] == "line: more_values_than_columns"
    assert found[str(10**38)] == "id: less_than_equal"


def test_a_header_without_the_key_sets_the_whole_file_aside(folder: Declare) -> None:
    files = folder(**CSV)
    files.write("a.csv", "name\nx\n")
    files.write("b.csv", "id,x,x\n1,2,3\n")
    assert files.load().in_quarantine == 2
    assert sorted(files.raw("select row_key, reason from own._quarantine")) == [
        ("a.csv", "header: no column id"),
        ("b.csv", "header: two columns have one name"),
    ]


def test_jsonl_values_that_raw_cannot_hold_are_set_aside_each_with_its_reason(
    folder: Declare,
) -> None:
    files = folder(**JSONL)
    lines = [
        '{"id": 1, "x": "a\\u0000b", "deep": {"k": [1]}}',
        '{"id": 2, "x": NaN}',
        '{"id": 3, "x": 100000000000000000000000000000000000000}',
        '{"id": 4, "x": "\\ud800"}',
        '{"id": 5, "x": {"y": [Infinity]}}',
        "[1]",
        "not json",
        '{"x": "no key"}',
        '{"id": 6, "select": "reserved", "\U0001f600": "smile", "\U0001f601": "grin"}',
    ]
    files.write("a.jsonl", "\n".join(lines) + "\n")
    report = files.load()
    assert (report.rows, report.quarantined) == (2, 7)
    rows = files.live('id, x, deep, "select", u1f600, u1f601')
    assert rows[0] == (1, "a\0b", '{"k": [1]}', None, None, None)
    assert rows[1] == (6, None, None, "reserved", "smile", "grin")
    reasons = [row[0] for row in files.raw("select reason from own._quarantine order by row_key")]
    assert sorted(reasons) == [
        "id: missing",
        "line: not_an_object",
        "line: not_json",
        "x: finite_number",
        "x: finite_number",
        "x: integer_beyond_64_bits",
        "x: text_not_unicode",
    ]


def test_parquet_values_of_every_kind_arrive_or_are_text(folder: Declare) -> None:
    table = pa.table(
        {
            "id": [1, 2],
            "nan": pa.array([float("nan"), float("-inf")]),
            "long": pa.array([Decimal(10**38), Decimal(-1)], pa.decimal256(50, 0)),
            "big": pa.array([2**64 - 1, 0], pa.uint64()),
            "list": [[1, 2], None],
            "struct": [{"a": 1}, None],
            "kind": pa.array(["x", "y"]).dictionary_encode(),
            "early": pa.array([-62135596800000000, 253402300799999999], pa.timestamp("us", "UTC")),
            "nothing": pa.nulls(2),
            "bytes": pa.array([b"\0\xff", None]),
            "_file_size": [1, 2],
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    files = folder(**PARQUET)
    files.write("a.parquet", sink.getvalue())
    files.load()
    columns = "id, nan::varchar, long, big::varchar, list, struct, kind, epoch_us(early), bytes"
    assert files.live(columns) == [
        (1, "nan", str(10**38), str(2**64 - 1), "[1, 2]", '{"a": 1}', "x", -62135596800000000,
         b"\0\xff"),
        (2, "-inf", "-1", "0", None, None, "y", 253402300799999999, None),
    ]  # fmt: skip


@pytest.mark.parametrize("declared", [CSV, JSONL], ids=["csv", "jsonl"])
def test_a_cell_of_ten_megabytes_and_two_thousand_columns_arrive(
    folder: Declare, declared: dict[str, Any]
) -> None:
    files = folder(**declared)
    names = [f"c{index}" for index in range(2_000)]
    large = "\u00e4" * 5_000_000
    if declared is CSV:
        files.write("a.csv", f"id,{','.join(names)}\n1,{large}{',x' * 1_999}\n")
    else:
        files.write("a.jsonl", json.dumps({"id": 1, "c0": large, **dict.fromkeys(names[1:], "x")}))
    assert files.load().rows == 1
    assert files.live("strlen(c0), c1999") == [(10_000_000, "x")]


def test_a_column_with_a_name_of_ours_sets_the_file_aside(folder: Declare) -> None:
    files = folder(**CSV)
    files.write("a.csv", "id,_file\n1,x\n")
    assert files.load().in_quarantine == 1


def test_a_table_of_many_rows_a_file_must_say_its_key(folder: Declare) -> None:
    with pytest.raises(ValidationError, match="primary_key is missing"):
        folder(format="csv", glob="*.csv")


def test_a_nul_byte_in_a_document_arrives(folder: Declare) -> None:
    files = folder(glob="*.md")
    files.write("a.md", "a\0b")
    files.load()
    assert files.live("content") == [("a\0b",)]
