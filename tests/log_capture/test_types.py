"""Every type arrives from the log exactly as it does from a snapshot of the table."""

import psycopg
import pytest

from ingestion.spec import SourceSpec
from tests.log_capture.conftest import Database, Declare, of_items

SETUP = [
    "create type mood as enum ('glad', 'sad''s')",
    "create domain flag as boolean",
    "create domain small as int check (value < 100)",
    "create type pair as (a int, b text)",
]
VALUES = {
    "boolean": ["true", "false"],
    "smallint": ["-32768", "7"],
    "integer": ["-2147483648", "7"],
    "bigint": ["-9223372036854775808", "7"],
    "real": ["1.1", "'NaN'", "'-Infinity'", "1e-30"],
    "double precision": ["0.1", "'NaN'", "'Infinity'", "1e300"],
    "numeric(12,3)": ["123456789.125", "-0.001", "0"],
    "numeric(38,10)": ["1234567890123456789012345678.0123456789"],
    "numeric(5,0)": ["12345"],
    "numeric": ["1e40", "'NaN'", "'Infinity'", "0.10"],
    "numeric(50,2)": ["12345678901234567890123456789012345678901234567.25"],
    "numeric(3,-2)": ["12300"],
    "money": ["1234.5"],
    "text": ["''", "'Zoë 😀 \\ \" {}'", "repeat('x', 9000)"],
    "varchar(10)": ["'abc'"],
    "char(5)": ["'ab'"],
    "name": ["'n'"],
    '"char"': ["'c'"],
    "bytea": ["'\\x00ff5c'", "''"],
    "json": ["'{\"a\":   [1, null]}'"],
    "jsonb": ['\'{"a": [1, null], "b": "Zoë"}\''],
    "text[]": ["array['p', 'q,\"r', null]", "'{}'", "array[['a','b'],['c','d']]"],
    "integer[]": ["array[1, null, 3]"],
    "numeric(10,2)[]": ["array[1.50, 'NaN']"],
    "timestamptz[]": ["array['2026-01-02 03:04:05+02'::timestamptz]"],
    "jsonb[]": ["array['{\"a\": 1}'::jsonb]"],
    "mood[]": ["array['glad', 'sad''s']::mood[]"],
    "pair[]": ["array[row(1, 'x')::pair]"],
    "uuid": ["'00000000-0000-0000-0000-000000000007'"],
    "mood": ["'glad'", "'sad''s'"],
    "flag": ["true", "false"],
    "small": ["7"],
    "pair": ["row(1, 'a b')"],
    "date": ["'2026-01-02'", "'0001-01-01'", "'9999-12-31'"],
    "timestamp": ["'2026-01-02 03:04:05.123456'", "'0001-01-01'", "'9999-12-31 23:59:59.999999'"],
    "timestamptz": ["'2026-01-02 03:04:05.1+02'", "'0001-01-01+00'", "'9999-12-31 23:59:59+00'"],
    "time": ["'03:04:05.5'"],
    "timetz": ["'03:04:05+02'"],
    "interval": ["'1 year 2 days 03:04:05'"],
    "inet": ["'10.0.0.1'", "'10.0.0.0/8'"],
    "cidr": ["'10.0.0.0/8'"],
    "macaddr": ["'08:00:2b:01:02:03'"],
    "bit(3)": ["B'101'"],
    "int4range": ["'[1,5)'"],
    "tsvector": ["'a b'"],
    "point": ["'(1,2)'"],
    "pg_lsn": ["'0/16B3748'"],
    "oid": ["7"],
}
ODD = {
    "numeric(12,3)": ["'NaN'"],
    "date": ["'infinity'", "'-infinity'", "'0044-03-15 BC'", "'12026-01-01'"],
    "timestamp": ["'infinity'", "'-infinity'", "'0044-03-15 BC'", "'12026-01-01'"],
    "timestamptz": ["'infinity'", "'-infinity'", "'0044-03-15 BC'", "'12026-01-01'"],
}


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_every_type_arrives_alike_by_snapshot_log_and_cursor(
    database: Database, declare: Declare, zone: str
) -> None:
    columns = {f"c{index}": kind for index, kind in enumerate(VALUES)}
    defined = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    both = {
        **of_items(),
        "tables": {"before": {"primary_key": ["id"]}, "after": {"primary_key": ["id"]}},
    }
    with psycopg.connect(database.url, autocommit=True) as connection:
        name = database.url.rpartition("/")[2]
        connection.execute(f"alter database {name} set timezone = '{zone}'".encode())
        connection.execute(f"alter database {name} set datestyle = 'SQL, DMY'".encode())
    database.execute(
        *SETUP,
        f"create table before (id int primary key, {defined})",
        f"create table after (id int primary key, {defined})",
    )
    rows = [f"({place}, {', '.join(values)})" for place, values in enumerate(_rows(), 1)]
    inserts = [f"insert into {{}} values {row}" for row in rows]
    database.execute(*(text.replace("{}", "before", 1) for text in inserts))
    database.load(declare(both))
    database.execute(*(text.replace("{}", "after", 1) for text in inserts))
    database.load(declare(both))

    names = ", ".join(columns)
    before = database.raw(f"select id, {names} from own.before order by id")
    assert len(before) == len(rows)
    assert _text(database.raw(f"select id, {names} from own.after order by id")) == _text(before)
    kinds = (
        "select column_name, data_type from information_schema.columns "
        "where table_schema = 'own' and table_name = "
    )
    assert database.raw(f"{kinds} 'before' order by 1") == database.raw(
        f"{kinds} 'after' order by 1"
    )
    database.load(declare({**both, "capture": "cursor"}))
    assert _text(database.raw(f"select id, {names} from own.before order by id")) == _text(before)


