"""Counts of calls and their seconds, in the text format of Prometheus.

calls -> Metrics of this process -> <folder>/<pid>.json, each second -> summed at /metrics
"""

import json
import math
import os
import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, math.inf)
# How old the figures of the other processes of one address may be.
TOLD_EVERY_S = 1.0


@dataclass
class Figures:
    """Calls by tool, agent and verdict; seconds by tool, each call in its narrowest bucket."""

    calls: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    buckets: Counter[tuple[str, float]] = field(default_factory=Counter)

    def add(self, other: "Figures") -> None:
        """Take in another process's figures."""
        self.calls.update(other.calls)
        self.seconds.update(other.seconds)
        self.buckets.update(other.buckets)

    def to_json(self) -> dict[str, list[Any]]:
        """The same as JSON, which knows no tuples as keys."""
        return {name: list(counted.items()) for name, counted in vars(self).items()}

    @classmethod
    def from_json(cls, told: dict[str, list[Any]]) -> "Figures":
        """What ``to_json`` told."""
        return cls(
            calls=Counter({tuple(key): count for key, count in told["calls"]}),
            seconds=Counter(dict(told["seconds"])),
            buckets=Counter({tuple(key): count for key, count in told["buckets"]}),
        )


class _Tally:
    """The calls of one tool, agent and verdict."""

    __slots__ = ("buckets", "calls", "seconds")

    def __init__(self) -> None:
        self.calls, self.seconds, self.buckets = 0, 0.0, [0] * len(_BUCKETS)


class Metrics:
    """Calls by tool, agent and verdict since this process began."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tallies: defaultdict[tuple[str, str, str], _Tally] = defaultdict(_Tally)

    def record(self, tool: str, agent: str, verdict: str, seconds: float) -> None:
        """Count one call; ``tool`` and ``agent`` must be names of ours, never a caller's text."""
        with self._lock:
            tally = self._tallies[tool, agent, verdict]
            tally.calls += 1
            tally.seconds += seconds
            tally.buckets[bisect_left(_BUCKETS, seconds)] += 1

    def to_json(self) -> str:
        """The figures so far, for another process."""
        return json.dumps(self._figures().to_json())

    def render(self, snapshot_age_s: float | None, others: Sequence[Figures] = ()) -> str:
        """All figures as Prometheus reads them, summed with those of other processes."""
        told = self._figures()
        for other in others:
            told.add(other)
        return "\n".join(
            [*_call_lines(told), *_second_lines(told), *_age_lines(snapshot_age_s), ""]
        )

    def _figures(self) -> Figures:
        figures = Figures()
        with self._lock:
            for (tool, agent, verdict), tally in self._tallies.items():
                figures.calls[tool, agent, verdict] = tally.calls
                # Counter is declared for whole numbers and counts any.
                figures.seconds[tool] += tally.seconds  # type: ignore[assignment]
                figures.buckets.update(
                    {(tool, bound): n for bound, n in zip(_BUCKETS, tally.buckets, strict=True)}
                )
        return figures


class SharedMetrics:
    """The figures of all processes of one address; without a ``folder`` of this one alone."""

    def __init__(self, own: Metrics, folder: Path | None) -> None:
        self._own, self._folder = own, folder

    async def keep_told(self) -> None:
        """Write this process's figures each second, until cancelled."""
        if self._folder is None:
            return
        path = self._folder / f"{os.getpid()}.json"
        told = ""
        while True:
            if (text := self._own.to_json()) != told:
                told = text
                await to_thread.run_sync(_replace, path, text)
            await anyio.sleep(TOLD_EVERY_S)

    def render(self, snapshot_age_s: float | None) -> str:
        """The sum; a process that has ended still counts, because counters never go back."""
        others = [] if self._folder is None else sorted(self._folder.glob("*.json"))
        return self._own.render(
            snapshot_age_s,
            [
                Figures.from_json(json.loads(path.read_text(encoding="utf-8")))
                for path in others
                if path.stem != str(os.getpid())
            ],
        )


def _replace(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _call_lines(told: Figures) -> Iterable[str]:
    yield "# HELP grounded_calls_total Calls answered or refused."
    yield "# TYPE grounded_calls_total counter"
    for (tool, agent, verdict), count in sorted(told.calls.items()):
        labels = f'tool="{_label(tool)}",agent="{_label(agent)}",verdict="{_label(verdict)}"'
        yield f"grounded_calls_total{{{labels}}} {count}"


def _second_lines(told: Figures) -> Iterable[str]:
    yield "# HELP grounded_call_seconds How long calls took."
    yield "# TYPE grounded_call_seconds histogram"
    for tool, seconds in sorted(told.seconds.items()):
        name = f'tool="{_label(tool)}"'
        within = 0
        for bound in _BUCKETS:
            within += told.buckets[tool, bound]
            told_bound = "+Inf" if bound == math.inf else bound
            yield f'grounded_call_seconds_bucket{{{name},le="{told_bound}"}} {within}'
        yield f"grounded_call_seconds_sum{{{name}}} {seconds:.6f}"
        yield f"grounded_call_seconds_count{{{name}}} {within}"


def _age_lines(age_s: float | None) -> Iterable[str]:
    if age_s is None:
        return
    yield "# HELP grounded_snapshot_age_seconds Since the current snapshot was built."
    yield "# TYPE grounded_snapshot_age_seconds gauge"
    yield f"grounded_snapshot_age_seconds {age_s:.3f}"


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
