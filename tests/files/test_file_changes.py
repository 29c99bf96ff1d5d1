"""New, changed, removed and half-written files, and what they do to raw."""

import io
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ingestion.errors import SourceFailed
from ingestion.file_listing import copied, list_files
from tests.files.conftest import Folder

Declare = Callable[..., Folder]
ROW = {"id": {"type": "integer", "required": True}, "name": {"type": "text"}}
CSV = {"glob": "*.csv", "format": "csv", "primary_key": ["id"], "row": ROW, "max_shrink_share": 1}
JSONL = {**CSV, "glob": "*.jsonl", "format": "jsonl"}
PARQUET = {**CSV, "glob": "*.parquet", "format": "parquet", "row": {}}


def parquet(**columns: Any) -> bytes:
    """A Parquet file of these columns."""
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("declared", "name", "content"),
    [
        (CSV, "a.csv", "id,name\n1,one\n2,two\n"),
        (JSONL, "a.jsonl", '{"id": 1, "name": "one"}\n{"id": 2, "name": "two"}'),
        (PARQUET, "a.parquet", parquet(id=[1, 2], name=["one", "two"])),
    ],
    ids=["csv", "jsonl", "parquet"],
)
def test_every_row_arrives_with_its_file_and_its_line(
    folder: Declare, declared: dict[str, Any], name: str, content: str | bytes
) -> None:
    files = folder(**declared)
    files.write(name, content)
    report = files.load()
    assert (report.rows, report.read) == (2, 2)
    rows = files.live("id, name, _file, _file_row, length(_file_hash)")
    assert rows == [(1, "one", name, 1, 64), (2, "two", name, 2, 64)]
    assert files.load().read == 0


def test_a_row_that_leaves_a_changed_file_becomes_a_tombstone_without_its_values(
    folder: Declare,
) -> None:
    files = folder(**CSV)
    files.write("a.csv", "id,name\n1,one\n2,two\n")
    files.load()
    files.write("a.csv", "id,name\n1,uno\n3,three\n")
    assert files.load().gone == 1
    assert files.live() == [(1, "uno"), (3, "three")]
    assert files.raw("select id, name, _file from own.rows where _deleted_at is not null") == [
        (2, None, None)
    ]


def test_a_removed_file_takes_its_rows_with_it_and_they_may_come_back(folder: Declare) -> None:
    files = folder(**CSV)
    path = files.write("a.csv", "id,name\n1,one\n")
    files.write("b.csv", "id,name\n2,two\n")
    files.load()
    path.unlink()
    files.load()
    assert files.live() == [(2, "two")]
    files.write("a.csv", "id,name\n1,one\n")
    files.load()
    assert files.live() == [(1, "one"), (2, "two")]


def test_a_removed_document_becomes_a_tombstone(folder: Declare) -> None:
    files = folder(glob="**/*.md")
    path = files.write("deep/one.md", "# One")
    files.write("two.md", "# Two")
    files.load()
    path.unlink()
    assert files.load().gone == 1
    assert files.live("path") == [("two.md",)]
    dead = "select path, content, content_hash from own.rows where _deleted_at is not null"
    assert files.raw(dead) == [("deep/one.md", None, None)]


def test_a_row_that_moves_to_another_file_stays(folder: Declare) -> None:
    files = folder(**CSV)
    files.write("a.csv", "id,name\n1,one\n")
    files.write("b.csv", "id,name\n2,two\n")
    files.load()
    files.write("a.csv", "id,name\n")
    files.write("b.csv", "id,name\n1,one\n2,two\n")
    assert files.load().gone == 0
    assert files.live("id, _file") == [(1, "b.csv"), (2, "b.csv")]


def test_a_row_of_a_removed_file_falls_back_to_the_file_that_holds_it_too(folder: Declare) -> None:
    files = folder(**CSV)
    files.write("a.csv", "id,name\n1,old\n2,two\n")
    path = files.write("b.csv", "id,name\n1,new\n")
    files.load()
    assert files.live() == [(1, "new"), (2, "two")]
    path.unlink()
    files.load()
    assert files.live() == [(1, "old"), (2, "two")]


def test_of_a_key_that_comes_twice_in_a_file_the_last_line_stays(folder: Declare) -> None:
    files = folder(**CSV)
    files.write("a.csv", "id,name\n1,first\n1,second\n1,third\n")
    files.load()
    assert files.live() == [(1, "third")]


FILES = st.dictionaries(
    st.sampled_from(["a.csv", "b.csv", "c.csv"]),
    st.dictionaries(st.integers(1, 4), st.sampled_from("xyz"), max_size=4),
)


