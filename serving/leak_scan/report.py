"""What a scan found and how much it looked at; never a value.

Hit, RuleEffect, seconds -> ScanReport -> publish, `grounded privacy scan`, an erasure's receipt
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from serving.leak_scan.search_set import RuleEffect

WITHHELD = "(withheld)"
ANYWHERE = "(bytes)"


@dataclass(frozen=True, order=True)
class Hit:
    """One place that holds a personal value, or what looks like one.

    ``privacy`` is the value's class, or ``key`` for the privacy key and source credentials; ``by``
    tells whether a known value or a pattern found it. ``row_key`` is the view's own key, a row
    number, a line or an offset; ``(withheld)`` where that is personal itself.
    """

    file: str
    view: str
    column: str
    privacy: str
    row_key: str
    by: str = "value"

    @property
    def place(self) -> str:
        """The file, view and column in words."""
        inside = ".".join(part for part in (self.view, self.column) if part)
        return f"{self.file}: {inside}" if inside else self.file


@dataclass
class ScanReport:
    """The outcome of a scan; ``counts`` has all hits by (place, class), ``hits`` the first of each.

    ``unread`` are files of a known kind that did not open: their bytes alone were searched.
    """

    hits: tuple[Hit, ...] = ()
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    effects: tuple[RuleEffect, ...] = ()
    public: Counter[tuple[str, str]] = field(default_factory=Counter)
    project: Counter[tuple[str, str]] = field(default_factory=Counter)
    values: int = 0
    searched: int = 0
    files: Counter[str] = field(default_factory=Counter)
    unread: tuple[str, ...] = ()
    cells: int = 0
    cell_bytes: int = 0
    raw_bytes: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def is_clean(self) -> bool:
        """True where no value, pattern or key was found."""
        return not self.counts

    def as_json(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        return {
            "clean": self.is_clean,
            "hits": [vars(hit) for hit in self.hits],
            "counts": [
                {"place": place, "class": privacy, "count": count}
                for (place, privacy), count in sorted(self.counts.items())
            ],
            "rules": [
                {**vars(effect), "cells": dict(sorted(effect.cells.items()))}
                for effect in self.effects
            ],
            "also_public": [
                {"place": place, "class": privacy, "count": count}
                for (place, privacy), count in sorted(self.public.items())
            ],
            "also_in_project": [
                {"place": place, "class": privacy, "count": count}
                for (place, privacy), count in sorted(self.project.items())
            ],
            "values": self.values,
            "searched": self.searched,
            "files": dict(sorted(self.files.items())),
            "unread": list(self.unread),
            "cells": self.cells,
            "cell_bytes": self.cell_bytes,
            "raw_bytes": self.raw_bytes,
            "seconds": round(self.seconds, 2),
            "cpu_seconds": round(self.cpu_seconds, 2),
        }
