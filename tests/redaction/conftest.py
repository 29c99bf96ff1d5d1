"""The redaction of the project, as `grounded privacy redact` runs it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestration.redaction import KnownPeople, Redactor

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "dbt_project"
SPANS = ROOT.parent / "shared/data/pii_spans.jsonl"
RUNBOOKS = ROOT / "ingestion/demo/documents"

Redact = Callable[..., str]


@pytest.fixture(scope="session")
def redactor() -> Iterator[Redactor]:
    """Patterns alone: nobody is known."""
    with Redactor(PROJECT) as redactor:
        yield redactor


@pytest.fixture(scope="session")
def redact(redactor: Redactor) -> Redact:
    """Redacts one text, with the known values that are given by class."""

    def run(text: str, **known: list[str]) -> str:
        return redactor.redact([text], KnownPeople(**known))[0]

    return run