@settings(
    max_examples=6,
    # An example is whole loads: making a failing one smaller would take minutes.
    phases=[Phase.generate],
)
@given(versions=st.lists(FILES, min_size=2, max_size=4))
def test_after_any_changes_the_table_is_that_of_the_files_in_order(
    folder: Declare, versions: list[dict[str, dict[int, str]]]
) -> None:
    files = folder(**CSV)
    for version in versions:
        for path in files.path.iterdir():
            path.unlink()
        expected: dict[int, str] = {}
        for name, rows in sorted(version.items()):
            files.write(name, "id,name\n" + "".join(f"{k},{v}\n" for k, v in rows.items()))
            expected |= rows
        files.load()
        there = files.raw("select count(*) from information_schema.tables where table_name='rows'")
        assert dict(files.live() if there != [(0,)] else []) == expected


def test_an_empty_folder_in_place_of_a_full_one_deletes_nothing(folder: Declare) -> None:
    files = folder(**{**CSV, "max_shrink_share": 0.5})
    path = files.write("a.csv", "id,name\n1,one\n2,two\n")
    files.load()
    path.unlink()
    with pytest.raises(SourceFailed, match=r"2 of 2 rows of own.rows are gone.*max_shrink_share"):
        files.load()
    assert files.live() == [(1, "one"), (2, "two")]


@pytest.mark.parametrize(
    ("declared", "name", "whole"),
    [
        (JSONL, "a.jsonl", b'{"id": 1, "name": "one"}\n{"id": 2, "name": "two"}\n'),
        (PARQUET, "a.parquet", parquet(id=[1, 2], name=["one", "two"])),
        (CSV, "a.csv", b'id,name\n1,one\n2,"two"\n'),
    ],
    ids=["jsonl", "parquet", "csv in a quote"],
)
def test_a_half_written_file_waits_for_the_next_load(
    folder: Declare, declared: dict[str, Any], name: str, whole: bytes
) -> None:
    files = folder(**declared)
    files.write(name, whole[:-4])
    report = files.load()
    assert (report.waiting, report.quarantined, report.rows) == (1, 0, 0)
    files.write(name, whole)
    report = files.load()
    assert (report.waiting, report.quarantined, report.rows) == (0, 0, 2)


def test_a_file_that_stays_broken_goes_to_quarantine_and_leaves_it_when_it_is_mended(
    folder: Declare,
) -> None:
    files = folder(**PARQUET)
    files.write("a.parquet", b"PAR1 and no more")
    files.load()
    report = files.load()
    assert (report.waiting, report.in_quarantine) == (0, 1)
    assert files.raw("select row_key, reason, place from own._quarantine") == [
        ("a.parquet", "content: not Parquet", "a.parquet")
    ]
    assert files.load().quarantined == 0
    files.write("a.parquet", parquet(id=[1], name=["one"]))
    assert files.load().in_quarantine == 0


def test_the_last_line_of_a_log_that_nobody_finishes_is_set_aside_and_the_rest_loads(
    folder: Declare,
) -> None:
    files = folder(**JSONL)
    files.write("a.jsonl", '{"id": 1, "name": "one"}\n{"id": 2, "na')
    files.load()
    report = files.load()
    assert (report.rows, report.quarantined) == (1, 1)
    assert files.raw("select row_key, reason from own._quarantine") == [
        ("line 2", "line: not_json")
    ]


def test_a_broken_file_keeps_the_rows_that_it_had(folder: Declare) -> None:
    files = folder(**PARQUET)
    files.write("a.parquet", parquet(id=[1], name=["one"]))
    files.load()
    files.write("a.parquet", b"broken")
    files.load()
    files.load()
    assert files.live() == [(1, "one")]


def test_a_row_that_turns_bad_in_its_file_keeps_its_last_good_version(folder: Declare) -> None:
    files = folder(**CSV)
    files.write("a.csv", "id,name\n1,one\n2,two\n")
    files.load()
    files.write("a.csv", "id,name\n1,one,more\n2,two\n")
    report = files.load()
    assert (report.gone, report.in_quarantine) == (0, 1)
    assert files.live() == [(1, "one"), (2, "two")]


def test_a_young_file_waits_until_it_has_settled(folder: Declare) -> None:
    files = folder(**CSV, settle="1h")
    path = files.write("a.csv", "id,name\n1,one\n")
    assert files.load().waiting == 1
    old = (datetime.now(UTC) - timedelta(hours=2)).timestamp()
    os.utime(path, (old, old))
    assert files.load().rows == 1


def test_a_file_that_changed_since_it_was_listed_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n", encoding="utf-8")
    found = list_files(tmp_path, "*.csv")[0]
    (tmp_path / "a.csv").write_text("id\n1\n2\n", encoding="utf-8")
    with copied(found) as copy:
        assert copy is None


def test_a_file_that_went_since_it_was_listed_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n", encoding="utf-8")
    found = list_files(tmp_path, "*.csv")[0]
    found.full.unlink()
    with copied(found) as copy:
        assert copy is None
