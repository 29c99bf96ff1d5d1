"""Keeps what was found for the next same call: by snapshot, agent, tool and arguments.

A publication makes a new snapshot, so nothing needs to be told when data changes. Ages, warnings
and refusals are no part of what is kept: they are made anew for every answer.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from serving.catalog import CatalogView
from serving.found import Found
from serving.row_bytes import Packed, size, unpacked

MOST_BYTES = 64 << 20
# Measured: the objects around an answer of one row, its key included, take about this much.
_OVERHEAD_BYTES = 2_000


class Key(NamedTuple):
    """What makes two calls the same; ``current`` is the snapshot that tells the agent's scope."""

    snapshot_id: str
    current: str
    agent: str
    tool: str
    arguments: str


@dataclass(frozen=True)
class _Kept:
    found: Found
    rows: Packed
    bytes: int


class AnswerCache:
    """What was found lately, at most ``most_bytes`` of it; shared by threads.

    Rows are kept as JSON, so that their size is known and no caller can change another's.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """How much is kept now."""
        return self._bytes

    def get(self, key: Key) -> tuple[Found, Packed] | None:
        """What the same call found before, None where it is not kept."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            self._kept.move_to_end(key)
        return kept.found.with_rows(unpacked(kept.rows)), kept.rows

    def put(self, key: Key, found: Found, rows: Packed) -> None:
        """Keep what a call found, and let go of what was not asked for the longest."""
        taken = _OVERHEAD_BYTES + len(key.arguments) + size(rows) + 64 * len(rows)
        if taken > self._most_bytes // 8:
            return
        with self._lock:
            self._drop(key)
            self._kept[key] = _Kept(found.with_rows([]), rows, taken)
            self._bytes += taken
            while self._bytes > self._most_bytes:
                self._drop(next(iter(self._kept)))

    def drop(self, snapshot_id: str) -> None:
        """Let go of a snapshot's rows: it may have been withdrawn because of what they hold."""
        with self._lock:
            for key in [key for key in self._kept if key.snapshot_id == snapshot_id]:
                self._drop(key)

    def _drop(self, key: Key) -> None:
        kept = self._kept.pop(key, None)
        self._bytes -= kept.bytes if kept else 0


def may_be_kept(found: Found, views: Mapping[str, CatalogView]) -> bool:
    """Whether the same call finds the same until the next publication, and its views allow it."""
    return not (found.is_about or found.is_volatile) and all(
        views[name].is_cached for name in found.tables
    )
