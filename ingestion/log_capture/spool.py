"""Keeps the changes of one table on disk until their transactions are whole.

changes in commit order -> Parquet files of bounded size -> fold.py
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingestion.errors import CaptureRefused
from ingestion.log_capture.columns import text_columns
from ingestion.log_capture.pgoutput import Row
from ingestion.postgres_arrow import mark_unfit
from ingestion.postgres_types import PgColumn, from_text

SEQUENCE = "_sequence"
GONE_AT = "_gone_at"
LEFT_ALONE = "_left_alone"
"""The columns of a row that an update left unchanged, out of the log's sight."""
CAME_FROM = "_came_from_"
"""Prefix: the key that a row had before an update changed it."""

FLUSH_ROWS = 100_000
FLUSH_BYTES = 64 * 1024 * 1024

AtSource = Callable[[PgColumn, pa.Array], pa.Array]
"""Lets the server turn the log's text of a value into the text of its cast."""

_INSTANT = pa.timestamp("us", tz="UTC")


@dataclass
class Buffer:
    """Changes that wait to be written: one entry a change in each list."""

    messages: list[bytes] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    sequence: list[int] = field(default_factory=list)
    gone_at: list[datetime | None] = field(default_factory=list)
    came_from: dict[int, Row] = field(default_factory=dict)
    size: int = 0


class TableSpool:
    """The changes of one table; ``key`` are its key columns, ``size`` is in bytes of the log."""

    def __init__(self, folder: Path, key: list[str], at_source: AtSource) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.key = key
        self.files: list[Path] = []
        self.columns: dict[str, PgColumn] = {}
        self.left_alone: set[str] = set()
        self.truncated: tuple[int, datetime] | None = None
        self.changes = 0
        self.size = 0
        self._shape: list[PgColumn] = []
        self._key_at: list[int] = []
        self._at_source = at_source
        self._buffer = Buffer()

    def reshape(self, columns: list[PgColumn]) -> None:
        """Take the shape that the rows have from now on."""
        self.flush()
        for column in columns:
            before = self.columns.setdefault(column.name, column)
            if not _compatible(before.arrow, column.arrow):
                raise CaptureRefused(
                    f"column {column.name} changed its type; the table is as it was. Change the "
                    "column back, or drop the raw table and load it again"
                )
            self.columns[column.name] = column
        names = [column.name for column in columns]
        lacking = [name for name in self.key if name not in names]
        if lacking:
            raise CaptureRefused(
                f"the source dropped or renamed the key column {', '.join(lacking)}; the table is "
                "as it was. Declare the key that it has now"
            )
        self._shape = columns
        self._key_at = [names.index(name) for name in self.key]

    def put(self, sequence: int, message: bytes, start: int, came_from: Row | None = None) -> None:
        """Keep an inserted or updated row, which begins at ``start`` of its message."""
        if came_from is not None:
            self._buffer.came_from[len(self._buffer.messages)] = came_from
        self._add(sequence, message, start, None)

    def remove(self, sequence: int, message: bytes, start: int, at: datetime) -> None:
        """Keep a deleted row's key, and nothing else of it."""
        self._add(sequence, message, start, at)

    def truncate(self, sequence: int, at: datetime) -> None:
        """Remember that no earlier row is left."""
        self.truncated = (sequence, at)
        self.changes += 1

    def key_of(self, row: Sequence[Any]) -> list[Any]:
        """The values of the key columns."""
        return [row[index] for index in self._key_at]

    def flush(self) -> None:
        """Write what waits to a file."""
        buffer = self._buffer
        if not buffer.messages:
            return
        self._buffer = Buffer()
        path = self.folder / f"{len(self.files):06d}.parquet"
        pq.write_table(self._table(buffer), path, compression="snappy")
        self.files.append(path)

    def _add(self, sequence: int, message: bytes, start: int, gone_at: datetime | None) -> None:
        buffer = self._buffer
        buffer.messages.append(message)
        buffer.starts.append(start)
        buffer.sequence.append(sequence)
        buffer.gone_at.append(gone_at)
        buffer.size += len(message)
        self.size += len(message)
        self.changes += 1
        if buffer.size >= FLUSH_BYTES or len(buffer.messages) >= FLUSH_ROWS:
            self.flush()

    def _table(self, buffer: Buffer) -> pa.Table:
        gone_at = pa.array(buffer.gone_at, _INSTANT)
        arrays: dict[str, Any] = {}
        unfit: dict[str, Any] = {}
        alone: dict[str, Any] = {}
        found = text_columns(buffer.messages, buffer.starts, len(self._shape))
        for column, (values, left_alone) in zip(self._shape, found, strict=True):
            if column.name not in self.key and gone_at.null_count < len(gone_at):
                values = pc.if_else(pc.is_null(gone_at), values, pa.scalar(None, pa.string()))
            arrays[column.name], mask = self._values(column, values)
            if mask is not None:
                unfit[column.name] = mask
            if left_alone is not None:
                alone[column.name] = left_alone
        arrays[SEQUENCE] = pa.array(buffer.sequence, pa.int64())
        arrays[GONE_AT] = gone_at
        arrays[LEFT_ALONE] = self._left_alone(alone, len(gone_at))
        if buffer.came_from:
            arrays |= self._moved(buffer.came_from, len(gone_at))
        return mark_unfit(pa.table(arrays), unfit)

    def _left_alone(self, alone: dict[str, Any], count: int) -> pa.Array:
        self.left_alone.update(alone)
        names: list[list[str] | None] = [None] * count
        for name, mask in alone.items():
            for index in mask.nonzero()[0]:
                names[index] = [*(names[index] or []), name]
        return pa.array(names, pa.list_(pa.string()))

    def _moved(self, came_from: dict[int, Row], count: int) -> dict[str, pa.Array]:
        arrays = {}
        for place, at in enumerate(self._key_at):
            values: list[Any] = [None] * count
            for index, row in came_from.items():
                values[index] = row[at]
            text = pa.array(values, pa.binary()).cast(pa.string())
            arrays[f"{CAME_FROM}{place}"], _ = self._values(self._shape[at], text)
        return arrays

    def _values(self, column: PgColumn, text: pa.Array) -> tuple[Any, Any | None]:
        if column.converts_at_source:
            text = self._at_source(column, text)
        return from_text(text, column.arrow)


def _compatible(before: pa.DataType, after: pa.DataType) -> bool:
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return before.equals(after) or any(kind(before) and kind(after) for kind in kinds)
