"""What the files of a snapshot hold, for whom."""

import json
import sqlite3
import traceback
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import lancedb
import pytest
from small_warehouse import (
    DOCUMENTS,
    SPAM_CANARY,
    TICKET_COLUMNS,
    WATERMARK,
    HashEmbedder,
    change_warehouse,
    declarations,
    publish,
)

from serving import snapshot
from serving.errors import NoSnapshot, PublishError
from serving.lookup_store import LookupStore


def rows_of(file: Path, view: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(f"select * from {view}").fetchall()


def cells_of(folder: Path, scope: str) -> str:
    """All that one scope's three stores hold, as one text."""
    view = scope.partition(".")[0]
    lookups = sqlite3.connect(folder / f"views/{scope}.sqlite")
    index = lancedb.connect(folder / "index").open_table(scope).to_arrow().drop(["vector"])
    cells = json.dumps(
        [
            rows_of(folder / f"views/{scope}.duckdb", view),
            lookups.execute("select * from rows").fetchall(),
            index.to_pylist(),
        ],
        default=str,
    )
    lookups.close()
    return cells


def test_a_view_file_holds_one_sorted_commented_table_in_contract_order(published: Path) -> None:
    folder, catalog = snapshot.current(published)
    with duckdb.connect(str(folder / "views/agent_tickets.duckdb"), read_only=True) as connection:
        tables = connection.execute("select table_name, comment from duckdb_tables()").fetchall()
        columns = connection.execute(
            "select column_name, comment from duckdb_columns() where not internal "
            "order by column_index"
        ).fetchall()
        keys = [row[0] for row in connection.execute("from agent_tickets").fetchall()]
    view = catalog.views["agent_tickets"]
    assert tables == [("agent_tickets", view.description)]
    assert columns == [(column.name, column.description) for column in view.columns]
    assert [name for name, _ in columns] == list(TICKET_COLUMNS)
    assert keys == [1, 2, 3, 4, 5]
    assert not list(folder.rglob("*.wal"))


def test_rows_that_fail_an_agents_filter_are_in_none_of_its_stores(published: Path) -> None:
    folder, catalog = snapshot.current(published)
    stores = catalog.agents["support_agent"].stores
    assert stores["agent_tickets"].rows == 3
    assert SPAM_CANARY not in cells_of(folder, "agent_tickets.support_agent")
    assert SPAM_CANARY in cells_of(folder, "agent_tickets")
    assert catalog.agents["support_agent"].row_filtered == ["agent_tickets"]


def test_a_row_for_which_the_filter_is_null_is_hidden(published: Path) -> None:
    folder, _ = snapshot.current(published)
    rows = rows_of(folder / "views/agent_tickets.support_agent.duckdb", "agent_tickets")
    assert [row[0] for row in rows] == [1, 2, 4]


@pytest.mark.parametrize(
    "condition",
    [
        "no_such_column = 1",
        "status <> 'spam",
        "status <> 'spam') or (true",
        "true, true",
        "true; drop table agent_tickets",
        "ticket_id in (select id from helpdesk.tickets)",
        "(select count(*) from read_text('/etc/hostname')) > 0",
    ],
)
def test_a_filter_that_is_no_condition_over_the_view_stops_publishing(
    published: Path, condition: str
) -> None:
    before = snapshot.current_id(published)
    with pytest.raises(PublishError, match="support_agent.*agent_tickets") as refused:
        publish(published, declarations(rows={"agent_tickets": condition}))
    assert condition not in str(refused.value)
    assert snapshot.current_id(published) == before
    assert snapshot.sweep(published) == []


def test_an_error_of_a_filter_tells_no_cell_in_any_part_of_its_traceback(published: Path) -> None:
    with pytest.raises(PublishError) as refused:
        publish(published, declarations(rows={"agent_tickets": "body::integer > 1"}))
    assert "handle" not in "".join(traceback.format_exception(refused.value))


def test_an_agent_has_the_stores_of_its_own_views_alone(published: Path) -> None:
    _, catalog = snapshot.current(published)
    assert set(catalog.agents["catalog_agent"].stores) == {"agent_knowledge", "agent_products"}
    assert catalog.stores["agent_knowledge"].rows == len(DOCUMENTS)


def test_the_catalog_tells_watermarks_and_loads(published: Path) -> None:
    _, catalog = snapshot.current(published)
    tickets, knowledge = catalog.views["agent_tickets"], catalog.views["agent_knowledge"]
    assert tickets.data_as_of == WATERMARK
    assert tickets.sources[0].load_id == "11"
    assert tickets.warn_after_s == 3600
    assert knowledge.data_as_of is None


def test_a_view_is_as_old_as_its_oldest_source_and_unknown_when_one_is(home: Path) -> None:
    change_warehouse(
        home,
        "create schema shop",
        "create table shop._watermarks (table_name varchar, watermark timestamptz)",
        "insert into shop._watermarks values ('orders', '2026-01-01 00:00:00+00')",
    )
    tickets = declarations().views["agent_tickets"]

    def as_of(*sources: str) -> datetime | None:
        view = tickets.model_copy(update={"source_tables": list(sources)})
        publish(home, declarations(views={"agent_tickets": view}))
        return snapshot.current(home)[1].views["agent_tickets"].data_as_of

    assert as_of("helpdesk.tickets", "shop.orders") == datetime(2026, 1, 1, tzinfo=UTC)
    assert as_of("helpdesk.tickets", "shop.unloaded") is None


def test_a_changed_a_new_and_a_deleted_row_reach_every_store(published: Path) -> None:
    change_warehouse(
        published,
        "update agents.agent_tickets set subject = 'Quokka' where ticket_id = 1",
        "delete from agents.agent_tickets where ticket_id = 4",
        "insert into agents.agent_tickets values "
        "(6, 'c-9', 'Wombat', 'New.', 'open', true, 1, '2026-03-02 00:00:00+00')",
    )
    publish(published)
    folder, catalog = snapshot.current(published)
    for scope in ("agent_tickets", "agent_tickets.support_agent"):
        cells = cells_of(folder, scope)
        assert "Quokka" in cells
        assert "Wombat" in cells
        assert "SKU-00042-AB" not in cells
        assert "Blue mug" not in cells
    lookups = LookupStore(folder / "views/agent_tickets.sqlite", catalog.views["agent_tickets"])
    assert lookups.get("ticket_id", [4], 1) == []
    lookups.close()


def test_unchanged_views_share_their_files_and_their_index(published: Path) -> None:
    before, _ = snapshot.current(published)
    change_warehouse(published, "delete from agents.agent_tickets where ticket_id = 2")
    model = HashEmbedder()
    publish(published, embedder=model)
    after, catalog = snapshot.current(published)

    def same(name: str) -> bool:
        return (before / name).samefile(after / name)

    assert same("views/agent_knowledge.duckdb")
    assert same("views/agent_knowledge.sqlite")
    assert not same("views/agent_tickets.duckdb")
    assert not same("views/agent_tickets.sqlite")
    data = next((before / "index/agent_knowledge.lance/data").iterdir())
    assert same(data.relative_to(before).as_posix())
    assert catalog.index is not None
    assert (catalog.index.embedded, catalog.index.carried) == (0, 4)
    assert model.embedded == []


def test_a_changed_description_alone_gives_a_new_file(published: Path) -> None:
    view = declarations().views["agent_knowledge"]
    told = view.model_copy(update={"description": "Other words."})
    publish(published, declarations(views={"agent_knowledge": told}))
    folder, _ = snapshot.current(published)
    with duckdb.connect(str(folder / "views/agent_knowledge.duckdb"), read_only=True) as opened:
        assert opened.execute("select comment from duckdb_tables()").fetchall() == [
            ("Other words.",)
        ]


def test_only_changed_texts_are_embedded_and_another_model_embeds_all(published: Path) -> None:
    change_warehouse(
        published, "update agents.agent_tickets set body = 'All new.' where ticket_id = 1"
    )
    model = HashEmbedder()
    publish(published, embedder=model)
    assert model.embedded == ["Blue mug arrived broken\nAll new."]
    other = HashEmbedder()
    other.model = "words-64-b"
    publish(published, embedder=other)
    _, catalog = snapshot.current(published)
    assert catalog.index is not None
    assert catalog.index.carried == 0
    assert len(other.embedded) == catalog.index.embedded == 9


def test_a_doubled_key_stops_publishing_and_names_view_and_key(home: Path) -> None:
    change_warehouse(home, "insert into agents.agent_products values (1, 'TWICE', 1)")
    with pytest.raises(PublishError, match="agent_products: its key product_id") as refused:
        publish(home)
    assert "TWICE" not in str(refused.value)
    with pytest.raises(NoSnapshot, match="grounded run"):
        snapshot.current(home)


def test_a_view_that_is_not_built_stops_publishing_and_says_what_to_run(home: Path) -> None:
    change_warehouse(home, "drop table agents.agent_products")
    with pytest.raises(PublishError, match="agent_products is not in the warehouse.*grounded run"):
        publish(home)


def test_a_warehouse_without_a_declared_column_stops_publishing(home: Path) -> None:
    change_warehouse(home, "alter table agents.agent_products drop column price")
    with pytest.raises(PublishError, match="agent_products lacks the declared columns price"):
        publish(home)


def test_nothing_of_an_undeclared_column_is_published(home: Path) -> None:
    change_warehouse(
        home,
        "alter table agents.agent_products add column cost varchar default 'numbat-secret'",
    )
    publish(home)
    folder, _ = snapshot.current(home)
    lookups = sqlite3.connect(folder / "views/agent_products.sqlite")
    stored = [
        rows_of(folder / "views/agent_products.duckdb", "agent_products"),
        lookups.execute("select * from rows").fetchall(),
    ]
    lookups.close()
    assert "numbat-secret" not in str(stored)


def test_progress_is_told_for_each_part(home: Path) -> None:
    told: list[tuple[str, int, int]] = []
    candidate = snapshot.build(
        home,
        declarations(),
        embedder=HashEmbedder(),
        on_progress=lambda part, done, total: told.append((part, done, total)),
    )
    snapshot.discard(candidate)
    assert [one for one in told if one[0] == "views"][-1] == ("views", 4, 4)
    assert [one for one in told if one[0] == "index"][-1] == ("index", 3, 3)


def test_the_last_load_is_told_also_when_its_rows_have_gone(published: Path) -> None:
    def load_id() -> str | None:
        publish(published)
        return snapshot.current(published)[1].views["agent_tickets"].sources[0].load_id

    change_warehouse(published, "insert into helpdesk.tickets values (3, '12')")
    assert load_id() == "12"
    change_warehouse(published, "delete from helpdesk.tickets where _dlt_load_id > '10'")
    assert load_id() == "10"
