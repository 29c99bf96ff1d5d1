"""A comparison finds every row that a cursor could not see, reads little, and mends raw."""

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ingestion import reconcile as module
from ingestion.databases import open_engine
from ingestion.errors import SourceFailed
from ingestion.load import load_source
from ingestion.reconcile import brake
from ingestion.row_hash import range_digits
from ingestion.spec import ReconcileSpec
from tests.other_databases.conftest import KINDS, Source

CREATE = """create table items (id integer primary key, name varchar(50), price numeric(12, 2),
    on_day date, changed_at timestamp null)"""
every_kind = pytest.mark.parametrize("source", KINDS, indirect=True)
postgres = pytest.mark.parametrize("source", ["postgresql"], indirect=True)


def rows(*keys: int, name: str = "x", at: str = "2026-01-02 12:00:00") -> str:
    """A statement that adds rows."""
    values = ", ".join(f"({key}, '{name}', {key}.25, '2026-01-02', '{at}')" for key in keys)
    return f"insert into items values {values}"


@every_kind
def test_what_agrees_is_read_only_as_counts_and_hashes(source: Source) -> None:
    source.execute(CREATE, rows(*range(1, 600)), "insert into items (id) values (600)")
    found = source.reconcile()
    assert found.agrees
    assert (found.rows, found.ranges, found.ranges_read) == (600, 16, 0)


@every_kind
def test_deleted_rows_rows_that_came_too_late_and_silent_updates_are_mended(
    source: Source,
) -> None:
    source.execute(CREATE, rows(*range(1, 600)), rows(601, at="2026-01-03 12:00:00"))
    source.load()
    source.execute(
        "delete from items where id = 5",
        "update items set name = 'silent' where id = 77",
        rows(700, at="2020-01-01 00:00:00"),
    )
    found = source.reconcile()
    assert (found.missing, found.extra, found.different, found.deleted) == (1, 1, 1, 1)
    assert 0 < found.ranges_read <= 3
    live = dict(source.live())
    assert (live[77], live[700], 5 in live) == ("silent", "x", False)
    assert source.raw("select name, price from own.items where id = 5") == [(None, None)]
    assert source.reconcile().agrees


@every_kind
def test_a_comparison_that_would_delete_too_much_deletes_nothing_but_mends_the_rest(
    source: Source,
) -> None:
    source.execute(CREATE, rows(*range(1, 21)), rows(99, at="2026-01-03 12:00:00"))
    source.load()
    source.execute("delete from items where id <= 10", rows(50, at="2020-01-01 00:00:00"))
    found = source.reconcile()
    assert (found.missing, found.extra, found.deleted) == (1, 10, 0)
    assert found.refused is not None and "reconcile.max_delete_share" in found.refused
    assert len(source.live()) == 22
    allowed = source.reconcile(reconcile={"max_delete_share": 0.6})
    assert (allowed.deleted, allowed.refused) == (10, None)
    assert len(source.live()) == 12


@every_kind
def test_keys_that_need_quoting_are_found_by_themselves_and_take_no_other_row(
    source: Source,
) -> None:
    keys = ["a%b", "it's", "x:y", '"q"', "\u00e4\U0001f600", "back\\slash", "", "a%%b", "1|2"]
    source.execute("create table items (id varchar(50), part varchar(9), name varchar(50), "
                   "changed_at timestamp null, primary key (id, part))")  # fmt: skip
    add = sa.text("insert into items values (:id, :part, 'x', '2026-01-02 12:00:00')")
    with open_engine(source.url).begin() as connection:
        connection.execute(add, [{"id": key, "part": part} for key in keys for part in "pq"])
    table: dict[str, Any] = {"primary_key": ["id", "part"], "reconcile": {"max_delete_share": 1}}
    source.load(**table, cursor={"column": "changed_at", "overlap": "0s"})
    source.execute(
        "update items set name = 'y' where part = 'q'", "delete from items where id = ''"
    )
    source.execute("insert into items values ('old', 'p', 'x', '2020-01-01 00:00:00')")
    found = source.reconcile(**table, cursor={"column": "changed_at", "overlap": "0s"})
    assert found.refused is None
    with open_engine(source.url).connect() as connection:
        oracle = connection.execute(sa.text("select id, part, name from items")).fetchall()
    assert sorted(source.live("id, part, name")) == sorted(map(tuple, oracle))
    assert source.reconcile(**table).agrees


