"""A row that a load brings as raw has it stays as it is there; every other one is written."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from ingestion.load import load_source
from ingestion.reconcile import reconcile
from ingestion.report import LoadReport
from ingestion.spec import SourceSpec
from tests.ingestion.conftest import Database, raw
from tests.quarantine.small_api import API, api

Declare = Callable[[dict[str, Any]], SourceSpec]
CURSOR = {
    "kind": "sql_database",
    "db_schema": "public",
    "tables": {"items": {"primary_key": ["id"], "cursor": {"column": "changed_at"}}},
}
WHOLE = {
    "kind": "sql_database",
    "db_schema": "public",
    "tables": {"items": {"primary_key": ["id"], "max_shrink_share": 1}},
}
CREATE = "create table items (id bigint primary key, name text, changed_at timestamptz)"
TWO = "insert into items values (1, 'a', '2026-01-01'), (2, 'b', '2026-01-01')"
STAMPS = "select id, _dlt_load_id, _loaded_at from own.items order by id"


@pytest.mark.parametrize("declared", [CURSOR, WHOLE], ids=["cursor", "whole"])
def test_rows_that_are_read_again_stay_as_they_are_and_only_what_differs_is_written(
    database: Database, declare: Declare, declared: dict[str, Any]
) -> None:
    database.execute(CREATE, TWO)
    spec = declare(declared)
    first = database.load(spec).tables["items"]
    before = database.raw(STAMPS)
    again = database.load(spec).tables["items"]
    assert database.raw(STAMPS) == before
    # No cursor moves where a value changes without it; the overlap reads it all the same.
    database.execute("update items set name = 'B' where id = 2")
    report = database.load(spec)
    after = database.raw(STAMPS)
    assert after[0] == before[0]
    assert [row[1] for row in after[1:]] == report.load_ids
    counts = [(one.read, one.changed) for one in (first, again, report.tables["items"])]
    assert counts == [(2, 2), (2, 0), (2, 1)]
    assert database.raw("select name from own.items order by id") == [("a",), ("B",)]


def test_of_an_api_too_only_what_differs_is_written(
    declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def page(price: int) -> str:
        return listing({"id": 1, "price": 5}, {"id": 2, "price": price})

    with api([page(1), page(1), page(2)]) as url:
        monkeypatch.setenv("SOURCES__OWN__URL", url)
        spec = declare(API)
        reports = [load_source("own", spec, tmp_path).tables["items"] for _ in range(3)]
    assert [(one.read, one.changed) for one in reports] == [(2, 2), (2, 0), (2, 1)]
    assert raw(tmp_path, "select id, price from own.items order by id") == [(1, 5), (2, 2)]
    loads = raw(tmp_path, "select load_id from own._dlt_loads order by inserted_at")
    assert raw(tmp_path, "select _dlt_load_id from own.items order by id") == [loads[0], loads[-1]]


@pytest.mark.parametrize("held", ["older", "newer"])
def test_of_two_versions_of_a_row_the_later_one_stays_whichever_raw_has(
    declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    old = {"id": 1, "price": 1, "at": "2026-01-01T00:00:00Z"}
    new = {"id": 1, "price": 2, "at": "2026-01-02T00:00:00Z"}
    table = {
        **API["tables"]["items"],
        "row": {**API["tables"]["items"]["row"], "at": {"type": "timestamp"}},
        "cursor": {"column": "at", "param": "since"},
    }
    with api([listing(old if held == "older" else new), listing(old, new)]) as url:
        monkeypatch.setenv("SOURCES__OWN__URL", url)
        spec = declare({**API, "tables": {"items": table}})
        load_source("own", spec, tmp_path)
        load_source("own", spec, tmp_path)
    assert raw(tmp_path, "select price from own.items") == [(2,)]


def test_a_row_that_waits_is_let_go_by_one_that_is_as_it_was_before(
    database: Database, declare: Declare
) -> None:
    database.execute(
        "create table items (id bigint primary key, price int, changed_at timestamptz)",
        "insert into items values (1, 5, '2026-01-01'), (2, 5, '2026-01-01')",
    )
    table = {**CURSOR["tables"]["items"], "row": {"price": {"type": "integer", "ge": 0}}}
    spec = declare({**CURSOR, "tables": {"items": table}})
    database.load(spec)
    database.execute("update items set price = -5 where id = 1")
    assert database.load(spec).tables["items"].in_quarantine == 1
    database.execute("update items set price = 5 where id = 1")
    report = database.load(spec).tables["items"]
    assert (report.in_quarantine, report.changed) == (0, 1)


def test_a_key_that_comes_back_after_its_tombstone_is_written(
    database: Database, declare: Declare
) -> None:
    database.execute("create table items (id bigint primary key)", "insert into items values (1)")
    spec = declare(WHOLE)
    database.load(spec)
    database.execute("delete from items")
    gone = database.load(spec).tables["items"]
    database.execute("insert into items values (1)")
    back = database.load(spec).tables["items"]
    assert (gone.rows, gone.changed, back.rows, back.changed) == (0, 1, 1, 1)


def test_rows_of_a_load_that_never_ended_are_written_again(
    database: Database, declare: Declare
) -> None:
    database.execute(CREATE, TWO)
    spec = declare(CURSOR)
    database.load(spec)
    with psycopg.connect(database.url) as live:
        live.execute("update items set name = 'B' where id = 2")
    database.load(spec)
    # As after a kill between the merge of the rows and the end of the load.
    last = "(select max(load_id) from own._dlt_loads)"
    change(database, f"delete from own._dlt_loads where load_id = {last}")
    report = database.load(spec)
    written = database.raw(f"select id from own.items where _dlt_load_id = '{report.load_ids[0]}'")
    assert (written, report.tables["items"].changed) == ([(2,)], 1)


def test_a_comparison_mends_rows_that_the_merge_left(database: Database, declare: Declare) -> None:
    database.execute(CREATE, TWO)
    table = {**CURSOR["tables"]["items"], "reconcile": {"schedule": "0 3 * * *"}}
    spec = declare({**CURSOR, "tables": {"items": table}})
    database.load(spec)
    change(database, "update own.items set name = 'lost' where id = 1")
    reconcile("own", spec, database.home)
    assert database.raw("select name from own.items order by id") == [("a",), ("b",)]


def test_a_load_tells_how_many_there_were_before_it(database: Database, declare: Declare) -> None:
    database.execute(CREATE, TWO)
    spec = declare(CURSOR)
    first, second = database.load(spec), database.load(spec)
    assert (first.loads_before, first.loads) == (0, 1)
    # One that brings nothing new is none.
    assert (second.loads_before, second.loads) == (1, 1 + len(second.load_ids))


def listing(*rows: dict[str, Any]) -> str:
    return json.dumps({"data": rows})


def change(database: Database, statement: str) -> None:
    with duckdb.connect(str(database.home / "warehouse.duckdb")) as connection:
        connection.execute(statement)


values = st.tuples(
    st.sampled_from([None, 0.0, -1.0, float("nan"), float("inf"), 0.1, 1e300]),
    st.sampled_from([None, "", "a", "A", "a ", "é", "e\u0301", "1", "null"]),
    st.sampled_from([None, "1.0000", "1.0001", "-0.0001"]),
    st.sampled_from([None, "2026-01-01 00:00:00.000001+00", "2026-01-01 00:00:00+02"]),
    st.sampled_from([None, b"", b"\x00", b"a"]),
    st.sampled_from([None, {"a": 1}, {"a": 1.5}, [], [None], "null"]),
)
keys = st.tuples(st.integers(0, 2), st.sampled_from(["", "a", "A"]))
COLUMNS = "number, word, amount, moment, bytes, document"


@settings(max_examples=10)
@given(
    histories=st.lists(
        st.dictionaries(keys, values, min_size=1, max_size=6), min_size=2, max_size=4
    )
)
def test_after_any_changes_raw_has_every_value_and_a_new_stamp_on_what_changed_alone(
    database: Database, declare: Declare, histories: list[dict[Any, Any]]
) -> None:
    database.execute(
        "drop table if exists items",
        "create table items (a bigint, b text, number double precision, word text, "
        "amount numeric(12, 4), moment timestamptz, bytes bytea, document jsonb, "
        "primary key (a, b))",
    )
    table = {"primary_key": ["a", "b"], "max_shrink_share": 1}
    spec = declare({**CURSOR, "tables": {"items": table}})
    for path in database.home.iterdir():
        _remove(path)
    held: dict[Any, Any] = {}
    for rows in histories:
        with psycopg.connect(database.url) as live:
            live.execute("delete from items")
            for key, row in rows.items():
                document = None if row[5] is None else Jsonb(row[5])
                live.execute(
                    "insert into items values (%s, %s, %s, %s, %s, %s, %s, %s)",
                    [*key, *row[:5], document],
                )
        report = database.load(spec)
        _holds(database, rows)
        changed = {key for key in rows if _told(held.get(key)) != _told(rows[key])}
        assert _written(database, report) == changed | (held.keys() - rows.keys())
        held = rows


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _written(database: Database, report: LoadReport) -> set[Any]:
    loads = ", ".join(f"'{one}'" for one in report.load_ids) or "''"
    return set(database.raw(f"select a, b from own.items where _dlt_load_id in ({loads})"))


def _holds(database: Database, rows: dict[Any, Any]) -> None:
    query = f"select a, b, {COLUMNS} from own.items where _deleted_at is null"
    with psycopg.connect(database.url) as live:
        source = live.execute(f"select a, b, {COLUMNS} from items").fetchall()
    found = {}
    for *key, number, word, amount, moment, held, document in database.raw(query):
        read = None if document is None else json.loads(document)
        found[tuple(key)] = _told((number, word, amount, moment, held, read))
    assert found == {row[:2]: _told(row[2:]) for row in source}
    assert len(source) == len(rows)


def _told(row: tuple[Any, ...] | None) -> Any:
    """A row by what can be compared: no number that is none is equal to itself."""
    if row is None:
        return None
    number, word, amount, moment, held, document = row
    return str(number), word, str(amount), str(moment), held and bytes(held), repr(document)
