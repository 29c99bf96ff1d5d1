"""A process that publishes again and again reads what is new, and misses nothing of it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from agreement import index_agrees
from keyed_model import VIEW, KeyedModel, follow_small_views
from small_warehouse import HashEmbedder, change_warehouse, declarations, write_warehouse

from orchestration import publishing
from orchestration.checks import Finding
from orchestration.cycle import Cycle
from orchestration.publishing import NO_PERSONAL_DATA, Publication
from serving import index, snapshot
from serving.declarations import Declarations, DeclaredMask, DeclaredSource, SourceColumn
from serving.errors import PublishError
from serving.layout import PRIVACY_FILE
from serving.privacy.proof import Proof

NOTHING_WRONG = Proof(columns=(), rows={}, problems=(), unneeded=(), seconds=0.0)
OLD, NEW = "Zoë Quokkasdóttir", "Wanda Wombatova"


def declared() -> Declarations:
    columns = {
        "id": SourceColumn(name="id", privacy="identifier"),
        "full_name": SourceColumn(name="full_name", privacy="name"),
        "nickname": SourceColumn(name="nickname", privacy="name"),
    }
    people = DeclaredSource(source="shop", table="people", file="_shop.yml", columns=columns)
    masks = {"pseudonym": DeclaredMask(method="pseudonym", hides=["identifier", "name"])}
    return declarations().model_copy(update={"sources": {"shop.people": people}, "masks": masks})


@pytest.fixture(scope="session")
def keyed_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a keyed view and raw people, which tests copy and never change."""
    home = tmp_path_factory.mktemp("people") / "home"
    write_warehouse(home)
    change_warehouse(
        home,
        f"insert into agents.{VIEW} select i, 'c-1', 'Ticket', 'parcel of {NEW}', 'open', true, 1, "
        "null from range(100, 200) as numbers(i)",
        "create schema shop",
        "create table shop.people (id bigint, full_name varchar, _dlt_load_id varchar)",
        "create table shop._dlt_loads (load_id varchar)",
    )
    load(home, 1, OLD, "17000.1")
    KeyedModel(home).begin()
    return home


