"""Rows by key from the SQLite file of a view."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_warehouse import change_warehouse, declarations, publish

from serving import snapshot
from serving.catalog import CatalogColumn, CatalogView
from serving.errors import InvalidArgument, PublishError
from serving.lookup_layer import write_lookup_layer
from serving.lookup_store import LookupStore, build_lookup
from serving.values import to_json


@pytest.fixture
def tickets(published: Path) -> Iterator[LookupStore]:
    folder, catalog = snapshot.current(published)
    store = LookupStore(folder / "views/agent_tickets.sqlite", catalog.views["agent_tickets"])
    yield store
    store.close()


def view_of(kinds: dict[str, str], lookups: Sequence[str] = ()) -> CatalogView:
    """A view ``v`` of columns of these types, its key ``k``."""
    return CatalogView(
        name="v",
        description="",
        columns=[CatalogColumn(name=n, type=kind, description="") for n, kind in kinds.items()],
        key="k",
        lookups=list(lookups),
        data_as_of=None,
        sources=[],
    )


def ids(rows: list[dict[str, object]]) -> list[object]:
    return [row["ticket_id"] for row in rows]


def test_rows_look_as_they_do_in_sql_answers(published: Path, tickets: LookupStore) -> None:
    folder, _ = snapshot.current(published)
    file = str(folder / "views/agent_tickets.duckdb")
    with duckdb.connect(file, read_only=True) as connection:
        result = connection.execute("from agent_tickets")
        names = [column[0] for column in result.description]
        expected = [dict(zip(names, map(to_json, row), strict=True)) for row in result.fetchall()]
    assert tickets.get("ticket_id", [1, 2, 3, 4, 5], 10) == expected
    assert expected[0]["created_at"] == "2026-03-01T12:00:00Z"
    assert expected[0]["amount"] == 1.5


def test_a_key_may_be_written_as_text_where_it_is_unambiguous(tickets: LookupStore) -> None:
    assert ids(tickets.get("ticket_id", ["1", 2], 10)) == [1, 2]
    for wrong in ("01", " 1", "1.0", "one", "1; drop table rows", 1.0, True, None, [1], 2**64):
        with pytest.raises(InvalidArgument, match="ticket_id is BIGINT"):
            tickets.get("ticket_id", [wrong], 1)


def test_a_further_lookup_gives_all_its_rows_by_key(tickets: LookupStore) -> None:
    assert ids(tickets.get("customer_key", ["c-1"], 10)) == [1, 2]


def test_rows_come_in_the_order_of_the_values_each_once_up_to_the_limit(
    tickets: LookupStore,
) -> None:
    assert ids(tickets.get("ticket_id", [5, "3", 3, 1], 10)) == [5, 3, 1]
    assert ids(tickets.get("customer_key", ["c-3", "c-1"], 2)) == [5, 1]


@pytest.mark.parametrize("value", ["' or '1'='1", "c-1'--", "%", "C-1", "", "\x00", "🙂"])
def test_a_hostile_value_is_a_value_and_finds_nothing(tickets: LookupStore, value: str) -> None:
    assert tickets.get("customer_key", [value], 10) == []


TEXTS = [
    "a",
    "a\0b",
    "a\0",
    "\0",
    "",
    "null",
    '"',
    "\\",
    "\\u0000",
    "'",
    "1",
    "01",
    "é",
    "e\u0301",
    "🙂",
]
NUMBERS = [0, 1, -1, 7, 10, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 5, 6, 8, 9, 11, 12]
STRANGERS = {"VARCHAR": st.text(max_size=3), "BIGINT": st.integers(-(2**63), 2**63 - 1)}


@pytest.fixture(scope="module", params=["written whole", "with a layer"])
def keyed_stores(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, LookupStore]]:
    """Rows of all but the last five keys; in a layer one is new, one has changed, one is gone."""
    folder = tmp_path_factory.mktemp("keyed")
    stores = {}
    for kind, keys in {"VARCHAR": TEXTS, "BIGINT": NUMBERS}.items():
        view = view_of({"k": kind, "body": "VARCHAR"})
        file, lookup, layer = (folder / f"{kind}.{end}" for end in ("duckdb", "sqlite", "layer"))
        with duckdb.connect(str(file)) as connection:
            connection.execute(f"create table v (k {kind}, body varchar)")
            connection.executemany("insert into v values (?, 'base')", [[k] for k in keys[:-5]])
        build_lookup(file, lookup, view)
        if request.param == "with a layer":
            rows = [(keys[-1], "new"), (keys[0], "changed")]
            write_lookup_layer(layer, view, rows=rows, gone=[keys[2]], seq=1)
        stores[kind] = LookupStore(lookup, view, layer if layer.exists() else None)
    yield stores
    for store in stores.values():
        store.close()


@pytest.mark.parametrize(("kind", "keys"), [("VARCHAR", TEXTS), ("BIGINT", NUMBERS)])
@given(data=st.data())
def test_keys_asked_at_once_find_what_each_finds_alone_in_their_order(
    keyed_stores: dict[str, LookupStore], kind: str, keys: list[object], data: st.DataObject
) -> None:
    one = st.one_of(st.sampled_from(keys), STRANGERS[kind])
    asked = data.draw(st.lists(one, min_size=2, max_size=20))
    limit = data.draw(st.integers(1, 12))
    store = keyed_stores[kind]
    alone = [row for key in dict.fromkeys(asked) for row in store.find("k", [key], 1)]
    assert store.find("k", asked, limit) == alone[:limit]


def test_a_text_that_is_no_text_is_refused(tickets: LookupStore) -> None:
    with pytest.raises(InvalidArgument, match="not valid Unicode"):
        tickets.get("customer_key", ["\ud800"], 1)


@pytest.mark.parametrize("column", ["status", "no_such", "_row", 'ticket_id" or 1=1 --'])
def test_another_column_is_refused_with_those_that_there_are(
    tickets: LookupStore, column: str
) -> None:
    with pytest.raises(InvalidArgument, match="use ticket_id or customer_key"):
        tickets.get(column, ["1"], 1)


def test_a_row_without_a_value_is_found_by_its_key_alone(tickets: LookupStore) -> None:
    assert ids(tickets.get("ticket_id", [4], 1)) == [4]
    with pytest.raises(InvalidArgument):
        tickets.get("customer_key", [None], 1)


def test_threads_share_one_store(tickets: LookupStore) -> None:
    wrong: list[int] = []

    def look_up(key: int) -> None:
        for _ in range(300):
            if ids(tickets.get("ticket_id", [key], 1)) != [key]:
                wrong.append(key)

    threads = [threading.Thread(target=look_up, args=(key,)) for key in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    ("kind", "literal", "asked"),
    [
        ("VARCHAR", "'a/b c.md'", "a/b c.md"),
        ("VARCHAR", "'0012'", "0012"),
        ("UUID", "'6ccd780c-baba-1026-9564-5b8c656024db'", "6ccd780c-baba-1026-9564-5b8c656024db"),
        ("DATE", "date '2026-02-01'", "2026-02-01"),
        ("HUGEINT", "5", 5),
        ("HUGEINT", "170141183460469231731687303715884105727", 2**127 - 1),
        ("BIGINT", "9007199254740993", 9007199254740993),
        ("BIGINT", "-1", "-1"),
        ("DECIMAL(18,2)", "1.50", 1.5),
    ],
)
def test_a_key_of_any_type_is_found(tmp_path: Path, kind: str, literal: str, asked: object) -> None:
    file = tmp_path / "view.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute(f"create table v as select {literal}::{kind} as k, 'yes' as body")
    view = view_of({"k": kind, "body": "VARCHAR"}, lookups=["body"])
    assert build_lookup(file, tmp_path / "v.sqlite", view) == 1
    store = LookupStore(tmp_path / "v.sqlite", view)
    assert [row["body"] for row in store.get("k", [asked], 2)] == ["yes"]
    assert len(store.get("body", ["yes"], 2)) == 1
    store.close()


@pytest.mark.parametrize(
    "instants",
    [
        ["2026-01-02 03:04:05+02", "2026-01-02 03:04:05.25+00", None],
        ["9999-12-31 23:59:59.999999+00", "0001-01-01 00:00:00+00", "12000-01-01 00:00:00+00"],
        ["infinity", "9999-12-31 23:59:59.999999+00", "-infinity"],
        [None],
    ],
)
@pytest.mark.parametrize(
    ("kind", "value"), [("TIMESTAMP WITH TIME ZONE[]", "[?]"), ("TIMESTAMP WITH TIME ZONE", "?")]
)
def test_an_instant_looks_as_it_does_in_an_answer_to_sql(
    tmp_path: Path, kind: str, value: str, instants: list[str | None]
) -> None:
    # A list is written by Python, in whose row an instant is too; else the engine writes rows.
    file = tmp_path / "view.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute(f"create table v (k integer, made timestamptz, since {kind})")
        connection.execute("set timezone = 'UTC'")
        connection.executemany(
            f"insert into v values (?, ?, {value})", [[k, at, at] for k, at in enumerate(instants)]
        )
        expected = [
            {"k": k, "made": to_json(made), "since": to_json(since)}
            for k, made, since in connection.execute("from v order by k").fetchall()
        ]
    view = view_of({"k": "INTEGER", "made": "TIMESTAMP WITH TIME ZONE", "since": kind})
    build_lookup(file, tmp_path / "v.sqlite", view)
    store = LookupStore(tmp_path / "v.sqlite", view)
    assert store.get("k", list(range(len(instants))), 9) == expected
    store.close()


def test_a_file_that_the_engine_cannot_read_rows_of_is_told_without_its_words(
    tmp_path: Path,
) -> None:
    with duckdb.connect(str(tmp_path / "view.duckdb")) as connection:
        connection.execute("create table v as select 1 as k, 'ann@example.com' as made")
    view = view_of({"k": "INTEGER", "made": "DOUBLE"})
    with pytest.raises(PublishError, match=r"v: its rows .*\(\w+\)$") as told:
        build_lookup(tmp_path / "view.duckdb", tmp_path / "v.sqlite", view)
    assert "ann@" not in str(told.value) and told.value.__cause__ is None


def test_an_empty_view_is_looked_up_and_finds_nothing(home: Path) -> None:
    change_warehouse(home, "delete from agents.agent_products")
    publish(home, declarations())
    folder, catalog = snapshot.current(home)
    view = catalog.views["agent_products"]
    store = LookupStore(folder / "views/agent_products.sqlite", view)
    assert store.get("product_id", [1], 1) == []
    store.close()
