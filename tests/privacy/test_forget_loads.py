"""An erased person comes back by no way into raw, and nobody else stays away."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.erasure.keys import ErasureKey, derived_key, retire
from ingestion.erasure.marks import append_marks
from ingestion.erasure.normal import mark_sql, normal_key, set_pads
from ingestion.erasure.relations import Link, erasure_folder
from ingestion.errors import SourceFailed
from ingestion.load import load_source
from ingestion.quarantine import list_quarantine
from ingestion.reconcile import reconcile
from ingestion.retry import retry
from ingestion.spec import SourceSpec
from tests.ingestion.conftest import Database, database, declare, raw, server
from tests.privacy.erasing import PRIVACY_KEY, erase, set_key
from tests.quarantine.small_api import api

__all__ = ["database", "declare", "server"]
Declare = Callable[[dict[str, Any]], SourceSpec]

CREATE = (
    "create table people (id int primary key, name text, email text, at timestamptz not null)",
    "create table orders (id int primary key, person_id int not null, cents int not null, "
    "at timestamptz not null)",
    "create table tickets (id int primary key, person_id int, email text, body text, "
    "at timestamptz not null)",
    "create table comments (id int primary key, ticket_id int not null, body text, "
    "at timestamptz not null)",
)
ROWS = (
    "insert into people values (1, 'Quenby Harrow', 'Quenby@Harrow.example', '2026-01-01'), "
    "(2, 'Osric Vane', 'osric@vane.example', '2026-01-01')",
    "insert into orders values (10, 1, 500, '2026-01-01'), (11, 2, 700, '2026-01-01')",
    "insert into tickets values (20, 1, null, 'mine', '2026-01-01'), "
    "(21, null, ' quenby@harrow.example', 'by mail', '2026-01-01'), "
    "(22, 2, 'osric@vane.example', 'I saw Quenby  HARROW there', '2026-01-01')",
    "insert into comments values (30, 20, 'on hers', '2026-01-01'), "
    "(31, 22, 'on his', '2026-01-01')",
)
LIVE = {
    "people": [(2, "Osric Vane")],
    "orders": [(10, None, 500), (11, 2, 700)],
    "tickets": [(22, None)],
    "comments": [(31,)],
}
COLUMNS = {"people": "id, name", "orders": "id, person_id, cents", "tickets": "id, body",
           "comments": "id"}  # fmt: skip


def tables(**each: Any) -> dict[str, Any]:
    """The four tables of the source, with the same options each."""
    return {name: {"primary_key": ["id"], **each} for name in COLUMNS}


CURSOR = {"kind": "sql_database", "tables": tables(cursor={"column": "at", "overlap": "10m"})}
WHOLE = {"kind": "sql_database", "tables": tables()}
LOG = {"kind": "sql_database", "capture": "log", "db_schema": "public", "tables": tables()}


def in_raw(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of raw, the tombstones of deleted ones too."""
    return {
        name: raw(home, f"select {columns} from own.{name} order by id")
        for name, columns in COLUMNS.items()
    }