@pytest.fixture
def model(keyed_people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeyedModel:
    follow_small_views(monkeypatch)
    home = Path(shutil.copytree(keyed_people, tmp_path / "home"))
    return KeyedModel(home, generation=1)


def load(home: Path, number: int, name: str, load_id: str) -> None:
    change_warehouse(
        home,
        f"insert into shop.people values ({number}, '{name}', '{load_id}')",
        f"insert into shop._dlt_loads values ('{load_id}')",
    )


def publish(
    home: Path, cycle: Cycle | None, *, in_full: bool = False, proof: Proof = NOTHING_WRONG
) -> Publication:
    return publishing.publish(
        home,
        declared(),
        HashEmbedder(),
        proof=proof,
        keys={"privacy key": b"a privacy key of this test alone"},
        cycle=cycle,
        in_full=in_full,
    )


def finding(publication: Publication) -> Finding:
    return publication.findings["snapshot", NO_PERSONAL_DATA]


def say(model: KeyedModel, name: str, ticket: int = 1) -> None:
    model.merge(f"update agents.{VIEW} set body = 'so says {name}.' where ticket_id = {ticket}")


def test_a_warm_publish_searches_what_changed_alone(model: KeyedModel) -> None:
    cycle = Cycle()
    first = finding(publish(model.home, cycle)).facts
    say(model, "nobody")
    publication = publish(model.home, cycle)
    assert publication.blocking == []
    facts = finding(publication).facts
    assert facts["personal values"] == first["personal values"]
    assert 0 < int(facts["cells"]) < int(first["cells"]) // 2


def test_the_page_of_the_same_proof_is_shared_and_that_of_another_is_written(
    model: KeyedModel,
) -> None:
    cycle, other = Cycle(), replace(NOTHING_WRONG, rows={VIEW: ()})

    def page(proof: Proof) -> Path:
        return publish(model.home, cycle, proof=proof).folder / PRIVACY_FILE

    pages = [page(proof) for proof in (NOTHING_WRONG, NOTHING_WRONG, other)]
    assert pages[0].samefile(pages[1])
    assert VIEW in pages[2].read_text("utf-8") and VIEW not in pages[1].read_text("utf-8")


@pytest.mark.parametrize("ticket", [1, 3])
def test_a_known_value_in_a_changed_row_blocks_in_every_store(
    model: KeyedModel, ticket: int
) -> None:
    cycle = Cycle()
    before = publish(model.home, cycle).catalog.snapshot_id
    say(model, OLD, ticket)
    told = " ".join(publish(model.home, cycle).blocking)
    assert snapshot.current_id(model.home) == before
    assert f"layers/{VIEW}.duckdb: {VIEW}.body holds name in {ticket}" in told
    assert f"layers/{VIEW}.sqlite" in told
    assert f"index/{VIEW}.lance: {VIEW}.text holds name in {ticket}" in told
    assert ("support_agent" in told) is (ticket == 1)


def test_a_value_of_a_new_load_is_looked_for_at_once_and_a_late_load_too(
    model: KeyedModel,
) -> None:
    cycle = Cycle()
    publish(model.home, cycle)
    for number, (name, load_id) in enumerate([("Xerxes Yakson", "17005.1"), (NEW, "17002.1")]):
        load(model.home, 10 + number, name, load_id)
        say(model, name)
        told = " ".join(publish(model.home, cycle).blocking)
        assert f"layers/{VIEW}.duckdb: {VIEW}.body holds name in 1" in told


def test_a_in_full_finds_what_a_new_value_makes_of_an_old_text(model: KeyedModel) -> None:
    cycle = Cycle()
    publish(model.home, cycle)
    load(model.home, 2, NEW, "17001.1")
    say(model, "nobody")
    assert publish(model.home, cycle).blocking == []
    told = " ".join(publish(model.home, cycle, in_full=True).blocking)
    assert f"views/{VIEW}.duckdb: {VIEW}.body holds name in 100" in told


def test_the_first_values_of_a_column_are_looked_for_in_old_texts_too_at_each_attempt(
    model: KeyedModel,
) -> None:
    cycle = Cycle()
    change_warehouse(model.home, "alter table shop.people add column nickname varchar")
    publish(model.home, cycle)
    change_warehouse(
        model.home,
        f"insert into shop.people values (2, null, '17001.1', '{NEW}')",
        "insert into shop._dlt_loads values ('17001.1')",
    )
    for _ in range(2):
        say(model, "nobody")
        told = " ".join(publish(model.home, cycle).blocking)
        assert f"views/{VIEW}.duckdb: {VIEW}.body holds name in 100" in told


@pytest.mark.parametrize("why", ["another process published", "it failed", "it was restarted"])
def test_what_a_cycle_did_not_check_itself_it_checks_again(model: KeyedModel, why: str) -> None:
    cycle = Cycle()
    publish(model.home, cycle)
    load(model.home, 2, NEW, "17001.1")
    if why == "it was restarted":
        cycle.restart()
    elif why == "another process published":
        say(model, "nobody")
        assert publish(model.home, Cycle()).blocking
        snapshot.promote(
            model.home, snapshot.build(model.home, declared(), embedder=HashEmbedder())
        )
    else:
        change_warehouse(model.home, f"alter table agents.{VIEW} rename column body to text")
        with pytest.raises(PublishError):
            publish(model.home, cycle)
        change_warehouse(model.home, f"alter table agents.{VIEW} rename column text to body")
    say(model, "nobody else")
    told = " ".join(publish(model.home, cycle).blocking)
    assert f"views/{VIEW}.duckdb: {VIEW}.body holds name in 100" in told


def test_new_rows_of_a_warm_index_are_found_before_and_after_they_are_taken_in(
    model: KeyedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    cycle = Cycle()
    publish(model.home, cycle)
    monkeypatch.setattr(index, "_MOST_UNTIDY", 2)
    seen = []
    for number in range(1, 4):
        say(model, f"walrus{number}", ticket=100 + number)
        info = publish(model.home, cycle).catalog.index
        assert info is not None
        seen.append((info.builds[VIEW].updates, info.builds[VIEW].untidy))
        index_agrees(model.home)
    assert seen == [(0, 1), (0, 2), (1, 0)]
    say(model, "walrus", ticket=104)
    info = publish(model.home, None).catalog.index
    assert info is not None and info.builds[VIEW].untidy == 0
