"""A publish that would show a known value: the old snapshot stays, the check names the place."""

from pathlib import Path

import pytest
from small_warehouse import HashEmbedder, change_warehouse, declarations

from orchestration.checks import Finding
from orchestration.publishing import NO_PERSONAL_DATA, Publication, publish
from serving import snapshot
from serving.declarations import Declarations, DeclaredMask, DeclaredSource, SourceColumn
from serving.leak_scan.rules import ScanRule
from serving.privacy.proof import Proof

NAME = "Zoë Quokkasdóttir"
KEY = b"a privacy key of this test alone"
# These views have no SQL to prove: what is proven of real ones is tested under tests/privacy.
NOTHING_WRONG = Proof(columns=(), rows={}, problems=(), unneeded=(), seconds=0.0)
CLASSES = {"id": "identifier", "full_name": "name", "nickname": "name", "motto": "public"}


def declared(rule: ScanRule | None = None) -> Declarations:
    """The small views with one raw table of people."""
    columns = {
        name: SourceColumn(name=name, privacy=privacy, scan=rule if name == "full_name" else None)
        for name, privacy in CLASSES.items()
    }
    people = DeclaredSource(source="shop", table="people", file="_shop.yml", columns=columns)
    masks = {"pseudonym": DeclaredMask(method="pseudonym", hides=["identifier", "name"])}
    return declarations().model_copy(update={"sources": {"shop.people": people}, "masks": masks})


@pytest.fixture
def people(home: Path) -> Path:
    """A home with raw people."""
    change_warehouse(
        home,
        "create schema shop",
        "create table shop.people (id bigint, full_name varchar, nickname varchar, motto varchar)",
        f"insert into shop.people values (1, '{NAME}', 'Ana', 'Be kind')",
    )
    return home


def published(home: Path, rule: ScanRule | None = None) -> Publication:
    return publish(
        home, declared(rule), HashEmbedder(), proof=NOTHING_WRONG, keys={"privacy key": KEY}
    )


def finding(publication: Publication) -> Finding:
    return publication.findings["snapshot", NO_PERSONAL_DATA]


def leak_name(home: Path) -> None:
    change_warehouse(
        home, f"update agents.agent_tickets set body = 'so says {NAME}.' where ticket_id = 2"
    )


def test_a_clean_candidate_is_promoted_and_the_check_tells_what_was_searched(people: Path) -> None:
    publication = published(people)
    assert publication.blocking == []
    facts = finding(publication).facts
    assert facts["personal values"] == 3 and facts["searched"] == 2 and facts["hits"] == 0


def test_a_strangers_name_in_a_text_blocks_and_the_old_snapshot_answers(people: Path) -> None:
    before = published(people).catalog.snapshot_id
    leak_name(people)
    publication = published(people)
    assert snapshot.current_id(people) == before
    told = " ".join(publication.blocking)
    assert "views/agent_tickets.duckdb: agent_tickets.body holds name in 2" in told
    assert "index/agent_tickets.lance: agent_tickets.text holds name in 2" in told
    assert "Quokka" not in told and NAME not in told


def test_a_key_in_a_cell_blocks(people: Path) -> None:
    change_warehouse(
        people, f"update agents.agent_products set sku = '{KEY.hex()}' where product_id = 1"
    )
    assert "agent_products.sku holds key in 1" in " ".join(published(people).blocking)


def test_a_declared_rule_lets_a_column_pass_and_tells_of_it(people: Path) -> None:
    leak_name(people)
    rule = ScanRule(search="never", because="stage names are public here")
    assert published(people, rule).blocking == []


def test_an_ordinary_value_that_is_public_too_is_no_leak(people: Path) -> None:
    change_warehouse(people, "update agents.agent_products set sku = 'ana' where product_id = 1")
    assert "agent_products.sku holds name in 1" in " ".join(published(people).blocking)
    change_warehouse(people, "update shop.people set motto = 'Ana'")
    publication = published(people)
    assert publication.blocking == []
    assert finding(publication).facts["also public"] == 2


@pytest.mark.parametrize("declaration", [{"because": "why"}, {"search": "cell"}, {"shortest": 3}])
def test_a_rule_without_a_reason_or_an_effect_is_refused(declaration: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="because|shortest|search"):
        ScanRule.model_validate(declaration)