@pytest.fixture
def loaded(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A source with two people, of whom the first is to be erased."""
    set_key(monkeypatch)
    database.execute(*CREATE, *ROWS)
    return database


@pytest.mark.parametrize("way", [CURSOR, WHOLE, LOG], ids=["cursor", "whole", "log"])
def test_an_erased_person_comes_back_by_no_load(
    loaded: Database, declare: Declare, way: dict[str, Any]
) -> None:
    spec = declare(way)
    loaded.load(spec)
    found = erase(loaded.home, "1")
    assert found.rows == {"own.people": 1, "own.orders": 0, "own.tickets": 2, "own.comments": 1}
    assert found.emptied["own.orders"] == 1 and found.mentions == {"own.tickets": 1}
    assert in_raw(loaded.home) == LIVE
    loaded.execute(
        "update people set name = 'Quenby Again', at = now()",
        "update people set name = 'Osric Vane' where id = 2",
        "update orders set at = now()",
        "update tickets set at = now()",
        "update comments set at = now()",
    )
    loaded.load(spec)
    assert in_raw(loaded.home) == LIVE
    # From nothing: only what lies outside the warehouse can keep her out.
    (loaded.home / "warehouse.duckdb").unlink()
    shutil.rmtree(loaded.home / "dlt")
    loaded.load(spec)
    assert in_raw(loaded.home) == LIVE
    loaded.execute("delete from people where id = 1")
    loaded.load(spec)
    assert in_raw(loaded.home) == LIVE
    if way is LOG:
        drop_slot(loaded)


def drop_slot(loaded: Database) -> None:
    """Let the test's database be dropped."""
    loaded.execute("select pg_drop_replication_slot('grounded_own')")


def test_new_rows_of_an_erased_person_are_withheld_with_all_that_refers_to_them(
    loaded: Database, declare: Declare
) -> None:
    spec = declare(CURSOR)
    loaded.load(spec)
    erase(loaded.home, "1")
    # The comment is in raw before its ticket tells whose it is.
    loaded.execute("insert into comments values (32, 23, 'early', now())")
    loaded.load(spec)
    assert (32,) in in_raw(loaded.home)["comments"]
    loaded.execute(
        "insert into orders values (12, 1, 900, now())",
        "insert into tickets values (23, 1, null, 'again', now())",
        "insert into comments values (33, 23, 'on hers again', now())",
    )
    report = loaded.load(spec)
    assert report.tables["tickets"].withheld >= 1
    expected = {**LIVE, "orders": [*LIVE["orders"], (12, None, 900)]}
    assert in_raw(loaded.home) == expected
    assert loaded.load(spec).tables["comments"].rows == 1
    assert in_raw(loaded.home) == expected


def test_what_a_killed_load_found_to_be_theirs_is_removed_by_the_next(
    loaded: Database, declare: Declare
) -> None:
    spec = declare(CURSOR)
    loaded.load(spec)
    erase(loaded.home, "1")
    loaded.execute("insert into comments values (32, 23, 'early', now())")
    loaded.load(spec)
    # As a load leaves it that withheld ticket 23 and died before its end.
    key = ErasureKey(bytes.fromhex(derived_key(PRIVACY_KEY)))
    domain = "own.tickets(id)"
    (erasure_folder(loaded.home) / "own.sweep").touch()
    append_marks(loaded.home, key, {domain: {key.mark(domain, ["23"])}})
    loaded.load(spec)
    assert in_raw(loaded.home) == LIVE
    assert not (erasure_folder(loaded.home) / "own.sweep").exists()


def test_a_comparison_neither_reports_nor_repairs_the_erased(
    loaded: Database, declare: Declare
) -> None:
    spec = declare(CURSOR)
    loaded.load(spec)
    erase(loaded.home, "1")
    loaded.execute("insert into people values (3, 'Late', 'late@x.example', '2020-01-01')")
    found = reconcile("own", spec, loaded.home).tables
    assert (found["people"].missing, found["people"].different) == (1, 0)
    assert {name for name, table in found.items() if not table.agrees} == {"people"}
    assert in_raw(loaded.home) == {**LIVE, "people": [(2, "Osric Vane"), (3, "Late")]}


def test_the_erased_leave_quarantine_and_a_retry_does_not_bring_them_back(
    loaded: Database, declare: Declare
) -> None:
    strict = {**CURSOR, "tables": tables(cursor={"column": "at", "overlap": "10m"})}
    strict["tables"]["people"] |= {"row": {"name": {"type": "text", "required": True}}}
    spec = declare(strict)
    loaded.load(spec)
    loaded.execute("update people set name = null, at = now()")
    loaded.load(spec)
    assert {row.row_key for row in list_quarantine(loaded.home, {"own": spec})["own"]} == {"1", "2"}
    erase(loaded.home, "1")
    assert [row.row_key for row in list_quarantine(loaded.home, {"own": spec})["own"]] == ["2"]
    loaded.execute("update people set at = now() + interval '1 second'")
    loaded.load(spec)
    assert [row.row_key for row in list_quarantine(loaded.home, {"own": spec})["own"]] == ["2"]
    loaded.execute("update people set name = 'Named'")
    assert retry("own", spec, loaded.home).waiting == {"people": 0}
    assert in_raw(loaded.home)["people"] == [(2, "Named")]


def test_an_api_that_still_lists_the_erased_is_not_behind(
    declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_key(monkeypatch)
    row = {"id": {"type": "integer", "required": True}, "name": {"type": "text"},
           "email": {"type": "text"}, "at": {"type": "timestamp"}}  # fmt: skip
    table = {"path": "/people", "primary_key": ["id"], "row": row, "reconcile": {},
             "cursor": {"column": "at", "param": "since"}, "max_shrink_share": 1}  # fmt: skip
    spec = declare({"kind": "rest_api", "auth": {"type": "none"},
                    "paginator": {"type": "single_page"}, "tables": {"people": table}})  # fmt: skip
    at = "2026-01-02T00:00:00Z"
    people = [{"id": 1, "name": "Quenby", "email": "q@x.example", "at": at},
              {"id": 2, "name": "Osric", "email": "o@x.example", "at": at}]  # fmt: skip
    with api([json.dumps({"data": people})]) as url:
        monkeypatch.setenv("SOURCES__OWN__URL", url)
        load_source("own", spec, tmp_path)
        erase(tmp_path, "1")
        load_source("own", spec, tmp_path)
        found = reconcile("own", spec, tmp_path).tables["people"]
    assert found.agrees
    assert raw(tmp_path, "select id from own.people") == [(2,)]


def test_an_email_that_two_people_share_is_a_mark_of_neither(
    loaded: Database, declare: Declare
) -> None:
    spec = declare(CURSOR)
    loaded.execute(
        "update people set email = 'home@both.example'",
        "insert into tickets values (24, null, 'home@both.example', 'ours', now())",
    )
    loaded.load(spec)
    erase(loaded.home, "1")
    assert (24, "ours") in in_raw(loaded.home)["tickets"]


def test_without_the_key_of_the_marks_nothing_is_loaded(
    loaded: Database, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = declare(CURSOR)
    loaded.load(spec)
    erase(loaded.home, "1")
    set_key(monkeypatch, "another-key-0123456789-0123456789-0123456789")
    with pytest.raises(SourceFailed, match="GROUNDED_PRIVACY_KEY"):
        loaded.load(spec)
    retire(loaded.home, PRIVACY_KEY)
    loaded.load(spec)
    assert in_raw(loaded.home) == LIVE


def test_what_is_kept_of_the_erased_holds_no_plain_value(
    loaded: Database, declare: Declare
) -> None:
    loaded.load(declare(CURSOR))
    erase(loaded.home, "1")
    kept = b"".join(
        path.read_bytes() for path in erasure_folder(loaded.home).rglob("*") if path.is_file()
    ).lower()
    assert b"quenby" in ROWS[0].lower().encode() and b"quenby" not in kept and b"harrow" not in kept
    assert derived_key(PRIVACY_KEY).encode() not in kept


@settings(deadline=None)
@given(
    values=st.lists(
        st.one_of(
            st.integers(-(2**63), 2**63 - 1).map(str),
            st.integers(-(10**6), 10**6).map(lambda number: f"{number}.0"),
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_a_key_is_marked_alike_as_a_text_of_the_command_line_and_in_sql(values: list[str]) -> None:
    key = ErasureKey(bytes.fromhex(derived_key(PRIVACY_KEY)))
    columns = [f"c{number}" for number in range(len(values))]
    many = Link(columns=columns, kinds=["exact"] * len(values), domain="a.b(c)")
    normal = normal_key(values)
    with duckdb.connect() as connection:
        set_pads(connection, key)
        named = ", ".join(f"? as {column}" for column in columns)
        found = connection.execute(f"select {mark_sql(many)} from (select {named})", values)
        row = found.fetchone()
    assert row is not None
    if all(normal):
        assert row[0] == key.mark("a.b(c)", normal)
    else:
        assert row[0] is None
