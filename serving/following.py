"""How far sources are behind, as ``grounded follow`` told it last, in Prometheus' text format.

orchestration: <home>/following.json, after each cycle -> here: gauges at /metrics
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

FOLLOWING_FILE = "following.json"


def following_metrics(home: Path) -> str:
    """Return the gauges, nothing where this home was never followed; they name no problem."""
    path = home / FOLLOWING_FILE
    if not path.is_file():
        return ""
    told = json.loads(path.read_text(encoding="utf-8"))
    age = (datetime.now(UTC) - datetime.fromisoformat(told["time"])).total_seconds()
    sources = sorted(told["sources"].items())
    lines = [
        *_gauge("following_told_seconds", "Since `grounded follow` told of a cycle.", [("", age)]),
        *_gauge("following_cycle_seconds", "Its last cycle.", [("", told["seconds"])]),
        *_gauge(
            "source_lag_seconds",
            "From the news of a change to its answer, or how long it waits.",
            [(f'{{source="{name}"}}', one["lag_s"]) for name, one in sources],
        ),
        *_gauge(
            "source_failures",
            "Tries in a row that failed.",
            [(f'{{source="{name}"}}', one["failures"]) for name, one in sources],
        ),
    ]
    return "\n".join([*lines, ""])


def _gauge(name: str, description: str, values: Iterable[tuple[str, float]]) -> Iterable[str]:
    yield f"# HELP grounded_{name} {description}"
    yield f"# TYPE grounded_{name} gauge"
    for labels, value in values:
        yield f"grounded_{name}{labels} {value:g}"
