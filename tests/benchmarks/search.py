"""Measures what search finds: ``make bench ONLY=search``, or this module alone, in a minute.

labelled questions -> hybrid, vector, text -> nDCG@10, recall@5, and what confidence tells
"""

import argparse
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

from serving.embedder import MiniLm, builtin_model_dir
from serving.fusion import Mode
from tests.benchmarks.results import Figure, median, publish
from tests.benchmarks.search_corpus import (
    DEMO_QUESTIONS,
    SHARED,
    Corpus,
    Question,
    demo_corpus,
    names,
    questions,
    runbooks_corpus,
)

MODES: tuple[Mode, ...] = ("hybrid", "vector", "text")
# What the tool tells agents: below this there is probably no answer.
THRESHOLD = 0.3
RESULTS = Path("build/benchmarks/search.jsonl")


def main() -> None:
    """Score every corpus that is here by every mode."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--results", type=Path, default=RESULTS, help="JSON lines to append to")
    arguments.add_argument("--questions", type=Path, help="other questions about the runbooks")
    given = arguments.parse_args()
    embedder = MiniLm(builtin_model_dir())
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as scratch:
        demo = demo_corpus(Path(scratch) / "demo", embedder)
        figures += scored("demo", demo, questions(DEMO_QUESTIONS))
        if (SHARED / "runbooks").is_dir():
            runbooks = runbooks_corpus(Path(scratch) / "runbooks", embedder)
            asked = questions(given.questions or SHARED / "questions.jsonl")
            figures += scored("runbooks", runbooks, asked)
    publish(figures, given.results)


def scored(name: str, corpus: Corpus, asked: Sequence[Question]) -> list[Figure]:
    """Both measures by mode and kind, and what the threshold says of questions with no answer."""
    kinds = list(dict.fromkeys(one.kind for one in asked if one.relevant))
    figures = []
    confidence: list[float] = []
    for mode in MODES:
        hits = [corpus.ask(one.text, mode) for one in asked]
        found = [[key for hit in one for key in names(hit)] for one in hits]
        if mode == "hybrid":
            confidence = [one[0].confidence if one else 0.0 for one in hits]
        for kind in [*kinds, "all answerable"]:
            chosen = [
                (one.relevant, keys)
                for one, keys in zip(asked, found, strict=True)
                if one.relevant and kind in (one.kind, "all answerable")
            ]
            bench = f"{name}, {kind}, {len(chosen)} questions"
            figures += [
                _mean(bench, mode, "nDCG@10", [ndcg(*pair) for pair in chosen]),
                _mean(bench, mode, "recall@5", [recall(*pair) for pair in chosen]),
            ]
    return figures + no_answer(name, asked, confidence)


def no_answer(name: str, asked: Sequence[Question], confidence: Sequence[float]) -> list[Figure]:
    """How well a confidence below the threshold tells that there is no answer."""
    low = [value < THRESHOLD for value in confidence]
    none = [not one.relevant for one in asked]
    both = sum(a and b for a, b in zip(low, none, strict=True))
    bench = f"{name}, no answer, {sum(none)} of {len(none)} questions"
    subject = f"confidence < {THRESHOLD}"
    return [
        median(bench, subject, "precision", [both / max(sum(low), 1)], ""),
        median(bench, subject, "recall", [both / max(sum(none), 1)], ""),
        median(bench, "confidence", "AUC", [area(confidence, none)], ""),
    ]


def ndcg(relevant: Sequence[str], found: Sequence[str]) -> float:
    """Discounted gain of the first ten against the best order; each relevant one gains 1."""
    gained = sum(1 / math.log2(at + 2) for at, key in enumerate(found[:10]) if key in relevant)
    return gained / sum(1 / math.log2(at + 2) for at in range(min(len(relevant), 10)))


def recall(relevant: Sequence[str], found: Sequence[str]) -> float:
    """The share of the relevant ones among the first five."""
    return len(set(found[:5]) & set(relevant)) / min(len(relevant), 5)


def area(confidence: Sequence[float], none: Sequence[bool]) -> float:
    """How often a question with an answer has the higher confidence of a pair."""
    answered = [value for value, is_none in zip(confidence, none, strict=True) if not is_none]
    unanswered = [value for value, is_none in zip(confidence, none, strict=True) if is_none]
    won = sum((a > b) + (a == b) / 2 for a in answered for b in unanswered)
    return won / max(len(answered) * len(unanswered), 1)


def _mean(bench: str, subject: str, metric: str, values: Sequence[float]) -> Figure:
    return Figure(bench, subject, metric, sum(values) / max(len(values), 1), "", len(values))


if __name__ == "__main__":
    main()
