"""Honest analytics run and give the same rows as bare DuckDB."""

from pathlib import Path

import duckdb
import pytest

from serving.sandbox import SqlSandbox
from serving.values import to_json

HONEST = [
    "select 1",
    "select count(*) from agent_orders",
    'SELECT count(*) FROM "Agent_Orders";',
    "select channel, sum(amount) from agent_orders group by all order by all",
    "from agent_orders select channel, count(*) as n group by channel order by n, channel",
    "select * exclude (items) replace (amount * 2 as amount) from agent_orders order by id limit 3",
    "select max(columns(* exclude (items))) from agent_orders",
    "select columns('^a') from agent_orders order by 1 limit 3",
    "select columns(c -> c like 'c%') from agent_orders order by all limit 3",
    "with a as (select 1 as x), b as (select x + 1 as y from a) select * from a, b",
    "with agent_orders as (select id from agent_orders where id < 3) select * from agent_orders",
    "with t as materialized (select id from agent_orders) select count(*) from t",
    "with o as (select * from agent_orders) select channel, count(*) from o group by 1 order by 1",
    "select d, sum(amount) over (order by d rows between 6 preceding and current row) from "
    "(select d, sum(amount) amount from agent_orders group by 1) order by d",
    "select id, rank() over w, lag(amount, 1, 0) over w from agent_orders window w as "
    "(partition by channel order by id) order by id limit 5",
    "select first_value(amount ignore nulls) over (partition by customer_id order by id) "
    "from agent_orders order by id limit 5",
    "select * from agent_orders qualify row_number() over (partition by channel order by id) = 1 "
    "order by id",
    "pivot (select channel, d.year() as y, amount from agent_orders) on channel in "
    "('web', 'app') using sum(amount) group by y order by y",
    "from agent_orders pivot (count(*) for channel in ('web', 'store') group by customer_id) "
    "order by customer_id limit 4",
    "unpivot (select id, customer_id::varchar c, channel from agent_orders where id < 3) "
    "on c, channel into name k value v order by id, k",
    "select country, channel, count(*) from agent_orders o join agent_customers c on "
    "o.customer_id = c.id group by cube (country, channel) order by all",
    "select grouping(channel), channel, sum(amount) from agent_orders group by "
    "grouping sets ((channel), ()) order by all",
    "select quantile_cont(amount, [0.5, 0.9]), mode(channel), median(amount) from agent_orders",
    "select percentile_cont(0.5) within group (order by amount) from agent_orders",
    "select string_agg(distinct channel, ', ' order by channel) from agent_orders",
    "select count(*) filter (where channel = 'web') from agent_orders",
    "select arg_max(id, amount), approx_count_distinct(customer_id) > 0 from agent_orders",
    "select histogram(channel) from agent_orders",
    "select items ->> '$[0].sku' as sku, sum((items -> '$[0].quantity')::int) from agent_orders "
    "group by 1 order by 1",
    "select json_extract_string(items, '$[0].sku'), json_array_length(items) from agent_orders "
    "order by id limit 3",
    "select o.id, j.value ->> 'sku' from agent_orders o, json_each(o.items) j "
    "order by o.id limit 4",
    "select id, u from (select id, [1, 2, 3] as l from agent_orders where id < 2), unnest(l) t(u)"
    " order by all",
    "select list_transform([1, 2, 3], x -> x + 1), list_filter([1, 2], lambda x: x > 1)",
    "select list_reduce([1, 2, 3], (a, b) -> a + b), [x * 2 for x in [1, 2] if x > 1]",
    "select struct_pack(a := 1).a, {'k': 'v'}['k'], map {'a': 1}['a'], [1, 2, 3][1:2]",
    "select list(id order by id)[:3] from agent_orders where customer_id = 5",
    "select date_trunc('month', d) m, count(*) from agent_orders group by 1 order by 1",
    "select date_diff('day', min(d), max(d)), strftime(max(d), '%Y-%m') from agent_orders",
    "select extract(year from d) y, dayname(d), count(*) from agent_orders group by all "
    "order by all",
    "select count(*) from agent_orders where d >= date '2024-06-01' - interval 3 month",
    "select time_bucket(interval '7 days', d), count(*) from agent_orders group by 1 order by 1",
    "select placed_at at time zone 'Europe/Berlin' from agent_orders order by id limit 2",
    "select day::date, count(o.id) from generate_series(date '2024-01-01', date '2024-01-31', "
    "interval 1 day) s(day) left join agent_orders o on o.d = day::date group by 1 order by 1",
    "select min(x) from (select unnest(generate_series((select min(d) from agent_orders), "
    "(select max(d) from agent_orders), interval 1 month)) x)",
    "select * from range(5) t(i)",
    "select i, items[i + 1] from (select [4, 5] as items), range(len(items)) t(i)",
    "select unnest(range(least(id, 3))) from agent_orders where id < 6 order by 1",
    "select repeat('x', 3), lpad(id::varchar, 6, '0') from agent_orders order by id limit 2",
    "select format('{:.2f} {}', amount, channel), printf('%05d', id) from agent_orders "
    "order by id limit 2",
    "select bar(id, 0, 10, 20) from agent_orders where id < 3 order by id",
    "select regexp_extract(body, '([A-Z]+)-([0-9]+)', ['letters', 'digits']) from agent_notes "
    "where id = 7",
    "select lower(channel), channel.upper(), 'a' || channel from agent_orders order by id limit 2",
    "select jaro_winkler_similarity(channel, 'wep') from agent_orders order by id limit 3",
    "select body ilike '%REFUND%', body similar to 'refund.*', body ^@ 'r' from agent_notes "
    "where id = 3",
    "select case channel when 'web' then 1 else 0 end, coalesce(null, 2), nullif(1, 1), "
    "ifnull(null, 3), try_cast('x' as int), 5 // 2, 2 ** 3, 7 % 4 from agent_orders limit 1",
    "select id from agent_orders where channel in ('web', 'app') and amount between 1 and 2 "
    "and id not in (select id from agent_customers) order by id limit 5",
    "select id from agent_orders o where exists (from agent_customers c where c.id = o.id) "
    "order by id desc limit 3",
    "select (select max(id) from agent_customers), 5 > any (select id from agent_customers)",
    "select id from agent_customers where id < 3 union all by name select id from agent_orders "
    "where id < 2 order by id",
    "select id from agent_customers intersect select id from agent_orders order by id limit 3",
    "values (1, 'a'), (2, 'b')",
    "select * from (values (1, 'a'), (2, 'b')) t(n, s)",
    "select a.id, b.id from agent_orders a asof join agent_orders b on a.customer_id = "
    "b.customer_id and a.id > b.id order by a.id limit 3",
    "select a.id, b.id from agent_customers a positional join agent_notes b order by 1 limit 3",
    "select count(*) from agent_customers semi join agent_orders using (id)",
    "select count(*) from agent_customers anti join agent_notes using (id)",
    "select count(*) from agent_customers c natural join (select id from agent_notes) n",
    "select c.id, last.m from agent_customers c, lateral (select max(o.id) m from agent_orders o "
    "where o.customer_id = c.id) last order by c.id limit 3",
    "select count(*) from (agent_orders full join agent_notes using (id))",
    "select count(*) <= 20000 from agent_orders using sample 10%",
    "select count(*) from (from agent_orders using sample reservoir(50 rows) repeatable (7))",
    "select distinct on (channel) channel, id from agent_orders order by channel, id",
    "select count(*) from agent_orders tablesample 100%",
    "describe agent_orders",
    "describe select id, channel from agent_orders",
    "select column_name from (describe agent_customers)",
    "summarize select id from agent_customers",
    "select o from agent_customers o order by o.id limit 1",
    "select typeof(d), hash(1) is not null, md5('a'), greatest(1, 2), round(2.567, 1) "
    "from agent_orders limit 1",
    'select id as "Order", id as "order", id from agent_orders order by id limit 1',
    "-- how many\nselect /* all */ count(*) from agent_orders -- done",
    "select 'Grüße 日本' as t, length('日本')",
    "select count(*) from agent_orders a join agent_orders b using (id) join agent_orders c using "
    "(id) join agent_orders d using (id) join agent_orders e using (id) join agent_customers f "
    "using (id) join agent_customers g using (id) join agent_notes h using (id) join agent_notes i"
    " using (id) join agent_notes j using (id)",
]
# One a line: as many of DuckDB's ways as somebody who analyses data comes to use.
MORE = (Path(__file__).parent / "honest.sql").read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def bare(files: dict[str, Path]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    for name, path in files.items():
        connection.execute(f"attach '{path}' as {name}_file (read_only)")
        connection.execute(f"create view {name} as select * from {name}_file.{name}")
    return connection


@pytest.mark.parametrize("sql", [*HONEST, *MORE])
def test_an_honest_statement_gives_the_rows_of_bare_duckdb(
    sql: str, sandbox: SqlSandbox, bare: duckdb.DuckDBPyConnection
) -> None:
    expected = [[to_json(value) for value in row] for row in bare.execute(sql).fetchmany(1000)]

    result = sandbox.run(sql)

    assert [list(row.values()) for row in result.rows] == expected


def test_columns_of_one_name_are_told_apart(sandbox: SqlSandbox) -> None:
    result = sandbox.run("select 1 as id, 2 as id, 3 as id_1, 4 as id")

    assert result.columns == [(n, "INTEGER") for n in ("id", "id_2", "id_1", "id_3")]
    assert result.rows == [{"id": 1, "id_2": 2, "id_1": 3, "id_3": 4}]


def test_a_common_table_expression_may_hide_a_view_of_its_name(sandbox: SqlSandbox) -> None:
    result = sandbox.run("with agent_orders as (select 7 as id) from agent_orders")

    assert result.rows == [{"id": 7}]
    assert result.checked.tables == []


def test_a_dry_run_estimates_without_running(sandbox: SqlSandbox) -> None:
    dry = sandbox.dry_run("select id, pseud from agent_customers")

    assert (dry.tables, dry.estimated_rows) == (["agent_customers"], 2000)
    assert dry.columns == {"agent_customers": ["id", "pseud"]}


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("select o.id from agent_orders o", {"agent_orders": ["id"]}),
        ("select * from agent_customers", {"agent_customers": ["id", "pseud", "country"]}),
        (
            "select o.amount from agent_orders o where exists (select * from agent_notes)",
            {"agent_orders": ["amount"], "agent_notes": ["id", "body"]},
        ),
        ("select c from agent_customers c", {"agent_customers": ["id", "pseud", "country"]}),
        (
            "select n.*, c.country from agent_customers c, agent_notes n",
            {"agent_customers": ["country"], "agent_notes": ["id", "body"]},
        ),
        ("select count(*) from agent_notes", {"agent_notes": []}),
    ],
)
def test_the_columns_that_a_statement_reads_are_known(
    sql: str, columns: dict[str, list[str]], sandbox: SqlSandbox
) -> None:
    assert sandbox.dry_run(sql).columns == columns
