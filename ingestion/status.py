"""The state of every raw table, read from the warehouse without waiting for a writer."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
from pydantic import BaseModel, ConfigDict

from ingestion.batch import DELETED_AT, QUARANTINE, WATERMARKS
from ingestion.errors import IngestionError
from ingestion.failures import last_failure
from ingestion.spec import SourceSpec
from ingestion.warehouse import reading, warehouse_path, writing


class TableState(BaseModel):
    """One raw table: its live rows, how far it is complete and how many rows wait in quarantine."""

    model_config = ConfigDict(frozen=True)

    source: str
    table: str
    rows: int | None
    quarantined: int
    watermark: datetime | None
    last_failure: str | None


def source_states(sources: Mapping[str, SourceSpec], home: Path) -> list[TableState]:
    """Return the state of every declared table, in the order of sources.yaml."""
    pairs = [(name, table) for name, spec in sources.items() for table in spec.tables]
    if not warehouse_path(home).exists():
        return [_never(name, table, home) for name, table in pairs]
    with writing(home) as path, reading(path) as connection:
        found = connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables"
        ).fetchall()
        there = {row[0] for row in found}
        return [_state(connection, there, name, table, home) for name, table in pairs]


def _never(source: str, table: str, home: Path) -> TableState:
    return TableState(
        source=source,
        table=table,
        rows=None,
        quarantined=0,
        watermark=None,
        last_failure=_last_failure(home, source),
    )


def _state(
    connection: duckdb.DuckDBPyConnection, there: set[str], source: str, table: str, home: Path
) -> TableState:
    if f"{source}.{table}" not in there:
        return _never(source, table, home)

    def one(query: str, parameters: list[str]) -> tuple[object, ...] | None:
        row: tuple[object, ...] | None = connection.execute(query, parameters).fetchone()
        return row

    rows = one(f'select count(*) from "{source}"."{table}" where {DELETED_AT} is null', [])
    aside = (
        one(f'select count(*) from "{source}"."{QUARANTINE}" where table_name = ?', [table])
        if f"{source}.{QUARANTINE}" in there
        else (0,)
    )
    watermark = one(
        f'select watermark from "{source}"."{WATERMARKS}" where table_name = ?', [table]
    )
    return TableState.model_validate(
        {
            "source": source,
            "table": table,
            "rows": rows[0] if rows else None,
            "quarantined": aside[0] if aside else 0,
            "watermark": watermark[0] if watermark else None,
            "last_failure": _last_failure(home, source),
        }
    )


def _last_failure(home: Path, source: str) -> str | None:
    failure = last_failure(home, source)
    return None if failure is None else f"{failure.duration}: {failure.reason}"


def still_served(home: Path, source: str) -> str:
    """Say how old what we hold of a source is; for the message of a load that failed."""
    try:
        oldest = _oldest_watermark(home, source)
    except IngestionError:
        # Raised here, it would carry the driver's words of the load's own error along.
        return "how old what is served of it is cannot be told now"
    if oldest is None:
        return "nothing of it has been loaded yet"
    return (
        f"what was loaded up to {oldest.astimezone(UTC):%Y-%m-%d %H:%M} UTC is still served, "
        f"{_in_words(datetime.now(UTC) - oldest)} old"
    )


def _oldest_watermark(home: Path, source: str) -> datetime | None:
    if not warehouse_path(home).exists():
        return None
    with writing(home) as path, reading(path) as connection:
        known = connection.execute(
            "select 1 from information_schema.tables where table_schema = ? and table_name = ?",
            [source, WATERMARKS],
        ).fetchone()
        oldest = (
            connection.execute(f'select min(watermark) from "{source}"."{WATERMARKS}"').fetchone()
            if known
            else None
        )
    return oldest[0] if oldest else None


def _in_words(age: timedelta) -> str:
    minutes = max(0, int(age.total_seconds())) // 60
    hours, days = minutes // 60, minutes // 1440
    if hours >= 48:
        return f"{days} days"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
