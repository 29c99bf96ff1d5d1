"""Erases a person from a warehouse that a test made, by ingestion's own functions alone."""

from pathlib import Path

import duckdb
import pytest

from ingestion.erasure.keys import KEY_VARIABLE, derived_key, known_keys
from ingestion.erasure.marks import Marks, append_marks, read_marks
from ingestion.erasure.person import Person, find_person
from ingestion.erasure.relations import Link, Relations, TableRule, write_relations
from ingestion.erasure.sweep import sweep_tables
from ingestion.warehouse import writing

PRIVACY_KEY = "erasure-tests-0123456789-0123456789-0123456789"


def link(column: str, domain: str, kind: str = "exact") -> Link:
    """One column that refers to a domain."""
    return Link.model_validate({"columns": [column], "kinds": [kind], "domain": domain})


PEOPLE = TableRule(
    source="own",
    table="people",
    key=["id"],
    person="customer",
    is_person=True,
    exports=[link("id", "own.people(id)"), link("email", "own.people(email)", "email")],
    classes={"id": "identifier", "name": "name", "email": "email"},
)
ORDERS = TableRule(
    source="own",
    table="orders",
    key=["id"],
    person="customer",
    links=[link("person_id", "own.people(id)")],
    effect="columns",
    classes={"person_id": "identifier"},
)
TICKETS = TableRule(
    source="own",
    table="tickets",
    key=["id"],
    person="customer",
    links=[link("person_id", "own.people(id)"), link("email", "own.people(email)", "email")],
    exports=[link("id", "own.tickets(id)")],
    classes={"person_id": "identifier", "email": "email", "body": "free_text"},
)
COMMENTS = TableRule(
    source="own",
    table="comments",
    key=["id"],
    person="customer",
    links=[link("ticket_id", "own.tickets(id)")],
    classes={"body": "free_text"},
)
RELATIONS = Relations(tables=[PEOPLE, ORDERS, TICKETS, COMMENTS])


def set_key(monkeypatch: pytest.MonkeyPatch, privacy_key: str = PRIVACY_KEY) -> None:
    """Hand ingestion the erasure key as orchestration does."""
    monkeypatch.setenv(KEY_VARIABLE, derived_key(privacy_key))


def erase(home: Path, key: str, relations: Relations = RELATIONS) -> Person:
    """Find, mark and sweep one person."""
    present = list(known_keys(home).values())[-1]
    own = PEOPLE.own_domain
    marks = Marks({present.key_id: present}, {own: {present.key_id: {present.mark(own, [key])}}})
    with writing(home) as path, duckdb.connect(str(path)) as connection:
        found = find_person(connection, relations, "customer", marks)
        write_relations(home, relations)
        append_marks(home, present, marks.of_present_key())
        kept = read_marks(home)
        assert kept is not None
        sweep_tables(connection, relations.tables, kept)
    return found
