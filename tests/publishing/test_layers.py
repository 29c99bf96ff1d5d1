"""A keyed view is published by what changed of it: linked bases, layers, and when it is not."""

import shutil
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from keyed_model import VIEW, KeyedModel, follow_small_views
from small_warehouse import (
    HashEmbedder,
    change_warehouse,
    declarations,
    publish,
    write_warehouse,
)

from serving import layering, snapshot
from serving.catalog import Catalog, Layer, Store
from serving.declarations import Declarations
from serving.errors import PublishError
from serving.layout import snapshot_folder
from serving.lookup_store import LookupStore
from serving.store_rows import store_rows
from serving.verified import Verified

FILTERED = "support_agent"
CHANGE = f"update agents.{VIEW} set subject = 'Changed' where ticket_id = 1"


@pytest.fixture(scope="session")
def published_keyed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a published keyed model of 205 rows, which tests copy and never change."""
    home = tmp_path_factory.mktemp("keyed") / "home"
    write_warehouse(home)
    change_warehouse(
        home,
        f"insert into agents.{VIEW} select i, 'c-' || i % 20, 'Ticket ' || i, 'parcel ' || i, "
        "'open', true, 1.5, '2026-03-01 12:00:00+00' from range(100, 300) as numbers(i)",
    )
    KeyedModel(home).begin()
    publish(home)
    return home


@pytest.fixture
def model(published_keyed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeyedModel:
    """The same, to be changed; no view is too small to be followed."""
    follow_small_views(monkeypatch)
    home = Path(shutil.copytree(published_keyed, tmp_path / "home"))
    return KeyedModel(home, generation=1)


def store_of(home: Path, agent: str | None = None, snapshot_id: str | None = None) -> Store:
    catalog = opened(home, snapshot_id)[1]
    return catalog.agents[agent].stores[VIEW] if agent else catalog.stores[VIEW]


def opened(home: Path, snapshot_id: str | None = None) -> tuple[Path, Catalog]:
    return snapshot.open_snapshot(home, snapshot_id or snapshot.current_id(home))


def rows_of(home: Path, agent: str | None = None) -> list[tuple[object, ...]]:
    folder, catalog = opened(home)
    store = store_of(home, agent)
    with store_rows(folder, catalog.views[VIEW], store) as connection:
        return connection.execute(f"from {VIEW} order by ticket_id").fetchall()


def in_warehouse(home: Path, condition: str = "true") -> list[tuple[object, ...]]:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        query = f"from agents.{VIEW} where {condition} order by ticket_id"
        return connection.execute(query).fetchall()


def test_a_change_shares_the_base_and_is_in_every_scopes_layer(model: KeyedModel) -> None:
    home = model.home
    first = opened(home)[0]
    model.merge(
        CHANGE,
        f"delete from agents.{VIEW} where ticket_id = 2",
        f"insert into agents.{VIEW} values (900, 'c-1', 'New', 'New.', 'open', true, 1, null)",
    )
    publish(home)
    folder, _ = opened(home)
    for agent in (None, FILTERED):
        store = store_of(home, agent)
        assert store.layer is not None
        assert (store.layer.entries, store.layer.live, store.layer.replaced) == (3, 2, 2)
        assert (folder / store.duckdb).samefile(first / store.duckdb)
        assert store.lookup and (folder / store.lookup).samefile(first / store.lookup)
    assert rows_of(home) == in_warehouse(home)
    assert rows_of(home, FILTERED) == in_warehouse(home, "status <> 'spam'")


def test_of_a_row_that_an_agent_never_saw_its_layer_holds_nothing(model: KeyedModel) -> None:
    home = model.home
    model.merge(f"update agents.{VIEW} set subject = 'Still spam' where status = 'spam'")
    publish(home)
    assert store_of(home).layer is not None
    assert store_of(home, FILTERED).layer is None


def test_a_row_that_comes_into_a_filter_and_leaves_it_again_is_followed(model: KeyedModel) -> None:
    home = model.home
    for status in ("open", "spam", "closed"):
        model.merge(f"update agents.{VIEW} set status = '{status}' where ticket_id in (1, 3)")
        publish(home)
        assert rows_of(home, FILTERED) == in_warehouse(home, "status <> 'spam'")
        assert rows_of(home) == in_warehouse(home)
    assert store_of(home, FILTERED).layer is not None


def test_a_publish_without_changes_links_every_file(model: KeyedModel) -> None:
    home = model.home
    model.merge(CHANGE)
    publish(home)
    before, store = opened(home)[0], store_of(home)
    publish(home)
    after = opened(home)[0]
    assert store_of(home) == store
    assert all((after / name).samefile(before / name) for name in store.files)


def _moved(rows: dict[str, str]) -> Declarations:
    return declarations(rows=rows)


def _described() -> Declarations:
    view = declarations().views[VIEW]
    return declarations(views={VIEW: view.model_copy(update={"description": "Told anew."})})


@pytest.mark.parametrize(
    ("prepare", "declared", "because"),
    [
        (KeyedModel.begin, None, "built whole"),
        (lambda model: (model.merge("select 1"), model.trim(9)), None, "no longer told"),
        (None, _moved({VIEW: "status = 'open'"}), "filters changed"),
        (None, _moved({}), ""),
        (None, _moved({VIEW: "created_at < now()"}), "filters changed"),
        (None, _described(), "texts"),
    ],
)
def test_a_view_whose_changes_are_not_known_is_written_whole_and_says_why(
    model: KeyedModel, prepare: object, declared: Declarations | None, because: str
) -> None:
    home = model.home
    if callable(prepare):
        prepare(model)
    model.merge(CHANGE)
    publish(home, declared)
    store = store_of(home)
    assert (store.layer is None) is bool(because)
    assert because in store.because
    assert rows_of(home) == in_warehouse(home)


def test_a_filter_that_reads_the_clock_is_evaluated_on_every_row(model: KeyedModel) -> None:
    home = model.home
    declared = declarations(rows={VIEW: "created_at < now()"})
    publish(home, declared)
    model.merge(CHANGE)
    publish(home, declared)
    assert "clock" in store_of(home).because
    assert store_of(home, FILTERED).layer is None


def test_many_changes_a_new_day_and_few_rows_are_reasons_for_a_new_base(
    model: KeyedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = model.home
    model.merge(f"update agents.{VIEW} set amount = 7")
    monkeypatch.setattr(layering, "_ENTRIES_A_ROOT", 10)
    publish(home)
    assert "much of it" in store_of(home).because
    store = store_of(home).model_copy(
        update={"layer": Layer(duckdb="", lookup="", entries=1, live=1, replaced=1)}
    )
    same = dict.fromkeys(("", FILTERED), store.shape)
    told = layering.Told(layering.Position(generation="g1", seq=2), 1, {"ticket_id"})
    view = opened(home)[1].views[VIEW]
    published = {"": store, FILTERED: store}

    monkeypatch.setattr(layering, "_DAY", 8)

    def way(day: str | None) -> object:
        return layering.followed(view, same, {}, published, told, day)

    assert isinstance(way(store.written_in), layering.Followed)
    assert way("20991231T000000Z-000000") == "it is a new day"
    assert isinstance(way(None), layering.Followed)
    without = store.model_copy(update={"layer": None})
    published = {"": without, FILTERED: without}
    assert isinstance(way("20991231T000000Z-000000"), layering.Followed)
    monkeypatch.setattr(layering, "SMALLEST_BASE", 1_000)
    assert way(store.written_in) == "it is small"


def test_changes_that_do_not_add_up_are_not_believed(model: KeyedModel) -> None:
    home = model.home
    change_warehouse(home, f"delete from agents.{VIEW} where ticket_id = 5")
    model.merge(CHANGE)
    publish(home)
    assert "not as many" in store_of(home).because
    assert rows_of(home) == in_warehouse(home)


def test_a_doubled_key_among_the_changes_stops_the_publish(model: KeyedModel) -> None:
    home = model.home
    before = snapshot.current_id(home)
    model.merge(f"insert into agents.{VIEW} select * from agents.{VIEW} where ticket_id = 1")
    change_warehouse(home, f"insert into changes.{VIEW} values ({model.seq}, 1)")
    with pytest.raises(PublishError, match="ticket_id is not unique"):
        publish(home)
    assert snapshot.current_id(home) == before


def test_an_erasure_shares_no_file_and_has_no_layer(model: KeyedModel) -> None:
    home = model.home
    model.merge(CHANGE)
    publish(home)
    before = opened(home)[0]
    candidate = snapshot.export_views(home, declarations(), is_fresh=True)
    snapshot.build_index(candidate, declarations(), HashEmbedder(), is_fresh=True)
    snapshot.promote(home, candidate)
    after = opened(home)[0]
    assert store_of(home).layer is None
    inodes = {path.stat().st_ino for path in before.rglob("*") if path.is_file()}
    assert not inodes & {path.stat().st_ino for path in after.rglob("*") if path.is_file()}


def test_readers_of_a_base_outlive_the_snapshot_that_wrote_it(model: KeyedModel) -> None:
    home = model.home
    first = snapshot.current_id(home)
    model.merge(CHANGE)
    publish(home)
    folder, catalog = opened(home)
    store = store_of(home)
    with store_rows(folder, catalog.views[VIEW], store) as connection:
        assert snapshot.expire(home, keep=1, minimum_age=timedelta(0)) == [first]
        assert not snapshot_folder(home, first).exists()
        found = connection.execute(f"from {VIEW} order by ticket_id").fetchall()
    assert found == in_warehouse(home)
    model.merge(f"delete from agents.{VIEW} where ticket_id = 4")
    publish(home)
    assert store_of(home).layer is not None
    assert rows_of(home) == in_warehouse(home)


def test_lookups_give_the_layers_rows_in_place_of_the_bases(model: KeyedModel) -> None:
    home = model.home
    model.merge(
        f"update agents.{VIEW} set customer_key = 'c-3' where ticket_id in (103, 100)",
        f"delete from agents.{VIEW} where ticket_id = 104",
    )
    publish(home)
    folder, catalog = opened(home)
    store = store_of(home)
    assert store.lookup and store.layer
    lookups = LookupStore(folder / store.lookup, catalog.views[VIEW], folder / store.layer.lookup)
    keys = [row[0] for row in in_warehouse(home, "customer_key = 'c-3'")]
    assert [row["ticket_id"] for row in lookups.get("customer_key", ["c-3"], 99)] == keys
    assert [row["ticket_id"] for row in lookups.get("customer_key", ["c-3"], 4)] == keys[:4]
    assert lookups.get("ticket_id", [104], 1) == []
    assert lookups.get("ticket_id", [100], 1)[0]["customer_key"] == "c-3"
    assert [row["ticket_id"] for row in lookups.get("customer_key", ["c-0"], 2)] == [120, 140]
    lookups.close()


LAYER = f"layers/{VIEW}.duckdb"


@pytest.mark.parametrize("is_compared", [True, False])
@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (f"delete from {VIEW} where ticket_id = 1", "entries"),
        (f"update {VIEW} set _live = false where ticket_id = 1", "entries"),
        (f"update {VIEW} set _in_base = not _in_base", "hides other rows"),
        (f"update {VIEW} set _seq = 99", "entries"),
        (f"alter table {VIEW} drop column status", "does not open"),
        (f"alter table {VIEW} alter status type integer using 1", "columns"),
        ("create table other (id int)", "other tables"),
    ],
)
def test_a_tampered_layer_does_not_pass_read_whole_or_beside_the_last_snapshot(
    model: KeyedModel, sql: str, told: str, is_compared: bool
) -> None:
    home = model.home
    model.merge(
        CHANGE, f"insert into agents.{VIEW} values (900, null, 'N', 'N', 'x', true, 1, null)"
    )
    verified = Verified(*opened(home))
    candidate = snapshot.build(home, declarations(), embedder=HashEmbedder())
    snapshot.verify(candidate, verified if is_compared else None)
    with duckdb.connect(str(candidate.folder / LAYER)) as connection:
        connection.execute(sql)
    with pytest.raises(PublishError, match=told):
        snapshot.verify(candidate, verified if is_compared else None)
    snapshot.discard(candidate)
