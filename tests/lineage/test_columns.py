"""From which columns a query's columns are made: every construct, and what is refused."""

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


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select name from s.people", {"name"}),
        ("from s.people select name", {"name"}),
        ("select p.name from s.people as p", {"name"}),
        ("select s.people.name from s.people", {"name"}),
        ("select NAME from S.People", {"name"}),
        ("select t.x from s.people as t (w, x)", {"name"}),
        ("select name || email from s.people", {"name", "email"}),
        ("select name as n, n || 'x' as k from s.people", {"name"}),
        ("select cast(name as varchar) from s.people", {"name"}),
        ("select name collate nocase from s.people", {"name"}),
        ("select case when id > 1 then name else city end from s.people", {"id?condition", "name", "city"}),
        ("select if(id > 1, name, city) from s.people", {"id?condition", "name", "city"}),
        ("select coalesce(name, email) from s.people", {"name", "email"}),
        ("select nullif(name, email) from s.people", {"name", "email"}),
        ("select name between city and email from s.people", {"name", "city", "email"}),
        ("select name in ('a', email) from s.people", {"name", "email"}),
        ("select name is null from s.people", {"name?null test"}),
        ("select count(*) from s.people", set()),
        ("select count(name) from s.people", {"name?count"}),
        ("select sum(id) filter (where city = 'x') from s.people", {"id", "city?filter"}),
        ("select string_agg(name, ',' order by email) from s.people", {"name", "email?order by"}),
        ("select max(name) over (partition by city order by id) from s.people", {"name", "city?window", "id?window"}),
        ("select lag(name, 1, email) over (order by id) from s.people", {"name", "email", "id?window"}),
        ("select sum(id) over w from s.people window w as (order by city)", {"id", "city?window"}),
        ("select {'a': name, 'b': city}.a from s.people", {"name", "city"}),
        ("select [name, city][1] from s.people", {"name", "city"}),
        ("select map {'k': name} from s.people", {"name"}),
        ("select to_json(p) from s.people as p", {"id", "name", "email", "city"}),
        ("select p from s.people as p", {"id", "name", "email", "city"}),
        ("select lines -> '$.x' from s.orders", {"lines"}),
        ("select lines ->> '$.x' from s.orders", {"lines"}),
        ("select list_transform(tags, lambda x: x || id) from s.orders", {"tags", "id"}),
        ("select list_transform(tags, x -> x || id) from s.orders", {"tags", "id"}),
        ("select list_transform(tags, (x, i) -> x || total) from s.orders", {"tags", "total"}),
        ("select list_transform(tags, lambda id: id) from s.orders", {"tags"}),
        ("select [x || id for x in tags if x <> total] from s.orders", {"tags", "id", "total"}),
        ("select list_reduce(tags, lambda a, b: a || b, id) from s.orders", {"tags", "id"}),
        ("select list_transform([tags], lambda x: list_transform(x, lambda y: y || id)) from s.orders", {"tags", "id"}),
        ("select privacy.hide(name) from s.people", {"name>hide"}),
        ("select upper(privacy.hide(name, email)) from s.people", {"name>hide", "email>hide1"}),
        ("select privacy.hide(case when id = 1 then name end) from s.people", {"name>hide", "id?condition"}),
        ("select coalesce(privacy.hide(name), name) from s.people", {"name>hide", "name"}),
        ("select (select max(total) from s.orders where person_id = p.id) from s.people as p", {"total", "person_id?filter", "id?filter"}),
        ("select exists(select 1 from s.orders where person_id = p.id) from s.people as p", {"person_id?filter", "id?filter"}),
        ("select id in (select person_id from s.orders) from s.people", {"id", "person_id"}),
        ("select id = any(select person_id from s.orders) from s.people", {"id", "person_id"}),
        ("select array(select total from s.orders)", {"total", "total?null test"}),
        ("select #2 from s.people", {"id", "name", "email", "city"}),
        ("select current_date", set()),
        ("select name.upper() from s.people", {"name"}),
        ("select v.b from (values (1, 'x')) as v (a, b)", set()),
        ("select t from (select unnest(tags) as t from s.orders)", {"tags"}),
        ("select u.t from s.orders, unnest(tags) as u (t)", {"tags"}),
        ("select e.value from s.orders, json_each(lines) as e", {"lines"}),
        ("select l.x from s.people as p, lateral (select p.name as x) as l", {"name"}),
        ("select l.x from s.people as p, (select p.name as x) as l", {"name"}),
        ("select r from range(3) as t (r)", set()),
        ("with c as (select name as n from s.people) select n from c", {"name"}),
        ("with c (x) as (select name from s.people) select x from c", {"name"}),
        ("with c as (select 1 as n), c2 as (with c as (select name as n from s.people) from c) select n from c2", {"name"}),
        ("with c as (select name as n from s.people), d as (from c) select n from d", {"name"}),
        ("with recursive c as (select id as n from s.people union all select n + total from c, s.orders) select n from c", {"id", "total"}),
        ("with recursive c as (select id as a, id as b, id as d from s.people union all select b, d, total from c, s.orders) select a from c", {"id", "total"}),
        ("select x from (select name as x from s.people union all select email from s.people)", {"name", "email"}),
        ("select x from (select 1 as y, name as x from s.people union by name select email as x from s.people)", {"name", "email"}),
        ("select x from (select name as x from s.people intersect select email from s.people)", {"name", "email"}),
        ("select x from (select name as x from s.people except select email from s.people)", {"name"}),
        ("select a.id from s.people as a join s.orders as b using (id)", {"id"}),
        ("select max(name) from s.people using sample 10 rows", {"name"}),
    ],
)  # fmt: skip
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


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("select 1 from s.people where name = 'x'", {"name?filter"}),
        ("select 1 from s.people group by city having max(name) > 'x'", {"city?group by", "name?filter"}),
        ("select city, 1 from s.people group by 1", {"city?group by"}),
        ("select city, max(id) as m from s.people group by all", {"city?group by"}),
        ("select city from s.people group by rollup (city, name)", {"city?group by", "name?group by"}),
        ("select 1 from s.people qualify row_number() over (order by name) = 1", {"name?window"}),
        ("select name as n from s.people order by n", {"name?order by"}),
        ("select 1 from s.people order by name", {"name?order by"}),
        ("select name from s.people order by 1", {"name?order by"}),
        ("select name from s.people order by all", {"name?order by"}),
        ("select privacy.hide(name) as name from s.people order by name", {"name>hide?order by"}),
        ("select distinct city from s.people", {"city?distinct"}),
        ("select distinct on (name) city from s.people", {"name?distinct"}),
        ("select 1 from s.people limit (select max(total) from s.orders)", {"total?limit"}),
        ("select 1 from s.people join s.orders on name = total", {"name?join", "total?join"}),
        ("select 1 from s.people join s.orders using (id)", {"id?join"}),
        ("select 1 from s.people natural join s.orders", {"id?join"}),
        ("select 1 from s.people anti join s.orders on name = total", {"name?join", "total?join"}),
        ("select 1 from s.people asof join s.orders on name >= total", {"name?join", "total?join"}),
        ("select 1 from (select 1 from s.people where name = 'x')", {"name?filter"}),
        ("with c as (select 1 from s.people where name = 'x') select 1 from c", {"name?filter"}),
        ("select 1 from s.people union select 2 from s.orders where total = 1", {"total?filter"}),
        ("select name from s.people union select city from s.people", {"name?distinct", "city?distinct"}),
        ("select 1 as x from s.people except all select total from s.orders", {"total?except"}),
    ],
)  # fmt: skip
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
        ("select " + "(" * 2000 + "1" + ")" * 2000, "taken apart|nested|as one SELECT"),
    ],
)
def test_what_cannot_be_followed_is_refused(sql: str, why: str) -> None:
    with pytest.raises(NotFollowed, match=why):
        read(sql)


def test_the_place_of_a_refusal_is_told() -> None:
    with pytest.raises(NotFollowed) as refused:
        read("select id,\n    nothing\nfrom s.people")
    assert refused.value.location == 15
