"""Rows that the engine writes as JSON are those that Python writes."""

import json
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import duckdb
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.catalog import CatalogColumn, CatalogView
from serving.lookup_store import records
from serving.row_bytes import unpacked
from serving.row_json import characters_a_byte, days_written_alike, row_columns

ROWS = 4
SIGNED = {"TINYINT": 7, "SMALLINT": 15, "INTEGER": 31, "BIGINT": 63, "HUGEINT": 127}
UNSIGNED = {"UTINYINT": 8, "USMALLINT": 16, "UINTEGER": 32, "UBIGINT": 64}
DECIMALS = [(4, 2), (9, 0), (15, 15), (16, 1), (18, 2), (18, 17), (38, 0), (38, 10), (38, 21)]
# Without a zone, as a TIMESTAMP is.
FIRST, LAST = datetime.fromisoformat("1000-01-01"), datetime.fromisoformat("9999-12-30 23:59:59")
KATHMANDU = timezone(timedelta(hours=5, minutes=45))
NO_KEYS = ("BOOLEAN", "DOUBLE", "FLOAT", "DECIMAL")


def integers(least: int, most: int) -> st.SearchStrategy[int]:
    """Any of them, and often those about which a JSON number is exact no more."""
    edges = [
        sign * (base + by) for base in (2**53, 10**15) for by in (-1, 0, 1) for sign in (1, -1)
    ]
    inside = [edge for edge in edges if least <= edge <= most]
    return st.one_of(st.integers(least, most), st.sampled_from(inside or [least, most]))


def decimals(precision: int, scale: int) -> st.SearchStrategy[str]:
    """Numbers of so many digits, as text."""

    def text(number: int) -> str:
        whole, part = divmod(abs(number), 10**scale)
        return f"{'-' if number < 0 else ''}{whole}.{part:0{scale}d}" if scale else str(number)

    return integers(1 - 10**precision, 10**precision - 1).map(text)


