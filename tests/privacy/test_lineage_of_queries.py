"""From which columns a query's columns are made: every construct, and what is refused."""

from pathlib import Path

import pytest

from serving.errors import NotFollowed
from serving.lineage.queries import read_query
from serving.lineage.relations import Relation
from serving.lineage.values import Input, Value

TABLES = {
    "s.people": ["id", "name", "email", "city"],
    "s.orders": ["id", "person_id", "total", "lines", "tags"],
}


def relation(table: str) -> Relation:
    """A table whose columns are made of themselves."""
    return Relation(tuple((name, frozenset({Input(table, name)})) for name in TABLES[table]))


def catalog(names: list[str]) -> Relation | None:
    """The tables of the tests by schema and name."""
    key = ".".join(names)
    return relation(key) if key in TABLES else None


def read(sql: str) -> Relation:
    """The lineage of a query over the tables of the tests."""
    return read_query(sql, catalog, frozenset({"hide"}))


def shown(value: Value) -> set[str]:
    """Inputs in short: ``email``, ``email?filter``, ``email>hide``."""
    return {
        one.column
        + "".join(f">{passed.function}{passed.argument or ''}" for passed in sorted(one.passed))
        + (f"?{one.use}" if one.use else "")
        for one in value
    }


def cases(file: str) -> list[tuple[str, set[str]]]:
    """Queries with what is expected of them, one a line."""
    lines = (Path(__file__).parent / "lineage" / file).read_text().splitlines()
    parts = [line.partition(" =>") for line in lines if not line.startswith("#")]
    return [(sql, {one.strip() for one in found.split(";")} - {""}) for sql, _, found in parts]


@pytest.mark.parametrize(("sql", "expected"), cases("first_column.txt"))
def test_what_the_first_column_is_made_of(sql: str, expected: set[str]) -> None:
    assert shown(read(sql).columns[0][1]) == expected


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("select * from s.people", ["id", "name", "email", "city"]),
        ("select * exclude (email, id) from s.people", ["name", "city"]),
        ("select * exclude (p.email) from s.people as p", ["id", "name", "city"]),
        ("select * rename (email as e) from s.people", ["id", "name", "e", "city"]),
        ("select * replace (name as city) from s.people", ["id", "name", "email", "city"]),
        ("select columns('^(id|city)$') from s.people", ["id", "city"]),
        ("select columns(['id', 'city']) from s.people", ["id", "name", "email", "city"]),
        ("select o.*, p.id from s.people as p, s.orders as o", [*TABLES["s.orders"], "id"]),
        ("from s.people join s.orders using (id)", [*TABLES["s.people"], *TABLES["s.orders"][1:]]),
        ("from s.people natural join s.orders", [*TABLES["s.people"], *TABLES["s.orders"][1:]]),
        ("from s.people semi join s.orders using (id)", TABLES["s.people"]),
        ("from s.people positional join s.orders", [*TABLES["s.people"], *TABLES["s.orders"]]),
    ],
)
def test_which_columns_a_star_stands_for(sql: str, columns: list[str]) -> None:
    found = read(sql)
    assert [name for name, _ in found.columns] == columns
    assert found.others is None


def test_replace_and_using_change_what_a_column_is_made_of() -> None:
    replaced = dict(read("select * replace (name as city) from s.people").columns)
    assert shown(replaced["city"]) == {"name"}
    merged = read("select id from s.people full join s.orders using (id)")
    assert {one.relation for one in merged.columns[0][1]} == {"s.people", "s.orders"}


@pytest.mark.parametrize(("sql", "rows"), cases("rows.txt"))
def test_what_chooses_groups_and_orders_the_rows(sql: str, rows: set[str]) -> None:
    assert shown(read(sql).rows) == rows


@pytest.mark.parametrize(
    "sql",
    [
        "select name from (pivot s.people on city in ('a') using max(name))",
        "select a from (pivot s.people on city in ('a') using max(name))",
        "select v from (unpivot s.people on name, city into name n value v)",
        "select f from (select unnest(p) from s.people as p)",
        "select x from s.people, unnest([name]) as u (x)",
        "select any_name from (select unnest(p) from s.people as p)",
        "select x.y.z from (select p as x from s.people as p)",
        "select struct_of.name from (select {'name': name} as struct_of from s.people)",
        "select (select n from unnest([1]) as u (v)) from (select name as n from s.people)",
        "select upper(columns('na.*')) from s.people",
        "select coalesce(*columns(*)) from s.people",
        "select columns('(na)me') as '\\1' from s.people",
    ],
)
def test_where_names_are_made_by_values_a_column_may_be_anything(sql: str) -> None:
    found = read(sql)
    assert "name" in shown(found.everything())


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("select nothing from s.people", "column nothing is of no table"),
        ("select 1 from s.nowhere", "s.nowhere is neither a model nor a source"),
        ("select 1 from people", "people is neither a model nor a source"),
        ("with c as (from d), d as (from s.people) from c", "d is neither"),
        ("select 1 from 'x.csv'", "x.csv is neither"),
        ("select 1 from read_csv('x')", "table function read_csv"),
        ("select 1 from query('select 1')", "table function query"),
        ("select 1 from duckdb_columns()", "table function duckdb_columns"),
        ("select macro_of_mine(id) from s.people", "function macro_of_mine"),
        ("select other.hide(name) from s.people", "function other.hide"),
        ("select hide(name) from s.people", "function hide"),
        ("select db.privacy.hide(name) from s.people", "called by a database's name"),
        ("select privacy.hide(x := name) from s.people", "named arguments"),
        ("select privacy.hide(columns(*)) from s.people", "called with a star"),
        ("select privacy.other(name) from s.people", "no declared function other"),
        ("select getvariable('privacy_ipad')", "function getvariable"),
        ("select error(name) from s.people", "function error"),
        ("from (summarize s.people)", "SHOW_REF"),
        ("from (describe s.people)", "SHOW_REF"),
        ("pivot s.people on city using max(name)", "PIVOT needs its values"),
        ("select 1; select 2", "not exactly one SELECT"),
        ("insert into s.people select 1", "as one SELECT"),
        ("select nope.* from s.people", "nope.* is of no table"),
        ("select 1 from s.people at (version => 1)", "AT reads another state"),
        ("select 1, 2 union select 1", "not as many columns"),
        ("select " + "upper(" * 900 + "'a'" + ")" * 900, "nested too deeply"),
    ],
)
def test_what_cannot_be_followed_is_refused(sql: str, why: str) -> None:
    with pytest.raises(NotFollowed, match=why):
        read(sql)


def test_the_place_of_a_refusal_is_told() -> None:
    with pytest.raises(NotFollowed) as refused:
        read("select id,\n    nothing\nfrom s.people")
    assert refused.value.location == 15
