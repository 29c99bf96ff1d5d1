"""The README's table: of each benchmark the figures that a reader asks for first.

``python -m tests.benchmarks.summary [FILE]`` prints it of ``data/bench/latest.jsonl``.
"""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.results import Figure

OURS = "grounded"


@dataclass(frozen=True)
class Row:
    """A line: what it says, and the figures that it takes, by patterns of bench and metric."""

    says: str
    bench: str
    metric: str


ROWS: Sequence[Row] = (
    Row("first load of 1,000,000 rows", "first load of 1,000,000 rows beside others", "seconds"),
    Row("log capture", "log capture into raw", "row changes"),
    Row("commit to answer, 1,000,000 rows, 100 changes a second", "commit to answer", "p50|p95"),
    Row("a cycle of 1,000 changes", r"a run, .* rows", "1,000 changed"),
    Row("one row by key, p50", "one row by key", "p50"),
    Row("a grouped statement, p50", "a grouped statement", "p50"),
    Row("hybrid search, p50", r"search .* chunks, .*", "p50"),
    Row("MCP over HTTP, 1 client, p50", "MCP over HTTP, 1 clients", "p50"),
)


def table(figures: Iterable[Figure], rows: Sequence[Row] = ROWS) -> list[str]:
    """Return the lines of a Markdown table; a row without a figure is left out."""
    known = list(figures)
    lines = ["| | Grounded | beside |", "| --- | --- | --- |"]
    for row in rows:
        found = [
            one
            for one in known
            if re.fullmatch(row.bench, one.bench) and re.fullmatch(row.metric, one.metric)
        ]
        ours = [_told(one, found) for one in found if one.subject == OURS]
        others = [
            f"{one.subject} {_value(one)}" for one in found if not one.subject.startswith(OURS)
        ]
        if ours:
            lines.append(f"| {row.says} | {', '.join(ours)} | {'; '.join(others)} |")
    return lines


def read(path: Path) -> list[Figure]:
    """Return the figures of a JSON-lines file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Figure(**json.loads(line)) for line in lines]


def _told(figure: Figure, found: Sequence[Figure]) -> str:
    """The value, with what tells it from our other ones."""
    ours = [one for one in found if one.subject == OURS]
    if len({one.metric for one in ours}) > 1:
        return f"{figure.metric} {_value(figure)}"
    if len({one.bench for one in ours}) > 1:
        return f"{_value(figure)} ({figure.bench.split(', ', 1)[1]})"
    return _value(figure)


def _value(figure: Figure) -> str:
    digits = 0 if figure.value >= 100 else 1 if figure.value >= 10 else 2
    return f"{figure.value:,.{digits}f} {figure.unit}".strip()


if __name__ == "__main__":
    given = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("data/bench/latest.jsonl")
    sys.stdout.write("\n".join([*table(read(given)), ""]))