@pytest.mark.parametrize("capture", ["snapshot", "log", "cursor"])
def test_values_that_raw_cannot_hold_are_quarantined_and_never_null(
    database: Database, declare: Declare, capture: str
) -> None:
    spec = declare({**of_items(), "capture": "cursor" if capture == "cursor" else "log"})
    columns = {f"c{index}": kind for index, kind in enumerate(ODD)}
    defined = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    database.execute(f"create table items (id serial primary key, {defined})")
    if capture == "log":
        database.load(spec)
    odd = [(name, value) for name, kind in columns.items() for value in ODD[kind]]
    database.execute(
        "insert into items default values",
        *(f"insert into items ({name}) values ({value})" for name, value in odd),
    )
    report = database.load(spec)
    assert database.raw("select id from own.items") == [(1,)]
    assert database.raw("select row_key, reason from own._quarantine order by row_key::int") == [
        (str(place), f"{name}: not in the range of its type")
        for place, (name, _) in enumerate(odd, 2)
    ]
    assert report.tables["items"].quarantined == len(odd)


def _rows() -> list[list[str]]:
    """Rows in which each value of each type occurs, and one of NULLs."""
    longest = max(map(len, VALUES.values()))
    rows = [[values[place % len(values)] for values in VALUES.values()] for place in range(longest)]
    return [*rows, ["null"] * len(VALUES)]


def _text(rows: list[tuple[object, ...]]) -> list[str]:
    """NaN equals itself as text."""
    return [repr(row) for row in rows]


def test_a_change_of_a_table_of_fifteen_hundred_columns_arrives(
    database: Database, captured: SourceSpec
) -> None:
    columns = ", ".join(f"c{number} int" for number in range(1_500))
    database.execute(
        f'create table items (id bigint primary key, {columns}, "select" text)',
        "insert into items (id, c7) values (1, 1), (2, 1)",
    )
    database.load(captured)
    database.execute("update items set c1499 = 9, \"select\" = 'x' where id = 2")
    database.load(captured)
    read = 'select id, c7, c1499, "select" from own.items order by id'
    assert database.raw(read) == [(1, 1, None, None), (2, 1, 9, "x")]
