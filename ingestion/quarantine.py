"""Sets malformed rows aside with their reason, so that the rest of a load goes on.

``<source>._quarantine`` keeps what is needed to find and mend a row, its key and the shape of its
fields, but none of its values: a retry reads the row again from its source. A row that arrives
healthy, or is deleted at the source, leaves by itself with the load that says so.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import dlt
import duckdb
from dlt.extract import DltResource

from ingestion.batch import LOADED_AT, QUARANTINE, Batch, QuarantinedRow, current_load_id
from ingestion.names import raw_name
from ingestion.row_model import SetAside
from ingestion.spec import SourceSpec
from ingestion.values import shape_of
from ingestion.vanished import quoted
from ingestion.warehouse import reading, tables_of, warehouse_path, writing


def setting_aside(batch: Batch, table: str, place: str | None = None) -> SetAside:
    """Return the function that records one malformed row of a table."""

    def set_aside(row_key: str, reason: str, row: Mapping[str, Any]) -> None:
        if batch.erased is not None and batch.erased.strikes(table, row):
            return
        batch.quarantined.append(
            QuarantinedRow(
                table_name=table,
                row_key=row_key,
                reason=reason,
                load_id=current_load_id(),
                payload=shape_of(row),
                quarantined_at=batch.started_at,
                place=place,
            )
        )

    return set_aside


def quarantine_resource(batch: Batch) -> DltResource:
    """The rows that this load set aside; must be extracted after every other resource."""

    def rows() -> Iterator[list[dict[str, str | datetime]]]:
        if batch.quarantined:
            yield [row.model_dump() for row in batch.quarantined]

    return dlt.resource(
        rows,
        name=QUARANTINE,
        write_disposition="merge",
        primary_key=("table_name", "row_key"),
        columns={"payload": {"data_type": "text"}, "place": {"data_type": "text"}},
        file_format="parquet",
    )


def list_quarantine(
    home: Path, sources: Mapping[str, SourceSpec]
) -> dict[str, list[QuarantinedRow]]:
    """Return the rows that wait, by source, oldest first."""
    if not warehouse_path(home).exists():
        return {name: [] for name in sources}
    with writing(home) as path, reading(path) as connection:
        return {name: _waiting(connection, name) for name in sources}


def awaited(
    connection: duckdb.DuckDBPyConnection, spec: SourceSpec, source: str, existing: set[str]
) -> dict[str, str]:
    """Return, by table with rows that wait, the SQL condition that a row of ``raw`` is one of them.

    A row lets go of the one that waits for it by being written, also where it is as it was.
    """
    if QUARANTINE not in existing:
        return {}
    aside = f"{quoted(source)}.{quoted(QUARANTINE)}"
    waiting = connection.execute(f"select distinct table_name from {aside}").fetchall()
    return {
        table: f"exists (select 1 from {aside} as aside where "
        f"{' and '.join(_same_key(connection, source, table, spec))})"
        for (table,) in waiting
        if table in existing and table in spec.tables
    }


def release_healthy(
    connection: duckdb.DuckDBPyConnection, spec: SourceSpec, batch: Batch, existing: set[str]
) -> Counter[str]:
    """Let go of rows that raw has since received, live or deleted; count by table what waits.

    A load that read the whole of a table, or chosen rows, also lets go of those that it no
    longer found.
    """
    if QUARANTINE not in existing:
        return Counter()
    aside = f"{quoted(batch.source)}.{quoted(QUARANTINE)}"
    since = f"select table_name, min(quarantined_at) from {aside} group by all"
    waiting = dict(connection.execute(since).fetchall())
    for table in spec.tables.keys() & existing & waiting.keys():
        same = " and ".join(_same_key(connection, batch.source, table, spec))
        connection.execute(
            f"delete from {aside} as aside using {quoted(batch.source)}.{quoted(table)} as raw "
            # The constant leaves out, unread, what was loaded before any of them.
            f"where {same} and raw.{LOADED_AT} > aside.quarantined_at and raw.{LOADED_AT} > ?",
            [waiting[table]],
        )
    for table in batch.whole & waiting.keys():
        connection.execute(
            f"delete from {aside} where table_name = ? and quarantined_at < ?",
            [table, batch.started_at],
        )
    for table, places in batch.places.items():
        if table not in waiting:
            continue
        connection.execute(
            f"delete from {aside} where table_name = ? and place in (select unnest(?)) "
            "and quarantined_at < ?",
            [table, sorted(places), batch.started_at],
        )
    counts = f"select table_name, count(*) from {aside} group by all"
    return Counter(dict(connection.execute(counts).fetchall())) if waiting else Counter()


def forget_keys(home: Path, source: str, table: str, keys: list[str], before: datetime) -> None:
    """Remove quarantined rows by key that no load has set aside again since ``before``."""
    with writing(home) as path, duckdb.connect(str(path)) as connection:
        connection.execute(
            f"delete from {quoted(source)}.{quoted(QUARANTINE)} where table_name = ? "
            "and row_key in (select unnest(?)) and quarantined_at < ?",
            [table, keys, before],
        )


def _same_key(
    connection: duckdb.DuckDBPyConnection, source: str, table: str, spec: SourceSpec
) -> list[str]:
    """The conditions that a row of ``aside`` is about a row of ``raw``, a table of this name."""
    described = connection.execute(f"describe {quoted(source)}.{quoted(table)}").fetchall()
    types = {row[0]: row[1] for row in described}
    key = [raw_name(column) for column in spec.tables[table].primary_key]
    texts = ["aside.row_key"]
    if len(key) > 1:
        # A row of another shape (a whole file, a row without a key) has no array as its key.
        array = "case when json_valid(aside.row_key) then aside.row_key end"
        texts = [f"json_extract_string({array}, '$[{index}]')" for index in range(len(key))]
    return [
        f"aside.table_name = '{table}'",
        *(
            f"raw.{quoted(column)} = try_cast({text} as {types[column]})"
            for column, text in zip(key, texts, strict=True)
        ),
    ]


def _waiting(connection: duckdb.DuckDBPyConnection, source: str) -> list[QuarantinedRow]:
    if QUARANTINE not in tables_of(connection, source):
        return []
    columns = list(QuarantinedRow.model_fields)
    found = connection.execute(
        f"select {', '.join(columns)} from {quoted(source)}.{quoted(QUARANTINE)} "
        "order by quarantined_at, table_name, row_key"
    ).fetchall()
    return [QuarantinedRow.model_validate(dict(zip(columns, row, strict=True))) for row in found]
