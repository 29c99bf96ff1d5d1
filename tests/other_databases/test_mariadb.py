"""What only MySQL and MariaDB have, and what a missing driver says."""

import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ingestion.databases import open_engine
from ingestion.errors import MissingDriver
from tests.other_databases.conftest import Source

mariadb = pytest.mark.parametrize(
    "source", [pytest.param("mariadb", marks=pytest.mark.mariadb)], indirect=True
)


@mariadb
def test_every_type_of_mariadb_arrives_without_loss(source: Source) -> None:
    source.execute(
        """create table items (id bigint unsigned primary key, a tinyint, b boolean,
        c decimal(12, 3), d decimal(65, 0), e double, f json, g enum('x', 'y'),
        h varbinary(4), i datetime(6), j date, k char(3), l text character set latin1,
        m year, n varchar(20), o decimal(60, 30))""",
        """insert into items values (1, -1, true, 1.125, 100000000000000000000000000000000000000,
        1e308, '{"x": [1]}', 'y', x'00ff', '2026-01-02 03:04:05.123456', '9999-12-31', 'abc',
        'caf\u00e9', 2026, concat('a', char(0), 'b'), 0)""",
    )
    source.load(cursor=None)
    columns = "a, c, d, e, f->>'$.x[0]', g, h, i, j::varchar, k, l, m, n, o"
    assert source.live(columns) == [
        (-1, Decimal("1.125"), "1" + "0" * 38, 1e308, "1", "y", b"\x00\xff",
         datetime.fromisoformat("2026-01-02 03:04:05.123456"), "9999-12-31", "abc", "caf\u00e9",
         2026, "a\0b", "0." + "0" * 30)
    ]  # fmt: skip


@mariadb
def test_a_thousand_columns_of_another_database_arrive(source: Source) -> None:
    columns = ", ".join(f"c{index} tinyint" for index in range(1_000))
    source.execute(f"create table items (id integer primary key, {columns})")
    source.execute(f"insert into items values (1{', 7' * 1_000})")
    source.load(cursor=None)
    assert source.live("id, c0, c999") == [(1, 7, 7)]


@mariadb
def test_a_timestamp_is_read_in_utc_whatever_the_servers_zone_is(source: Source) -> None:
    source.execute(
        "create table items (id integer primary key, changed_at timestamp null)",
        "insert into items values (1, from_unixtime(1767322800))",
    )
    source.load()
    instant = datetime.fromtimestamp(1767322800, UTC).replace(tzinfo=None)
    assert source.live("changed_at") == [(instant,)]


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("mysql://me:hunter2@127.0.0.1/shop", "pip install pymysql"),
        ("mssql+pyodbc://me:hunter2@127.0.0.1/shop", "pip install pyodbc"),
        ("oracle+oracledb://me:hunter2@127.0.0.1/shop", "pip install oracledb"),
    ],
)
def test_a_missing_driver_is_told_with_the_command_that_installs_it(
    url: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("pymysql", "pyodbc", "oracledb"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDriver, match=remedy) as caught:
        open_engine(url)
    assert "hunter2" not in str(caught.value)
