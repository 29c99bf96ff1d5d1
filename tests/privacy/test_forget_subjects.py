"""Whose rows are whose is declared in dbt's YAML; what cannot be meant is told with its file."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from ingestion.spec import SourcesFile
from orchestration.erasure.subjects import parse_relations
from orchestration.errors import SubjectError

COMMON = {"description": "x", "owner": "team:x", "schedule": "0 * * * *", "kind": "sql_database"}
SOURCES = SourcesFile.model_validate(
    {
        "sources": {
            "crm": {
                **COMMON,
                "tables": {
                    "people": {"primary_key": ["region", "id"]},
                    "calls": {"primary_key": ["id"]},
                    "notes": {"primary_key": ["id"]},
                },
            }
        }
    }
).sources
COLUMNS = {
    "people": {"region": "public", "id": "identifier", "mail": "email"},
    "calls": {"id": "public", "person": "identifier", "area": "public", "mail": "email"},
    "notes": {"id": "public", "call": "identifier", "text": "free_text"},
}
SUBJECTS: dict[str, Any] = {
    "people": {"person": "customer", "key": ["region", "id"]},
    "calls": {"person": "customer", "by": [{"person": "id", "area": "region"}, {"mail": "mail"}]},
    "notes": {"person": "customer", "through": "crm.calls", "by": {"call": "id"}},
}


def manifest(subjects: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest with these subjects, its tables in an order that helps nobody."""
    return {
        "sources": {
            table: {
                "source_name": "crm",
                "name": table,
                "original_file_path": "models/crm.yml",
                "config": {"meta": {"subject": subjects[table]} if table in subjects else {}},
                "columns": {
                    name: {"config": {"meta": {"privacy": privacy}}}
                    for name, privacy in COLUMNS[table].items()
                },
            }
            for table in ("notes", "calls", "people")
        }
    }


def test_relations_come_in_order_with_composite_keys_mails_and_chains() -> None:
    people, calls, notes = parse_relations(manifest(SUBJECTS), SOURCES).tables
    assert (people.name, calls.name, notes.name) == ("crm.people", "crm.calls", "crm.notes")
    assert people.own_domain == "crm.people(region,id)"
    assert [link.domain for link in people.exports] == ["crm.people(region,id)", "crm.people(mail)"]
    assert [(link.columns, link.domain, link.kinds) for link in calls.links] == [
        (["area", "person"], "crm.people(region,id)", ["exact", "exact"]),
        (["mail"], "crm.people(mail)", ["email"]),
    ]
    assert [(link.columns, link.domain) for link in notes.links] == [(["call"], "crm.calls(id)")]
    assert notes.classes == {"call": "identifier", "text": "free_text"}


@pytest.mark.parametrize(
    ("table", "subject", "told"),
    [
        ("calls", {"person": "customer", "by": {"persn": "id"}}, "no column persn"),
        (
            "calls",
            {"person": "customer", "by": {"person": "idd"}},
            "crm.people declares no column idd",
        ),
        ("calls", {"by": {"person": "id"}}, "`person` is missing"),
        ("calls", {"person": "customer"}, "write `key: <column>`"),
        ("calls", {"person": "customer", "by": [{}]}, "write `key: <column>`"),
        ("calls", {"person": "patient", "by": {"person": "id"}}, "no table is the patient"),
        ("calls", {"person": "customer", "by": {"id": "id"}, "erase": "columns"}, "in the key"),
        ("calls", {"person": "customer", "by": {"mail": "mail"}, "erase": "all"}, "erase:"),
        ("calls", {"persons": "customer"}, "persons:"),
        ("calls", {"person": "customer", "key": "id"}, "is the customer too"),
        (
            "notes",
            {"person": "customer", "through": "crm.none", "by": {"call": "id"}},
            "no declared",
        ),
        ("notes", {"person": "customer", "through": "crm.notes", "by": {"call": "id"}}, "not lead"),
        ("people", {"person": "customer", "key": "id"}, "primary key region, id"),
        (
            "people",
            {"person": "customer", "key": ["region", "id"], "by": {"mail": "mail"}},
            "leave",
        ),
    ],
)
def test_what_cannot_be_meant_is_told_with_file_and_table(
    table: str, subject: dict[str, Any], told: str
) -> None:
    subjects = copy.deepcopy(SUBJECTS) | {table: subject}
    if table == "calls":
        del subjects["notes"]
    with pytest.raises(SubjectError) as error:
        parse_relations(manifest(subjects), SOURCES)
    message = str(error.value)
    assert told in message and "models/crm.yml" in message and "config.meta.subject" in message


def test_a_chain_that_goes_in_a_circle_is_refused() -> None:
    circle = copy.deepcopy(SUBJECTS)
    circle["calls"] = {"person": "customer", "through": "crm.notes", "by": {"mail": "text"}}
    with pytest.raises(SubjectError, match="circle"):
        parse_relations(manifest(circle), SOURCES)


def test_a_chain_through_rows_that_stay_is_refused() -> None:
    kept = copy.deepcopy(SUBJECTS)
    kept["calls"]["erase"] = "columns"
    with pytest.raises(SubjectError, match="whose rows are not erased"):
        parse_relations(manifest(kept), SOURCES)
