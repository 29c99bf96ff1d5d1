"""Counts of calls and their seconds, in the text format of Prometheus."""

import threading
from collections import Counter
from collections.abc import Iterable

_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0)


class Metrics:
    """Calls by tool, agent and verdict since this process began."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[tuple[str, str, str]] = Counter()
        self._seconds: dict[str, float] = {}
        self._buckets: Counter[tuple[str, float]] = Counter()
        self._counts: Counter[str] = Counter()

    def record(self, *, tool: str, agent: str, verdict: str, seconds: float) -> None:
        """Count one call; ``tool`` and ``agent`` must be names of ours, never a caller's text."""
        with self._lock:
            self._calls[tool, agent, verdict] += 1
            self._seconds[tool] = self._seconds.get(tool, 0.0) + seconds
            self._counts[tool] += 1
            for bound in _BUCKETS:
                if seconds <= bound:
                    self._buckets[tool, bound] += 1

    def render(self, snapshot_age_s: float | None) -> str:
        """All figures as Prometheus reads them."""
        with self._lock:
            return "\n".join(
                [
                    *self._call_lines(),
                    *self._second_lines(),
                    *_age_lines(snapshot_age_s),
                    "",
                ]
            )

    def _call_lines(self) -> Iterable[str]:
        yield "# HELP grounded_calls_total Calls answered or refused."
        yield "# TYPE grounded_calls_total counter"
        for (tool, agent, verdict), count in sorted(self._calls.items()):
            labels = f'tool="{_label(tool)}",agent="{_label(agent)}",verdict="{_label(verdict)}"'
            yield f"grounded_calls_total{{{labels}}} {count}"

    def _second_lines(self) -> Iterable[str]:
        yield "# HELP grounded_call_seconds How long calls took."
        yield "# TYPE grounded_call_seconds histogram"
        for tool, count in sorted(self._counts.items()):
            name = f'tool="{_label(tool)}"'
            for bound in _BUCKETS:
                within = self._buckets[tool, bound]
                yield f'grounded_call_seconds_bucket{{{name},le="{bound}"}} {within}'
            yield f'grounded_call_seconds_bucket{{{name},le="+Inf"}} {count}'
            yield f"grounded_call_seconds_sum{{{name}}} {self._seconds[tool]:.6f}"
            yield f"grounded_call_seconds_count{{{name}}} {count}"


def _age_lines(age_s: float | None) -> Iterable[str]:
    if age_s is None:
        return
    yield "# HELP grounded_snapshot_age_seconds Since the current snapshot was built."
    yield "# TYPE grounded_snapshot_age_seconds gauge"
    yield f"grounded_snapshot_age_seconds {age_s:.3f}"


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
