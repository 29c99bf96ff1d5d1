"""Measures what search finds: ``make bench ONLY=search``, or this module alone, in a minute.

labelled questions -> hybrid, vector, text -> nDCG@10, recall@5, and what confidence tells
"""

import argparse
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from serving.embedder import MiniLm, builtin_model_dir
from serving.fusion import Mode
from tests.benchmarks.results import Figure, publish
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
THRESHOLD = 0.2
RESULTS = Path("data/bench/latest.jsonl")


def main() -> None:
    """Score every corpus that is here by every mode."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path, default=RESULTS, help="JSON lines to append to")
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
    publish(figures, given.out)
    Console().print(markdown(figures), markup=False, soft_wrap=True)


def markdown(figures: Sequence[Figure]) -> str:
    """The table of serving/README.md: a row for each kind, nDCG@10 and recall@5 by mode."""
    found = {(one.bench, one.subject, one.metric): one.value for one in figures}
    benches = list(dict.fromkeys(one.bench for one in figures if one.subject in MODES))
    lines = [f"| nDCG@10 / recall@5 | {' | '.join(MODES)} |", "| --- |" + " --- |" * len(MODES)]
    for bench in benches:
        cells = [
            f"{found[bench, mode, 'nDCG@10']:.2f} / {found[bench, mode, 'recall@5']:.2f}"
            for mode in MODES
        ]
        lines.append(f"| {bench} | {' | '.join(cells)} |")
    return "\n".join(lines)


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
    """How well a confidence below the threshold tells that there is no answer.

    Without the paraphrases too: a question that shares no word with its answer is the hard case.
    """
    figures = []
    for label, skipped in (("all questions", ""), ("without paraphrases", "paraphrase")):
        pairs = [
            (value, not one.relevant)
            for one, value in zip(asked, confidence, strict=True)
            if one.kind != skipped
        ]
        low = [is_none for value, is_none in pairs if value < THRESHOLD]
        none = sum(is_none for _, is_none in pairs)
        bench = f"{name}, no answer to {none} of {len(pairs)}"
        told = f"{label}, confidence < {THRESHOLD}"
        figures += [
            Figure(bench, told, "precision", sum(low) / max(len(low), 1), "", len(pairs)),
            Figure(bench, told, "recall", sum(low) / max(none, 1), "", len(pairs)),
            Figure(bench, label, "AUC", area(pairs), "", len(pairs)),
        ]
    return figures


def ndcg(relevant: Sequence[str], found: Sequence[str]) -> float:
    """Discounted gain of the first ten against the best order; each relevant one gains 1."""
    gained = sum(1 / math.log2(at + 2) for at, key in enumerate(found[:10]) if key in relevant)
    return gained / sum(1 / math.log2(at + 2) for at in range(min(len(relevant), 10)))


def recall(relevant: Sequence[str], found: Sequence[str]) -> float:
    """The share of the relevant ones among the first five."""
    return len(set(found[:5]) & set(relevant)) / min(len(relevant), 5)


def area(pairs: Sequence[tuple[float, bool]]) -> float:
    """How often a question with an answer has the higher confidence of two."""
    answered = [value for value, is_none in pairs if not is_none]
    unanswered = [value for value, is_none in pairs if is_none]
    won = sum((a > b) + (a == b) / 2 for a in answered for b in unanswered)
    return won / max(len(answered) * len(unanswered), 1)


def _mean(bench: str, subject: str, metric: str, values: Sequence[float]) -> Figure:
    return Figure(bench, subject, metric, sum(values) / max(len(values), 1), "", len(values))


if __name__ == "__main__":
    main()
