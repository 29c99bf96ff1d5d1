"""What one load of one source knows about itself while it runs."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from ingestion.errors import UnloadableTable
from ingestion.names import DELETED_AT, LOAD_ID, LOADED_AT, OUR_COLUMNS, raw_name
from ingestion.report import HttpReport

if TYPE_CHECKING:
    from ingestion.erasure.withhold import Withholding

__all__ = [
    "DELETED_AT",
    "KEYLESS",
    "KEYS_ARE_UNIQUE",
    "LOADED_AT",
    "LOAD_ID",
    "QUARANTINE",
    "WATERMARKS",
    "Batch",
    "Key",
    "QuarantinedRow",
    "Selection",
    "Vanished",
    "current_load_id",
]

QUARANTINE = "_quarantine"
KEYLESS = "without a key"
WATERMARKS = "_watermarks"
KEYS_ARE_UNIQUE = "x-stage-data-deduplicated"
"""dlt's hint that a merge need not choose one row of each key: half of the time, and memory."""

Key = tuple[str, ...]


class QuarantinedRow(BaseModel):
    """A row that broke its model: ``reason`` and ``payload`` name fields and rules, never a value.

    ``row_key`` is the row's key as text, because a retry reads it again by that; ``place`` is the
    file that it was in.
    """

    model_config = ConfigDict(frozen=True)

    table_name: str
    row_key: str
    reason: str
    load_id: str
    payload: str
    quarantined_at: datetime
    place: str | None = None

    @property
    def is_keyless(self) -> bool:
        """Whether the row has no key by which it could be read again."""
        return self.row_key.startswith(KEYLESS)


@dataclass(frozen=True)
class Selection:
    """Which rows of a table a load reads in place of those after its cursor.

    ``keys`` are those rows alone, each key as texts; None is every row. A selected row that the
    source no longer has becomes a tombstone; where that were more than ``max_loss`` of the table,
    none does and the report says so. A source that is captured from its log brings all changes
    before them too, and knows what is gone, so that ``max_loss`` bounds nothing there.
    """

    keys: tuple[Key, ...] | None
    max_loss: float = 1.0


@dataclass
class Batch:
    """One load: when its extraction began, what it read and what it set aside.

    ``whole`` names the tables of which this load read every row; a reader adds one when it knows
    that its listing ended. ``seen`` holds the keys read of tables that are whole or selected, and
    ``places`` the files that were read anew or are gone. Of ``unfinished`` tables only a first
    part was read, and of ``folded`` ones each key came once; ``watermarks`` are those that differ
    from the load's beginning. Tables to be read ``anew`` begin with no cursor or position, as if
    they had never been loaded. ``alarms`` are what a person must know although the load went well.
    ``note`` writes into the warehouse, under its lock, what must be known of this load before its
    first row comes.
    ``erased`` is the filter that keeps erased people out, None where nobody was erased.
    """

    source: str
    started_at: datetime
    selection: Mapping[str, Selection] = field(default_factory=dict)
    read: Counter[str] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    quarantined: list[QuarantinedRow] = field(default_factory=list)
    whole: set[str] = field(default_factory=set)
    places: dict[str, set[str]] = field(default_factory=dict)
    seen: dict[str, list[pa.Table]] = field(default_factory=dict)
    findings: dict[str, "Vanished"] = field(default_factory=dict)
    unfinished: set[str] = field(default_factory=set)
    anew: frozenset[str] = frozenset()
    folded: set[str] = field(default_factory=set)
    watermarks: dict[str, datetime] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)
    http: Callable[[], HttpReport] | None = None
    note: Callable[[Path], None] | None = None
    erased: "Withholding | None" = None

    def reads_all(self, table: str) -> bool:
        """Whether this load was told to read every row of a table."""
        chosen = self.selection.get(table)
        return chosen is not None and chosen.keys is None

    def begin(self, table: str) -> bool:
        """Forget a table's cursor where it is to be read anew, and say whether it is."""
        if table in self.anew:
            dlt.current.resource_state(table).clear()
        return table in self.anew

    def see(self, table: str, keys: pa.Table) -> None:
        """Remember that the source has rows with these keys, malformed or not."""
        plain = keys.rename_columns([raw_name(name) for name in keys.column_names])
        self.seen.setdefault(table, []).append(plain)

    def stamp(self, rows: pa.Table) -> pa.Table:
        """Add our own columns to Arrow rows, whose names become those of raw."""
        names = [raw_name(name) for name in rows.column_names]
        _refuse_bad_names(rows.column_names, names)
        rows = rows.rename_columns(names)
        count = rows.num_rows
        instant = pa.timestamp("us", tz="UTC")
        return (
            rows.append_column(LOADED_AT, pa.repeat(pa.scalar(self.started_at, instant), count))
            .append_column(DELETED_AT, pa.nulls(count, instant))
            .append_column(LOAD_ID, pa.repeat(pa.scalar(current_load_id()), count))
        )

    def stamp_rows(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Add our own column to rows of JSON, whose names become those of raw."""
        return [
            {**{raw_name(name): value for name, value in row.items()}, LOADED_AT: self.started_at}
            for row in rows
        ]


@dataclass(frozen=True)
class Vanished:
    """What a whole or selected reading found against raw: rows new to raw, and rows now gone.

    ``refused`` says why those gone were not deleted.
    """

    new: int
    gone: int
    refused: str | None = None


def current_load_id() -> str:
    """The id of the dlt load package that is being extracted."""
    return str(dlt.current.load_package_state()["load_id"])


def _refuse_bad_names(source: list[str], raw: list[str]) -> None:
    for name, plain in zip(source, raw, strict=True):
        if plain in OUR_COLUMNS:
            raise UnloadableTable(f"its column {name} has a name that raw keeps for itself")
    if len(set(raw)) < len(raw):
        twice = sorted({name for name in raw if raw.count(name) > 1})
        raise UnloadableTable(f"two of its columns would both be named {', '.join(twice)} in raw")
