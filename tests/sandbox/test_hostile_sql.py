"""What no agent may do is refused before it runs, with a code and without naming anything."""

import pytest

from serving.errors import AnswerError
from serving.sandbox import SqlSandbox, check

VIEWS = {"agent_orders": ["id", "channel"], "agent_customers": ["id", "pseud"]}

READONLY = "READONLY_VIOLATION"
DENIED = "POLICY_DENIED"
UNKNOWN = "UNKNOWN_TABLE"
INVALID = "INVALID_SQL"

HOSTILE = [
    # Writes, settings and everything that is no SELECT.
    ("insert into agent_orders values (1)", READONLY),
    ("update agent_orders set id = 1", READONLY),
    ("delete from agent_orders", READONLY),
    ("truncate agent_orders", READONLY),
    ("merge into agent_orders a using agent_customers b on a.id = b.id when matched then delete",
     READONLY),
    ("drop view agent_orders", READONLY),
    ("create table t as select 1", READONLY),
    ("create temp table t as select 1", READONLY),
    ("create or replace view agent_orders as select 1", READONLY),
    ("create macro m(x) as x", READONLY),
    ("create secret s (type s3)", READONLY),
    ("alter table agent_orders add column x int", READONLY),
    ("comment on table agent_orders is 'x'", READONLY),
    ("copy agent_orders to '/tmp/x.csv'", READONLY),
    ("copy (select 1) to '/tmp/x.parquet'", READONLY),
    ("export database '/tmp/x'", READONLY),
    ("import database '/tmp/x'", READONLY),
    ("attach '/tmp/x.db'", READONLY),
    ("detach v0", READONLY),
    ("use v0", READONLY),
    ("set threads = 64", READONLY),
    ("reset memory_limit", READONLY),
    ("set variable x = 1", READONLY),
    ("pragma database_list", READONLY),
    ("PRAGMA database_size", READONLY),
    (" /* a */ pragma show_tables", READONLY),
    ("install httpfs", READONLY),
    ("load httpfs", READONLY),
    ("call pragma_version()", READONLY),
    ("checkpoint", READONLY),
    ("vacuum", READONLY),
    ("begin transaction", READONLY),
    ("prepare p as select 1", READONLY),
    ("execute p", READONLY),
    ("select 1; drop view agent_orders", READONLY),
    ("select 1; select 2", DENIED),
    ("explain select 1", DENIED),
    ("explain analyze select * from agent_orders", DENIED),
    ("pivot agent_orders on channel using count(*)", DENIED),
    ("show tables", DENIED),
    ("show databases", DENIED),
    ("show all tables", DENIED),
    # Files, the network, the environment, the engine's own state.
    ("select * from '/etc/passwd'", UNKNOWN),
    ("select * from 'https://example.com/x.parquet'", UNKNOWN),
    ("from read_csv('/etc/passwd')", DENIED),
    ("from read_text('/etc/passwd')", DENIED),
    ("from read_blob('*')", DENIED),
    ("from read_json_auto('x.json')", DENIED),
    ("from parquet_scan('x')", DENIED),
    ("from parquet_metadata('x')", DENIED),
    ("from glob('/*')", DENIED),
    ("from sniff_csv('x')", DENIED),
    ("select getenv('HOME')", DENIED),
    ("select \"GetEnv\"('HOME')", DENIED),
    ("select getvariable('x')", DENIED),
    ("select current_setting('threads')", DENIED),
    ("select current_database(), current_schema()", DENIED),
    ("select current_catalog", DENIED),
    ("select current_query()", DENIED),
    ("select version()", DENIED),
    ("select txid_current()", DENIED),
    ("select nextval('s')", DENIED),
    ("select setseed(0.5)", DENIED),
    ("select write_log('x')", DENIED),
    ("select pg_sleep(10)", DENIED),
    ("select sleep_ms(10000)", DENIED),
    ("select stats(id) from agent_orders", DENIED),
    ("select error(pseud) from agent_customers", DENIED),
    ("select list_transform([1], x -> getvariable('y'))", DENIED),
    ("select ('x').getvariable()", DENIED),
    ("select id.error() from agent_orders", DENIED),
    ("select sum(error('x')) over () from agent_orders", DENIED),
    ("select 1 limit (select getvariable('x'))", DENIED),
    ("select id from agent_orders order by getvariable('x')", DENIED),
    ("select system.main.sum(id) from agent_orders", DENIED),
    ("from duckdb_tables()", DENIED),
    ("from duckdb_databases()", DENIED),
    ("from duckdb_secrets(redact = false)", DENIED),
    ("from pragma_table_info('agent_orders')", DENIED),
    ("from pragma_show('agent_orders')", DENIED),
    ("from information_schema.tables", UNKNOWN),
    ("from pg_catalog.pg_tables", UNKNOWN),
    ("from sqlite_master", UNKNOWN),
    ("from pg_class", UNKNOWN),
    ("from query('select 1')", DENIED),
    ("from query_table('agent_orders')", DENIED),
    ("from query_table(['agent_orders'])", DENIED),
    ("from json_execute_serialized_sql('{}')", DENIED),
    ("select json_serialize_sql('select 1')", DENIED),
    ("from seq_scan('agent_orders')", DENIED),
    ("from repeat(1, 5)", DENIED),
    ("from summary(agent_orders)", DENIED),
    ("from histogram('agent_orders', 'id')", DENIED),
    # Tables that are not the agent's, through every door.
    ("from agent_secrets", UNKNOWN),
    ("from main.agent_orders", UNKNOWN),
    ("from v0.main.agent_orders", UNKNOWN),
    ("from v0.agent_orders", UNKNOWN),
    ("from memory.main.agent_orders", UNKNOWN),
    ("from temp.agent_orders", UNKNOWN),
    ("describe agent_secrets", UNKNOWN),
    ("summarize agent_secrets", UNKNOWN),
    ("summarize v0.main.agent_orders", UNKNOWN),
    ("select (select max(x) from agent_secrets)", UNKNOWN),
    ("select unnest((select list(x) from agent_secrets))", UNKNOWN),
    ("pivot agent_secrets on a in (1) using max(b)", UNKNOWN),
    ("unpivot agent_secrets on a into name n value v", UNKNOWN),
    ("with t as (from agent_secrets) from t", UNKNOWN),
    ("with agent_secrets as (from agent_secrets) from agent_secrets", UNKNOWN),
    ("from (with s as (select 1) from s) a, s", UNKNOWN),
    ("with a as (from b), b as (select 1) from a", UNKNOWN),
    ("select 1 where exists (from agent_secrets)", UNKNOWN),
    ("select 1 union select x from agent_secrets", UNKNOWN),
    ("select id from agent_orders order by (select max(x) from agent_secrets)", UNKNOWN),
    ("select id from agent_orders limit (select count(*) from agent_secrets)", UNKNOWN),
    ("select sum(id) filter (id in (from agent_secrets)) from agent_orders", UNKNOWN),
    ("select lag(id, 1, (select max(x) from agent_secrets)) over () from agent_orders", UNKNOWN),
    ("from agent_orders a join agent_secrets b on true", UNKNOWN),
    ("from range((select count(*) from agent_secrets))", DENIED),
    ("select [x for x in (select list(y) from agent_secrets)]", UNKNOWN),
    ("select case when true then (select x from agent_secrets) end", UNKNOWN),
    ("select * replace ((select max(x) from agent_secrets) as id) from agent_orders", UNKNOWN),
    ("values ((select x from agent_secrets))", UNKNOWN),
    ("from agent_orders at (version => 1)", DENIED),
    ("with recursive t as (select 1 union all select 1 from t) from t", DENIED),
    ("with recursive t(a) using key (a) as (select 1 union select 2 from t) from t", DENIED),
    ("select $1", INVALID),
    ("select ?", INVALID),
    ("select 1::agent_secrets", INVALID),
    ("select 1::v0.main.kind", INVALID),
    # Growth that no limit of the engine holds.
    ("from range(1000000000)", DENIED),
    ("select unnest(range(1000000000))", DENIED),
    ("select sum(i) from generate_series(1, 1000000 * 1000000) t(i)", DENIED),
    ("select range(id * 1000000) from agent_orders", DENIED),
    ("select range(-1000000000, 0)", DENIED),
    ("select range(least(null, 1000000000))", DENIED),
    ("select range(least(len(null), 1000000000))", DENIED),
    ("select range((1e308 * 1e308 - 1e308 * 1e308)::bigint)", DENIED),
    ("from range()", DENIED),
    ("from generate_series(1, duckdb_variables())", DENIED),
    ("select range(0, 1000000, 1e-9::int)", DENIED),
    ("select range('1000000000'::int)", DENIED),
    ("from generate_series(timestamp '2000-01-01', timestamp '2024-01-01', interval 1 "
     "microsecond)", DENIED),
    ("from range(date '2000-01-01', date '2024-01-01', (select interval 1 second))", DENIED),
    ("select repeat('x', 1000000000)", DENIED),
    ("select ('x').repeat(1000000000)", DENIED),
    ("select channel.repeat(1000000000) from agent_orders", DENIED),
    ("select repeat(repeat('x', 10000), 10000)", DENIED),
    ("select repeat('x', id * 1000000) from agent_orders", DENIED),
    ("select lpad('x', 1000000000, 'y')", DENIED),
    ("select rpad('x', 2147483647, 'y')", DENIED),
    ("select printf('%1000000000d', 1)", DENIED),
    ("select printf('%*d', 1000000000, 1)", DENIED),
    ("select format('{:>1000000000}', 1)", DENIED),
    ("select format('{:{}}', 1, 1000000000)", DENIED),
    ("select format(channel, 1) from agent_orders", DENIED),
    ("select list_resize([1], 1000000000)", DENIED),
    ("select bar(1, 0, 1, 1000000000)", DENIED),
    ("select to_base(1, 2, 1000000000)", DENIED),
    ("select bitstring('1', 1000000000)", DENIED),
    ("select levenshtein(channel, channel) from agent_orders", DENIED),
    # What does not parse.
    ("", INVALID),
    ("  -- nothing", INVALID),
    ("selec 1", INVALID),
    ("select 1;\0 drop view agent_orders", INVALID),
    ("select '\ud800'", INVALID),
    ("select agent_macro(1)", INVALID),
    ("select id between symmetric 5 and 1 from agent_orders", INVALID),
    ("select " + "(" * 6000 + "1" + ")" * 6000, DENIED),
    ("select " + "1+" * 2000 + "1", DENIED),
    ("select " + "not " * 2000 + "true", DENIED),
    ("select " + "[" * 2000 + "]" * 2000, DENIED),
    ("select 1 where " + " or ".join(["id = 1"] * 2000), DENIED),
    ("select count(*) from " + ", ".join(["agent_orders"] * 25), DENIED),
    ("with a as (from agent_orders x, agent_orders y), b as (from a x, a y), c as (from b x, b y),"
     " d as (from c x, c y), e as (from d x, d y), f as (from e x, e y), g as (from f x, f y) "
     "select count(*) from g", DENIED),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "code"), HOSTILE, ids=[sql[:70] for sql, _ in HOSTILE])
