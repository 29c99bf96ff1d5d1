"""What is set aside, what of it is told, and how it gets out again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingestion.load import load_source
from ingestion.quarantine import list_quarantine
from ingestion.retry import retry
from ingestion.spec import FilesSource, RowField, SourceSpec
from tests.files.conftest import Folder
from tests.ingestion.conftest import Database, raw
from tests.quarantine.small_api import API, api

Declare = Callable[[dict[str, Any]], SourceSpec]
PERSONAL = "ann@example.com"
CREATE = (
    "create table items (id bigint primary key, email text, price int, "
    "changed_at timestamptz default now())"
)


def items(**table: Any) -> dict[str, Any]:
    """The declaration of a database with a model for ``price``."""
    declared = {
        "primary_key": ["id"],
        "cursor": {"column": "changed_at", "overlap": "0s"},
        "row": {"price": {"type": "integer", "ge": 0}},
        **table,
    }
    return {"kind": "sql_database", "db_schema": "public", "tables": {"items": declared}}


def test_a_row_set_aside_is_told_by_its_shape_and_never_by_a_value(
    database: Database, declare: Declare
) -> None:
    database.execute(CREATE, f"insert into items values (7, '{PERSONAL}', -5)")
    spec = declare(items())
    load_id = database.load(spec).load_ids
    (row,) = list_quarantine(database.home, {"own": spec})["own"]
    assert (row.table_name, row.row_key, row.reason) == ("items", "7", "price: greater_than_equal")
    assert [row.load_id] == load_id
    assert json.loads(row.payload) == {
        "id": "int",
        "email": "text of 15",
        "price": "int",
        "changed_at": "datetime",
    }
    assert PERSONAL not in str(database.raw("from own._quarantine"))


def test_the_report_has_the_share_that_an_asset_check_compares(
    database: Database, declare: Declare
) -> None:
    database.execute(CREATE, "insert into items select i, null, i - 2 from generate_series(1, 4) i")
    report = database.load(declare(items(quarantine={"max_share": 0.2}))).tables["items"]
    assert (report.in_quarantine, report.rows) == (1, 3)
    assert report.quarantine_share == 0.25 > report.max_quarantine_share == 0.2


def test_a_row_that_arrives_healthy_leaves_quarantine_by_itself(
    database: Database, declare: Declare
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a', -5), (2, 'b', -5), (3, 'c', 5)")
    spec = declare(items())
    database.load(spec)
    database.execute("update items set price = 5, changed_at = now() where id = 1")
    report = database.load(spec).tables["items"]
    assert (report.in_quarantine, report.rows) == (1, 2)
    assert database.raw("select row_key from own._quarantine") == [("2",)]


def test_a_row_that_turns_bad_waits_while_its_last_good_version_stays(
    database: Database, declare: Declare
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a', 5)")
    spec = declare(items())
    database.load(spec)
    database.execute("update items set price = -5, changed_at = now()")
    assert database.load(spec).tables["items"].in_quarantine == 1
    assert database.load(spec).tables["items"].in_quarantine == 1
    assert database.raw("select price from own.items where _deleted_at is null") == [(5,)]


def test_a_retry_reads_rows_by_key_far_behind_the_cursor_after_the_model_was_mended(
    database: Database, declare: Declare
) -> None:
    old = "'2020-01-01'"
    database.execute(
        CREATE,
        f"insert into items values (1, 'a', -5, {old}), (2, 'b', -500, {old}), (3, 'c', 5, now())",
    )
    database.load(declare(items()))
    database.execute("insert into items values (4, 'd', 5, '2020-01-01')")
    mended = declare(items(row={"price": {"type": "integer", "ge": -10}}))
    report = retry("own", mended, database.home)
    assert (report.waited, report.waiting) == ({"items": 2}, {"items": 1})
    assert database.raw("select id from own.items order by id") == [(1,), (3,)]
    assert database.raw("select row_key from own._quarantine") == [("2",)]


def test_a_retry_lets_go_of_rows_that_the_source_no_longer_has(
    database: Database, declare: Declare
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a', -5), (2, 'b', 5)")
    spec = declare(items())
    database.load(spec)
    database.execute("delete from items")
    assert retry("own", spec, database.home).waiting == {"items": 0}
    assert database.raw("select count(*) from own._quarantine") == [(0,)]


def test_a_retry_moves_no_watermark(database: Database, declare: Declare) -> None:
    database.execute(CREATE, "insert into items values (1, 'a', -5)")
    spec = declare(items())
    held = database.load(spec).tables["items"].watermark
    retry("own", spec, database.home)
    assert database.raw("select watermark from own._watermarks") == [(held,)]


def test_composite_keys_with_separators_in_them_are_told_apart(
    database: Database, declare: Declare
) -> None:
    database.execute(
        "create table items (id text, part text, price int, primary key (id, part))",
        """insert into items values ('a|b', 'c', -1), ('a', 'b|c', -1), ('["x"]', '"', -1)""",
    )
    spec = declare(items(primary_key=["id", "part"], cursor=None))
    assert database.load(spec).tables["items"].in_quarantine == 3
    database.execute("update items set price = 1 where part <> 'c'")
    assert retry("own", spec, database.home).waiting == {"items": 1}
    assert database.raw("select row_key from own._quarantine") == [('["a|b","c"]',)]


def test_rows_without_a_key_are_counted_and_do_not_double(
    database: Database, declare: Declare
) -> None:
    database.execute(
        "create table items (id bigint, price int)",
        "insert into items values (null, 1), (null, 2), (1, 3)",
    )
    spec = declare(items(cursor=None))
    database.load(spec)
    report = database.load(spec).tables["items"]
    assert (report.rows, report.in_quarantine) == (1, 2)
    database.execute("delete from items where id is null")
    assert database.load(spec).tables["items"].in_quarantine == 0


def test_a_deleted_row_of_a_whole_table_leaves_quarantine_too(
    database: Database, declare: Declare
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a', -5), (2, 'b', 5)")
    spec = declare(items(cursor=None))
    assert database.load(spec).tables["items"].in_quarantine == 1
    database.execute("delete from items where id = 1")
    assert database.load(spec).tables["items"].in_quarantine == 0


def test_a_mended_file_leaves_quarantine_and_a_mended_model_by_a_retry(
    folder: Callable[..., Folder],
) -> None:
    row = {"id": {"type": "integer"}, "price": {"type": "number", "ge": 0}}
    csv = {"glob": "*.csv", "format": "csv", "primary_key": ["id"], "row": row}
    files = folder(**csv)
    files.write("a.csv", "id,price\n1,-1\n2,2\n")
    files.write("b.csv", "id,price\n3,-1\nx,-1\n")
    assert files.load().in_quarantine == 3
    files.write("a.csv", "id,price\n1,1\n2,2\n")
    assert files.load().in_quarantine == 2
    lenient = folder_spec(files, row | {"price": {"type": "number"}})
    assert retry("own", lenient, files.home).waiting == {"rows": 1}
    assert files.live("id, price") == [(1, 1.0), (2, 2.0), (3, -1.0)]


def folder_spec(files: Folder, row: dict[str, Any]) -> SourceSpec:
    """The declaration of the same files with another model."""
    fields = {name: RowField.model_validate(kind) for name, kind in row.items()}
    assert isinstance(files.spec, FilesSource)
    table = files.spec.tables["rows"].model_copy(update={"row": fields})
    return files.spec.model_copy(update={"tables": {"rows": table}})


def test_hostile_values_of_an_api_arrive_or_are_counted(
    declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = "\u00e4" * 5_000_000
    page = f"""{{"data": [
        {{"id": 1, "select": "a\\u0000b", "\U0001f600": "smile", "large": "{large}"}},
        {{"id": 2, "x": NaN}},
        {{"id": 3, "x": -Infinity}},
        {{"id": 4, "price": {10**38}}},
        {{"id": 5, "y": {10**38}}},
        {{"id": 6, "nested": {{"z": [{10**38}]}}}},
        {{"id": 7, "text": "\\ud800"}},
        {{"id": 8, "early": "0001-01-01T00:00:00Z", "late": "9999-12-31T23:59:59Z"}},
        {{"price": 1}},
        {{"id": 9, "userId": 1, "user_id": 2}},
        {{"id": 10, "_loaded_at": 1}}
    ]}}"""
    with api([page]) as url:
        monkeypatch.setenv("SOURCES__OWN__URL", url)
        report = load_source("own", declare(API), tmp_path).tables["items"]
    assert (report.rows, report.in_quarantine) == (2, 9)
    columns = 'id, "select", u1f600, length(large)'
    rows = raw(tmp_path, f"select {columns} from own.items order by id")
    assert rows == [(1, "a\0b", "smile", 5_000_000), (8, None, None, None)]
    early = "select early::varchar, late::varchar from own.items where id = 8"
    assert raw(tmp_path, early)[0][0].startswith("0001-01-01")
    assert raw(tmp_path, early)[0][1].startswith("9999-12-31")


def test_a_retry_lists_an_api_anew_and_rows_that_vanished_from_it_become_tombstones(
    declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = '{"data": [{"id": 1, "price": "x"}, {"id": 2, "price": 2}, {"id": 3, "price": 3}]}'
    after = '{"data": [{"id": 1, "price": 1}, {"id": 2, "price": 2}]}'
    with api([before, after]) as url:
        monkeypatch.setenv("SOURCES__OWN__URL", url)
        spec = declare(API)
        assert load_source("own", spec, tmp_path).tables["items"].in_quarantine == 1
        assert retry("own", spec, tmp_path).waiting == {"items": 0}
    live = "select id, price from own.items where _deleted_at is null order by id"
    assert raw(tmp_path, live) == [(1, 1), (2, 2)]
