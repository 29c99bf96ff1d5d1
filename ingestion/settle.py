"""Ends a load whose rows are durable: watermarks, the quarantine's release, and what to report."""

from collections import Counter
from datetime import UTC, datetime

import duckdb
from dlt.common.pipeline import LoadInfo

from ingestion.batch import DELETED_AT, LOAD_ID, WATERMARKS, Batch
from ingestion.names import LOADS
from ingestion.quarantine import release_healthy
from ingestion.report import LoadReport, TableReport
from ingestion.spec import FileTableSpec, RestTableSpec, SourceSpec, SqlTableSpec
from ingestion.unchanged import brings_unchanged
from ingestion.warehouse import tables_of


def settle(
    connection: duckdb.DuckDBPyConnection,
    spec: SourceSpec,
    batch: Batch,
    tables: list[str],
    info: LoadInfo,
    loads_before: int,
) -> LoadReport:
    """Write the watermarks, only now that all rows are durable, and count what is there."""
    watermarks = f'"{batch.source}"."{WATERMARKS}"'
    connection.execute(
        f"create table if not exists {watermarks} "
        "(table_name varchar primary key, watermark timestamptz not null)"
    )
    existing = tables_of(connection, batch.source)
    partial = batch.unfinished - batch.watermarks.keys()
    moved = sorted(set(tables) - set(batch.selection) - partial)
    if moved:
        # In one transaction: each waits for the disk.
        connection.execute(
            f"insert or replace into {watermarks} select unnest(?::varchar[]), "
            "unnest(?::timestamptz[])",
            [moved, [batch.watermarks.get(table, batch.started_at) for table in moved]],
        )
    if batch.erased is not None:
        batch.erased.sweep_if_due(connection)
    rows = {table: _count(connection, batch.source, table, existing) for table in tables}
    changed = batch.read
    if brings_unchanged(spec):
        changed = Counter(
            {
                table: _written(connection, batch.source, table, info)
                for table in existing & {*tables}
            }
        )
    aside = release_healthy(connection, spec, batch, existing)
    return LoadReport(
        source=batch.source,
        load_ids=list(info.loads_ids),
        loads_before=loads_before,
        loads=count_loads(connection, batch.source, existing),
        tables={
            table: _report(
                table, spec.tables[table], batch, rows[table], changed[table], aside[table]
            )
            for table in tables
        },
        seconds=(datetime.now(UTC) - batch.started_at).total_seconds(),
        http=batch.http() if batch.http is not None else None,
        unfinished=sorted(batch.unfinished),
    )


def count_loads(connection: duckdb.DuckDBPyConnection, source: str, existing: set[str]) -> int:
    """How many loads of a source raw has, by whichever process; ``existing`` are its tables."""
    if LOADS not in existing:
        return 0
    counted = connection.execute(f'select count(*) from "{source}"."{LOADS}"').fetchone()
    return int(counted[0]) if counted else 0


def _report(
    table: str,
    declared: SqlTableSpec | RestTableSpec | FileTableSpec,
    batch: Batch,
    rows: int,
    changed: int,
    aside: int,
) -> TableReport:
    gone = batch.findings.get(table)
    return TableReport(
        rows=rows,
        read=batch.read[table],
        changed=changed,
        quarantined=sum(row.table_name == table for row in batch.quarantined),
        watermark=None
        if table in batch.selection or table in batch.unfinished - batch.watermarks.keys()
        else batch.watermarks.get(table, batch.started_at),
        in_quarantine=aside,
        max_quarantine_share=declared.quarantine.max_share,
        waiting=batch.waiting[table],
        new=gone.new if gone else 0,
        gone=gone.gone if gone else 0,
        refused=gone.refused if gone else None,
        withheld=batch.erased.withheld[table] if batch.erased else 0,
    )


def _count(
    connection: duckdb.DuckDBPyConnection, schema: str, table: str, existing: set[str]
) -> int:
    if table not in existing:
        return 0
    query = f'select count(*) from "{schema}"."{table}" where {DELETED_AT} is null'
    counted = connection.execute(query).fetchone()
    return int(counted[0]) if counted else 0


def _written(connection: duckdb.DuckDBPyConnection, source: str, table: str, info: LoadInfo) -> int:
    """How many rows of raw this load wrote, tombstones too."""
    query = f'select count(*) from "{source}"."{table}" where {LOAD_ID} in (select unnest(?))'
    counted = connection.execute(query, [list(info.loads_ids)]).fetchone()
    return int(counted[0]) if counted else 0