def test_a_hostile_statement_is_refused_before_it_runs(sql: str, code: str) -> None:
    with pytest.raises(AnswerError) as refused:
        check(sql, VIEWS)

    assert refused.value.code == code
    assert len(refused.value.message) > 20
    assert "agent_secrets" not in refused.value.message


def test_the_refusal_of_a_function_names_what_to_use_instead() -> None:
    with pytest.raises(AnswerError, match="list_tables and describe_table"):
        check("from duckdb_columns()", VIEWS)


def test_a_misspelt_table_is_corrected_among_the_agents_own() -> None:
    with pytest.raises(AnswerError, match=r"Did you mean agent_orders\?") as refused:
        check("select id from agent_order", VIEWS)

    assert refused.value.details == {"tables": ["agent_customers", "agent_orders"], "position": 16}


def test_positions_count_characters_and_not_bytes() -> None:
    with pytest.raises(AnswerError) as refused:
        check("select 'Grüße 日本', error('x')", VIEWS)

    assert refused.value.details["position"] == 20


def test_a_view_hidden_by_an_expression_of_its_name_is_not_counted_as_read() -> None:
    assert check("with agent_orders as (select 1) from agent_orders", VIEWS).tables == []


def test_names_alone_are_enough_to_check() -> None:
    checked = check("from agent_orders", ["agent_orders"])

    assert (checked.tables, checked.columns) == (["agent_orders"], {})


def test_a_statement_leaves_nothing_for_the_next(sandbox: SqlSandbox) -> None:
    before = sandbox.run("select count(*) as n from agent_orders").rows
    for sql in ("use v0", "set variable x = 1", "create temp view agent_orders as select 1"):
        with pytest.raises(AnswerError):
            sandbox.run(sql)

    assert sandbox.run("select count(*) as n from agent_orders").rows == before
