from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from serving import connect
from serving.agent import Agent
from serving.errors import NoSnapshot, Refused

VALUES = """
    select 1::tinyint as small, 170141183460469231731687303715884105727::hugeint as huge,
        9007199254740993::bigint as beyond_json, 1.50::decimal(18,2) as price,
        12345678901234567890.12::decimal(38,2) as long_price, true as flag, 'a "quoted" Ü' as words,
        date '2026-01-02' as day, timestamp '2026-01-02 03:04:05.123456' as naive,
        timestamptz '2026-01-02 03:04:05+02' as instant, time '03:04:05' as clock,
        '\\xAA\\x00'::blob as bytes, uuid '11111111-1111-1111-1111-111111111111' as id,
        {'a': 1, 'b': [1.25::decimal(5,2), null]} as part, map {'k': 1} as pairs,
        [date '2026-01-01'] as days, [['a"b'], []] as lists, '{"a": [1]}'::json as document,
        'NaN'::double as nan, 0.1::double as tenth, 18446744073709551615::ubigint as unsigned
"""
NOTHING = "select " + ", ".join(["null"] * 21)


def test_arrow_has_the_types_and_values_that_the_engine_has(agent: Agent) -> None:
    sql = f"{VALUES} union all {NOTHING}"
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        expected = connection.execute(sql).to_arrow_table()
    found = agent.sql(sql).arrow()
    assert found.schema.names == expected.schema.names
    for name in expected.schema.names:
        assert found.schema.field(name).type == expected.schema.field(name).type, name
        # As text, because NaN is not itself.
        assert str(found[name].to_pylist()) == str(expected[name].to_pylist()), name


def test_a_frame_keeps_decimals_instants_and_missing_numbers(agent: Agent) -> None:
    frame = agent.lookup("agent_orders", values=[1, 2]).df()
    assert list(frame["order_id"]) == [1, 2]
    assert frame["total"][0] == Decimal("1.50")
    assert frame["placed_at"][0] == datetime(2026, 1, 1, 1, tzinfo=UTC)
    missing = agent.sql("select 9007199254740993 as n union all select null order by 1").df()
    assert missing["n"][0] == 9007199254740993
    assert missing["n"].isna().tolist() == [False, True]


def test_a_search_gives_a_frame_of_its_hits(agent: Agent) -> None:
    hits = agent.search("printer jam", table="agent_tickets")
    frame = hits.df()
    assert frame["key"].tolist() == [row["key"] for row in hits.rows]
    assert str(frame["key"].dtype) == "int64[pyarrow]"


def test_no_rows_still_have_their_columns(agent: Agent) -> None:
    table = agent.lookup("agent_orders", value=99_999).arrow()
    assert table.num_rows == 0
    assert table.schema.field("total").type == pa.decimal128(18, 2)


def test_a_name_of_a_column_is_never_read_as_sql(agent: Agent) -> None:
    table = agent.sql("""select 1 as "a"" b; -- c", date '2026-01-02' as "r->>0" """).arrow()
    assert table.to_pylist() == [{'a" b; -- c': 1, "r->>0": date(2026, 1, 2)}]


def test_lists_about_the_data_are_frames_too(agent: Agent) -> None:
    frame = agent.list_tables(detail_level="full").df()
    assert frame["table"].tolist() == [
        row["table"] for row in agent.list_tables(detail_level="full").rows
    ]


@pytest.mark.parametrize("read", ["rows", "df", "arrow"])
def test_reading_rows_of_a_refusal_says_why_there_are_none(agent: Agent, read: str) -> None:
    refused = agent.sql("drop table agent_orders")
    with pytest.raises(Refused, match="READONLY_VIOLATION: ") as caught:
        getattr(refused, read)() if read != "rows" else refused.rows
    assert caught.value.code == "READONLY_VIOLATION"


def test_connect_finds_the_nearest_published_data_folder(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "project" / "notebooks"
    inner.mkdir(parents=True)
    (tmp_path / "project" / "data").symlink_to(home)
    # A folder of that name with nothing published in it is somebody else's.
    (inner / "data").mkdir()
    monkeypatch.chdir(inner)
    with connect("support_agent") as agent:
        assert agent.lookup("agent_orders", value=1).rows[0]["order_id"] == 1


def test_connect_without_a_home_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("serving.agent.__file__", str(tmp_path / "x" / "serving" / "agent.py"))
    with pytest.raises(NoSnapshot, match=str(tmp_path)):
        connect("support_agent")
