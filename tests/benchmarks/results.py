"""Where benchmark figures go: a JSON line each, and a table at the end."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """The median of ``runs`` measurements; our own subject is ``grounded``."""

    bench: str
    subject: str
    metric: str
    value: float
    unit: str
    runs: int


def median(bench: str, subject: str, metric: str, values: Sequence[float], unit: str) -> Figure:
    """Return the median of measurements as a figure."""
    return Figure(bench, subject, metric, statistics.median(values), unit, len(values))


def publish(figures: Sequence[Figure], path: Path) -> None:
    """Append the figures to a JSON-lines file and print them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        for figure in figures:
            file.write(json.dumps(asdict(figure)) + "\n")
    table = Table("bench", "subject", "metric", "value", "unit", "runs", box=None)
    for figure in figures:
        value = f"{figure.value:,.2f}" if figure.value < 1_000 else f"{figure.value:,.0f}"
        row = (figure.bench, figure.subject, figure.metric, value, figure.unit, str(figure.runs))
        table.add_row(*row)
    Console().print(table)
