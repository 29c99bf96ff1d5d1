"""Reads quarantined rows again from their source, after their source or their model was mended."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ingestion.batch import QuarantinedRow, Selection
from ingestion.load import load_source
from ingestion.quarantine import forget_keys, list_quarantine
from ingestion.spec import FilesSource, FileTableSpec, RestTableSpec, SourceSpec, SqlTableSpec
from ingestion.values import key_parts

KEYS_A_LOAD = 5_000
SINGLE_ROWS = 200
"""More rows of an API than these are not asked for one by one: it is listed."""
PASSES = 3
"""A row whose key changed while it waited is set aside again under the new one, and that is tried
too; keys may go on changing, so not for ever."""


class RetryReport(BaseModel):
    """How many rows waited in each table, and how many still do."""

    model_config = ConfigDict(frozen=True)

    source: str
    waited: dict[str, int]
    waiting: dict[str, int]


def retry(
    name: str,
    spec: SourceSpec,
    home: Path,
    *,
    tables: Sequence[str] | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> RetryReport:
    """Read the quarantined rows again and let go of those that load or that are no more.

    Of a database those rows are read by key, of an API too where it declares ``row_path`` and they
    are not many; else it is listed from the start. Of files those that they are in are read. Raises
    what load_source raises.
    """
    before = after = _by_table(name, spec, home, tables)
    tried: set[tuple[str, str]] = set()
    for _ in range(PASSES):
        for table, rows in after.items():
            untried = [row for row in rows if (table, row.row_key) not in tried]
            tried |= {(table, row.row_key) for row in untried}
            for selection in _selections(spec, table, untried) if untried else []:
                started = datetime.now(UTC)
                load_source(name, spec, home, selection={table: selection}, on_progress=on_progress)
                forget_keys(home, name, table, _forgettable(selection, untried), started)
        after = _by_table(name, spec, home, tables)
    return RetryReport(
        source=name,
        waited={table: len(rows) for table, rows in before.items()},
        waiting={table: len(after.get(table, [])) for table in before},
    )


def _by_table(
    name: str, spec: SourceSpec, home: Path, tables: Sequence[str] | None
) -> dict[str, list[QuarantinedRow]]:
    grouped: dict[str, list[QuarantinedRow]] = defaultdict(list)
    for row in list_quarantine(home, {name: spec})[name]:
        if row.table_name in spec.tables and (tables is None or row.table_name in tables):
            grouped[row.table_name].append(row)
    return dict(grouped)


def _selections(spec: SourceSpec, table: str, rows: list[QuarantinedRow]) -> list[Selection]:
    if isinstance(spec, FilesSource):
        places = sorted({row.place or row.row_key for row in rows})
        return [Selection(tuple((place,) for place in places))]
    declared = spec.tables[table]
    if any(row.is_keyless for row in rows) or _is_listed(declared, len(rows)):
        return [Selection(None, max_loss=declared.max_shrink_share)]
    width = len(declared.primary_key)
    keys = [key_parts(row.row_key, width) for row in rows]
    return [
        Selection(tuple(keys[start : start + KEYS_A_LOAD]))
        for start in range(0, len(keys), KEYS_A_LOAD)
    ]


def _is_listed(declared: SqlTableSpec | RestTableSpec | FileTableSpec, rows: int) -> bool:
    """Whether rows of an API are found by listing them all."""
    if not isinstance(declared, RestTableSpec):
        return False
    return declared.row_path is None or rows > SINGLE_ROWS


def _forgettable(selection: Selection, rows: list[QuarantinedRow]) -> list[str]:
    if selection.keys is None:
        return [row.row_key for row in rows]
    chosen = set(selection.keys)
    return [
        row.row_key
        for row in rows
        if (row.place or row.row_key,) in chosen or _key_parts(row) in chosen
    ]


def _key_parts(row: QuarantinedRow) -> tuple[str, ...] | None:
    """The texts of a composite key; None for a row whose key has one column."""
    return tuple(key_parts(row.row_key, 2)) if row.row_key.startswith("[") else None
