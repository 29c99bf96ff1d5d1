"""Errors help the caller and tell nothing that the caller did not know."""

import json
import re
from pathlib import Path

import pytest

from serving.errors import AnswerError
from serving.sandbox import SqlSandbox
from serving.sandbox.messages import Statement, explain

HELPFUL = [
    ("select chanel from agent_orders", "Did you mean channel"),
    ("select o.amont from agent_orders o", "Did you mean amount"),
    ("select zzz from agent_customers", "There is no column `zzz`. The columns are: id, pseud"),
    ("select channel, count(*) from agent_orders", "`channel` must be in GROUP BY"),
    ("select id from agent_orders, agent_notes", "`id` is in several tables"),
    ("select x.id from agent_orders", "alias that is not in FROM"),
    ("select * from agent_orders where sum(id) > 1", "use HAVING"),
    ("select * from agent_orders where row_number() over () = 1", "use QUALIFY"),
    ("select sum(count(*)) from agent_orders", "use a subquery"),
    ("select sum(channel) from agent_orders", "`sum` does not take (VARCHAR)"),
    ("select id from agent_orders order by 9", "higher than the number of columns"),
    ("select 1 union select 1, 2", "same number of columns"),
    ("select (select id from agent_orders)", "more than one row"),
    ("select pseud::int from agent_customers", "A value of `pseud` cannot be converted"),
    ("select id::tinyint from agent_orders", "A value of `id` cannot be converted to TINYINT"),
    ("select pseud = 5 from agent_customers", "Use try_cast()"),
    ("select strptime(pseud, '%Y') from agent_customers", "try_strptime()"),
    ("select pseud::json from agent_customers", "json_valid()"),
    ("select date_trunc('fortnight', d) from agent_orders", "year, quarter, month"),
    ("select id * 9223372036854775807 from agent_orders", "cast to HUGEINT"),
    ("select exp(100000)::int from agent_orders", "cannot be converted to INTEGER"),
    ("select pseud + 1 from agent_customers", "cast"),
    ("select d = 5 from agent_orders", "INTEGER cannot be converted to DATE"),
    ("select id from agent_orders group by all having", "Syntax error"),
    ("selec id from agent_orders", "Syntax error near `selec` at character 1"),
    ("select * exclude (nope) from agent_orders", "`nope`"),
    ("select unnest(1)", "unnest()"),
    ("select pseud collate nonsense from agent_customers", "does not exist"),
    ("select list_aggregate([1], 'nonsense')", "."),
    ("select json_extract('{', '$')", "json_valid()"),
    ("select 'c'::enum('a', 'b')", "."),
    ("select regexp_matches(pseud, '(') from agent_customers", "."),
    ("select '2024-99-99'::date", "."),
    ("select interval 'x' day", "."),
    ("select struct_extract({'a': 1}, 'b')", "."),
    ("select map {'a': 1, 'a': 2}", "."),
    ("select pseud::uuid from agent_customers", "."),
    ("select decode(encode(pseud)::blob || '\\xFF'::blob) from agent_customers", "."),
    ("select make_date(2024, id::int, 99) from agent_orders", "."),
    ("select factorial(id::int) from agent_orders", "."),
    ("select ln(0 - id) from agent_orders", "."),
    ("select chr(id::int * 1000000) from agent_orders", "."),
    ("select from_base64(pseud) from agent_customers", "."),
    ("select unhex(pseud) from agent_customers", "."),
    ("select format('{:d}', pseud) from agent_customers", "."),
    ("select id::decimal(2, 1) from agent_orders", "."),
    ("select d + interval (id * 100000) year from agent_orders", "."),
    ("select json_transform(items, 'x') from agent_orders", "."),
    ("select pseud::timestamp from agent_customers", "."),
    ("select pseud::interval from agent_customers", "."),
    ("select pseud::boolean from agent_customers", "."),
    ("select pseud::int[] from agent_customers", "."),
    ("select pseud::struct(a int) from agent_customers", "."),
    ("select ntile(0) over () from agent_orders", "."),
    ("select quantile_cont(amount, 2) from agent_orders", "."),
    ("select time_bucket(interval (0 - id) day, d) from agent_orders", "."),
    ("select timezone(pseud, now()) from agent_customers", "."),
    ("select array_value(pseud)::int[3] from agent_customers", "."),
    ("pivot agent_customers on pseud in ('a') using sum(pseud)", "."),
]


@pytest.mark.parametrize(("sql", "said"), HELPFUL, ids=[sql for sql, _ in HELPFUL])
def test_an_error_helps_and_tells_no_path_process_hidden_name_or_value(
    sql: str, said: str, sandbox: SqlSandbox, files: dict[str, Path]
) -> None:
    with pytest.raises(AnswerError) as refused:
        sandbox.run(sql)

    told = f"{refused.value.message} {json.dumps(dict(refused.value.details))}"
    assert said in told
    assert refused.value.code == "INVALID_SQL"
    assert "pseudonym-" not in told
    assert str(next(iter(files.values())).parent) not in told
    assert not re.search(r"\bv\d+\b|\.duckdb|/tmp|\bpid\b|memory\.main|LINE 1", told)


def test_the_position_points_into_the_callers_own_text(sandbox: SqlSandbox) -> None:
    sql = "select id,\n  'ä' as a, chanel\nfrom agent_orders"
    with pytest.raises(AnswerError) as refused:
        sandbox.run(sql)

    position = refused.value.details["position"]
    assert isinstance(position, int)
    assert sql[position - 1 :].startswith("chanel")


@pytest.mark.parametrize(
    "kind",
    ["BinderException", "CatalogException", "ConversionException", "InternalException"]
    + ["InvalidInputException", "OutOfRangeException", "IOException", "Error", "Unreadable"],
)
def test_a_text_that_nobody_foresaw_is_not_passed_on(kind: str) -> None:
    text = (
        "Some \"hidden\" thing in /srv/published/v1.duckdb (PID 4711): 'jane@example.com'\n\n"
        "LINE 1: select secret from v0.main.agent_secrets\n               ^"
    )
    error = explain(kind, text, Statement("select 1", ["id"]))

    assert not re.search(r"hidden|srv|4711|jane|secret|v0", error.message)
    assert error.details == {}


def test_a_name_that_the_caller_did_not_write_is_not_repeated() -> None:
    text = 'Binder Error: Referenced column "jane@example.com" not found in FROM clause!'
    error = explain("BinderException", text, Statement("select x from t", ["id"]))

    assert error.message == "There is no column. The columns are: id."


def test_a_value_that_looks_like_a_type_is_not_repeated() -> None:
    text = "Conversion Error: Could not convert string 'from here to JANEDOE\n to' to INT32"
    error = explain("ConversionException", text, Statement("select x from t", ["x"]))

    assert "JANEDOE" not in error.message