KINDS: dict[str, st.SearchStrategy[Any]] = {
    **{kind: integers(-(2**bits), 2**bits - 1) for kind, bits in SIGNED.items()},
    **{kind: integers(0, 2**bits - 1) for kind, bits in UNSIGNED.items()},
    **{f"DECIMAL({wide},{scale})": decimals(wide, scale) for wide, scale in DECIMALS},
    "VARCHAR": st.text(),
    "BOOLEAN": st.booleans(),
    "DOUBLE": st.floats(),
    "FLOAT": st.floats(width=32),
    "UUID": st.uuids(),
    "DATE": st.dates(date(1000, 1, 1)),
    "TIMESTAMP": st.datetimes(FIRST, LAST),
    "TIMESTAMP WITH TIME ZONE": st.datetimes(
        FIRST + timedelta(days=1), LAST, timezones=st.sampled_from([UTC, KATHMANDU])
    ),
}


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    """An engine in UTC."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection


def view_of(kinds: list[str]) -> CatalogView:
    """A view of columns of these types, looked up by all that can be keys."""
    names = [f"c{number}" for number in range(len(kinds))]
    return CatalogView(
        name="v",
        description="",
        columns=[
            CatalogColumn(name=name, type=kind, description="")
            for name, kind in zip(names, kinds, strict=True)
        ],
        key="c0",
        lookups=[n for n, k in zip(names, kinds, strict=True) if not k.startswith(NO_KEYS)],
        data_as_of=None,
        sources=[],
    )


def both(
    engine: duckdb.DuckDBPyConnection, view: CatalogView
) -> tuple[list[tuple[Any, ...]] | None, list[tuple[Any, ...]]]:
    """The keys and rows that the engine writes, where it can, and those that Python does."""
    by_python = [
        (*keys, repr(json.loads(body)))
        for *keys, body in records(view, engine.execute("from v").fetchall())
    ]
    written = row_columns(view, list(dict.fromkeys([view.key, *view.lookups])))
    alike = engine.execute(f"select {days_written_alike(view)} from v").fetchone()
    if written is None or alike != (True,):
        return None, by_python
    found = engine.execute(f"select {', '.join(written)} from v").fetchall()
    return [(*keys, repr(json.loads(body))) for *keys, body in found], by_python


def draw_rows(engine: duckdb.DuckDBPyConnection, data: st.DataObject) -> CatalogView:
    """A view of any types, and a table ``v`` of some of its rows."""
    others = st.lists(st.sampled_from(sorted(KINDS)), max_size=5)
    key = st.sampled_from(sorted(kind for kind in KINDS if not kind.startswith(NO_KEYS)))
    view = view_of([data.draw(key), *data.draw(others)])
    declared = ", ".join(f"{column.name} {column.type}" for column in view.columns)
    engine.execute(f"create or replace table v ({declared})")
    marks = ", ".join("?" for _ in view.columns)
    for _ in range(ROWS):
        row = [data.draw(st.one_of(st.none(), KINDS[column.type])) for column in view.columns]
        engine.execute(f"insert into v values ({marks})", row)
    return view


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_row_of_any_types_is_written_as_python_writes_it(
    engine: duckdb.DuckDBPyConnection, data: st.DataObject
) -> None:
    view = draw_rows(engine, data)
    by_engine, by_python = both(engine, view)
    assert by_engine == by_python


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_scalars_have_no_more_characters_than_are_reckoned_with_from_their_bytes(
    engine: duckdb.DuckDBPyConnection, data: st.DataObject
) -> None:
    view = draw_rows(engine, data)
    written = row_columns(view, [view.key])
    bodies = [body for *_, body in records(view, engine.execute("from v").fetchall())]
    if written is not None:
        bodies += [body for (body,) in engine.execute(f"select {written[-1]} from v").fetchall()]
    for body in bodies:
        cells = [
            cell if isinstance(cell, str) else str(cell) for cell in unpacked([body])[0].values()
        ]
        assert sum(map(len, cells)) <= characters_a_byte(view) * len(body.encode())


@pytest.mark.parametrize(
    "value",
    [[1e15, 1e16], ["\x00", "\x80", "\U000e0001"], [[], [None, True]], {"a": ["\u200b"] * 9}],
)
def test_what_has_parts_has_no_more_characters_than_are_reckoned_with(value: Any) -> None:
    view = view_of(["INTEGER", "JSON[]"])
    body = orjson.dumps({"c0": 1, "c1": value})
    cells = unpacked([body])[0].values()
    assert sum(len(str(cell)) for cell in cells) <= characters_a_byte(view) * len(body)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("DATE", "0999-12-31"),
        ("DATE", "10000-01-01"),
        ("TIMESTAMP", "infinity"),
        ("TIMESTAMP WITH TIME ZONE", "-infinity"),
        ("TIMESTAMP WITH TIME ZONE", "0044-03-15 12:00:00+00"),
        ("DECIMAL(18,18)", "0.009007199254740991"),
        ("DECIMAL(38,22)", "0.0000009007199254740991"),
        ("UHUGEINT", "170141183460469231731687303715884105728"),
        ("VARCHAR[]", "[a]"),
        ("TIME", "12:00:00"),
        ("INTERVAL", "1 day"),
    ],
)
def test_what_the_engine_writes_otherwise_is_left_to_python(
    engine: duckdb.DuckDBPyConnection, kind: str, value: str
) -> None:
    engine.execute(f"create or replace table v as select 1 as c0, '{value}'::{kind} as c1")
    view = view_of(["INTEGER", kind]).model_copy(update={"lookups": []})
    assert both(engine, view)[0] is None


@pytest.mark.parametrize("kind", ["DOUBLE", "DECIMAL(18,2)", "BOOLEAN"])
def test_a_key_that_is_no_whole_number_or_text_is_left_to_python(kind: str) -> None:
    assert row_columns(view_of([kind]), ["c0"]) is None


@pytest.mark.parametrize("kind", ["DOUBLE", "FLOAT"])
def test_what_is_not_a_finite_number_is_written_as_python_writes_it(
    engine: duckdb.DuckDBPyConnection, kind: str
) -> None:
    engine.execute(f"create or replace table v (c0 integer, c1 {kind})")
    for number, value in enumerate([math.nan, -math.nan, math.inf, -math.inf, -0.0]):
        engine.execute("insert into v values (?, ?)", [number, value])
    view = view_of(["INTEGER", kind]).model_copy(update={"lookups": []})
    by_engine, by_python = both(engine, view)
    assert by_engine == by_python