@postgres
def test_a_row_that_changes_while_it_is_compared_is_not_called_different(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.execute(CREATE.replace("timestamp", "timestamptz"), rows(1, 2, 3))

    def load_then_change(*arguments: Any, **named: Any) -> Any:
        report = load_source(*arguments, **named)
        source.execute("update items set name = 'later', changed_at = now() where id = 2")
        source.execute("insert into items values (4, 'new', 1, now(), now())")
        return report

    monkeypatch.setattr(module, "load_source", load_then_change)
    found = source.reconcile()
    assert found.agrees and found.ranges_read > 0


@postgres
def test_a_row_that_is_in_quarantine_is_not_called_missing(source: Source) -> None:
    source.execute(CREATE, rows(1, 2), "insert into items values (3, 'x', -1, null, null)")
    model = {"row": {"price": {"type": "number", "ge": 0}}}
    source.load(**model)
    assert source.reconcile(**model).agrees


@postgres
def test_a_row_that_came_back_before_the_repair_is_kept(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.execute(CREATE, rows(*range(1, 40)))
    source.load()
    source.execute("delete from items where id = 7")

    def bring_back(*arguments: Any, **named: Any) -> Any:
        if "selection" in named:
            source.execute(rows(7, name="back"))
        return load_source(*arguments, **named)

    monkeypatch.setattr(module, "load_source", bring_back)
    found = source.reconcile()
    assert (found.extra, found.deleted) == (1, 0)
    assert dict(source.live())[7] == "back"


@postgres
def test_a_repair_does_not_move_the_cursor_past_rows_that_were_not_read(source: Source) -> None:
    source.execute(CREATE, rows(1, 2), rows(3, at="2020-01-01 00:00:00"))
    table = {"cursor": {"column": "changed_at", "overlap": "1m"}}
    source.load(**table)
    source.execute(rows(4, at="2026-01-02 12:30:00"))
    chosen = {"items": module.Selection((("3",),))}
    source.execute("update items set changed_at = '2026-01-02 13:00:00' where id = 3")
    load_source("own", source.declare(**table), source.home, selection=chosen)
    source.load(**table)
    assert [row[0] for row in source.live()] == [1, 2, 3, 4]


@postgres
def test_many_differing_rows_are_mended_by_reading_the_table_once(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.execute(CREATE, rows(*range(1, 50)), rows(99, at="2026-01-03 12:00:00"))
    source.load()
    source.execute(
        "update items set name = 'silent' where id < 50", "delete from items where id=50"
    )
    selections: list[Any] = []

    def counted(*arguments: Any, **named: Any) -> Any:
        selections.extend(named.get("selection", {}).values())
        return load_source(*arguments, **named)

    monkeypatch.setattr(module, "KEYS_BY_KEY", 10)
    monkeypatch.setattr(module, "load_source", counted)
    assert source.reconcile().different == 49
    assert [selection.keys for selection in selections] == [None]
    assert source.reconcile().agrees


@postgres
def test_a_key_whose_text_differs_between_databases_is_refused_by_name(source: Source) -> None:
    source.execute(
        "create table items (id double precision primary key, changed_at timestamptz)",
        "insert into items values (1.5, now())",
    )
    with pytest.raises(SourceFailed, match=r"own.items cannot be compared by its key column id"):
        source.reconcile()


@postgres
def test_a_table_that_has_never_had_a_row_agrees(source: Source) -> None:
    source.execute(CREATE)
    assert source.reconcile().rows == 0


@postgres
def test_a_whole_load_that_loses_more_than_its_share_is_refused_with_the_remedy(
    source: Source,
) -> None:
    source.execute(CREATE, rows(*range(1, 11)))
    source.load(cursor=None)
    source.execute("delete from items where id > 4", "update items set name = 'new' where id = 1")
    with pytest.raises(SourceFailed, match=r"6 of 10 rows of own.items are gone.*max_shrink_share"):
        source.load(cursor=None)
    assert source.live()[0] == (1, "x") and len(source.live()) == 10
    assert source.load(cursor=None, max_shrink_share=0.6).gone == 6
    assert source.live()[0] == (1, "new") and len(source.live()) == 4


@postgres
def test_a_table_whose_keys_all_changed_counts_as_lost_though_it_has_as_many_rows(
    source: Source,
) -> None:
    source.execute(CREATE, rows(*range(1, 11)))
    source.load(cursor=None)
    source.execute("update items set id = id + 100")
    with pytest.raises(SourceFailed, match="10 of 10 rows"):
        source.load(cursor=None)


@settings(
    max_examples=5,
    # An example is whole loads: making a failing one smaller would take minutes.
    phases=[Phase.generate],
)
@pytest.mark.parametrize("source", ["sqlite"], indirect=True)
@given(
    changes=st.lists(
        st.tuples(st.sampled_from(["insert", "update", "delete"]), st.integers(1, 12)),
        min_size=1,
        max_size=12,
    )
)
def test_after_any_silent_changes_raw_is_what_the_source_holds(
    source: Source, changes: list[tuple[str, int]]
) -> None:
    source.execute("drop table if exists items", CREATE, rows(*range(1, 8)))
    table = {"reconcile": {"max_delete_share": 1}}
    source.reconcile(**table)
    for kind, key in changes:
        old = "2020-01-01 00:00:00"
        source.execute(
            {
                "insert": rows(key, at=old).replace("insert", "insert or ignore"),
                "update": f"update items set name = name || 'y' where id = {key}",
                "delete": f"delete from items where id = {key}",
            }[kind]
        )
    source.reconcile(**table)
    with open_engine(source.url).connect() as connection:
        oracle = connection.execute(sa.text("select id, name from items order by id")).fetchall()
    assert source.live() == [tuple(row) for row in oracle]


def test_the_brake_lets_its_share_pass_and_no_row_more() -> None:
    limits = ReconcileSpec(max_delete_share=0.1)
    assert brake("shop.orders", 10, 100, limits) is None
    assert brake("shop.orders", 11, 100, limits) is not None


def test_a_range_stays_small_however_many_rows_there_are() -> None:
    assert [range_digits(count) for count in (0, 4_096, 4_097, 10_000_000)] == [1, 1, 2, 4]
