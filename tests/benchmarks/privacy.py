"""The redaction by the labelled texts, on honest documents, and its speed.

``python -m tests.benchmarks.privacy [--texts 1000000] [--people 100000]``; the labelled texts lie
beside the project in ``../shared/data``.
"""

import argparse
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jinja2

from orchestration.redaction import Redactor
from tests.benchmarks.results import Figure, median, publish

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared/data"
PROJECT = ROOT / "dbt_project"
DOCUMENTS = ROOT / "ingestion/demo/documents"
SEVEN = ["EMAIL", "PHONE", "CREDIT_CARD", "IBAN", "IP_ADDRESS", "URL", "US_SSN"]
# Partly claimed: postal addresses by their form, of dates those of birth alone.
CLAIMED = [*SEVEN, "ADDRESS", "DATE"]
TEXT = (
    "'Hello, order ' || (1000000 + i) || ' of 2024-01-15 (SKU KET-0001) has not arrived. Please "
    "send it soon. ' || case i % 4 when 0 then 'Thanks, ' || name when 1 then 'Write to ' || email "
    "|| ' or call ' || phone else 'It is a gift.' end"
)


def main() -> None:
    """Measure and print; the figures go to ``data/bench/latest.jsonl``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--out", type=Path, default=Path("data/bench/latest.jsonl"))
    options = parser.parse_args()
    with Redactor(PROJECT) as redactor:
        figures = on_documents(redactor)
        if DATA.is_dir():
            figures += scores(redactor)
        else:
            sys.stderr.write(f"the labelled texts are left out: there is no {DATA}\n")
        figures += speed(redactor, options.texts, options.people)
    publish(figures, options.out)


def scores(redactor: Redactor) -> list[Figure]:
    """Recall by type over all texts, and precision with the types that we claim and the seven."""
    result = scored(records(), redactor, CLAIMED)
    found = [
        median(
            "labelled texts", kind, f"recall of {row['spans']}", [row["recall_overlap"]], "share"
        )
        for kind, row in result["recall"].items()
    ]
    narrow = scored(records(), redactor, SEVEN)["precision"]["precision_runs"]
    precision = result["precision"]
    return [
        *found,
        median("labelled texts", "claimed", "precision by runs", [precision["precision_runs"]], ""),
        median("labelled texts", "claimed", "by characters", [precision["precision_chars"]], ""),
        median("labelled texts", "seven types alone", "precision by runs", [narrow], ""),
    ]


def on_documents(redactor: Redactor) -> list[Figure]:
    """How many runs are removed from documents without personal data."""
    texts = {path.name: path.read_text() for path in sorted(DOCUMENTS.rglob("*.*"))}
    removed = {
        name: sum(redacted.count(f"<{kind}") - text.count(f"<{kind}") for kind in KINDS)
        for (name, text), redacted in zip(
            texts.items(), redactor.redact(list(texts.values())), strict=True
        )
    }
    return [
        median("honest documents", name, "removed runs", [count], "")
        for name, count in removed.items()
        if count
    ] + [
        median("honest documents", f"all {len(texts)}", "removed runs", [sum(removed.values())], "")
    ]


KINDS = (
    "EMAIL", "PHONE", "CARD", "IBAN", "IP>", "URL", "SSN", "NATIONAL_ID", "SECRET", "BIRTH_DATE",
    "ADDRESS", "PERSON_",
)  # fmt: skip


def speed(redactor: Redactor, texts: int, people: int) -> list[Figure]:
    """Seconds for patterns alone, for the row's own person, and for everybody's mentions."""
    run = redactor.connection.execute
    run("set threads = 2")
    run(
        "create table people as select 'Fi' || translate((i // 300)::varchar, '0123456789', "
        "'aeioubcdfg') || ' La' || translate((i % 9000)::varchar, '0123456789', 'aeioubcdfg') as "
        f"name, 'u' || i || '@example.com' as email, "
        f"'+1 303 ' || (2000000 + i) as phone, i || ' Juniper Mews Lane' as address "
        f"from range({people}) as numbers(i)"
    )
    run(
        f"create table texts as select i as id, {TEXT} as text, people.* from "
        f"range({texts}) as numbers(i) positional join (select people.* from people, "
        f"range({texts // people + 1}) limit {texts}) as people"
    )
    source = "".join(
        path.read_text() for path in sorted((PROJECT / "macros/privacy").glob("[rm]e*.sql"))
    )
    macros: Any = jinja2.Environment(autoescape=False).from_string(source).module
    mentions = macros.duckdb__mentioned_people("texts", "id", ["text"], "people")
    nobody = "[]::varchar[]"
    queries = {
        "patterns": f"privacy.redact(text, {nobody}, {nobody}, {nobody}, {nobody})",
        "patterns and the row's person": (
            "privacy.redact(text, [name], [email], [phone], [address])"
        ),
    }
    name = f"redact {texts:,} texts"
    return [
        *(
            median(name, what, "seconds", [timed(run, f"select sum(hash({call})) from texts")], "s")
            for what, call in queries.items()
        ),
        median(
            name, f"mentions of {people:,} people", "seconds",
            [timed(run, f"select count(*) from ({mentions})")], "s",
        ),
    ]  # fmt: skip


def records() -> list[dict[str, Any]]:
    """The labelled texts."""
    lines = (DATA / "pii_spans.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def scored(
    texts: Sequence[dict[str, Any]], redactor: Redactor, types: Sequence[str]
) -> dict[str, Any]:
    """The measures of ``pii_score.py`` for these texts."""
    spec = importlib.util.spec_from_file_location("pii_score", DATA / "pii_score.py")
    assert spec and spec.loader
    scorer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scorer)
    written = [text["text"] for text in texts]
    redacted = dict(zip(written, redactor.redact(written), strict=True))
    result: dict[str, Any] = scorer.score(texts, redacted.__getitem__, types)
    return result


def timed(run: Callable[[str], Any], query: str) -> float:
    """Seconds that a query takes."""
    began = time.perf_counter()
    run(query).fetchall()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
