"""Loads one source: extract and normalise without the warehouse, then load under its lock.

source -> dlt extract -> dlt normalise -> [lock] dlt load -> watermarks -> LoadReport

dlt's working folder is disposable. What was committed, cursors included, lies in the warehouse;
after a load that did not end well the folder is thrown away and restored from there, so that a
half-written package can neither be loaded twice nor stop later loads.
"""

import logging
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import dlt
import duckdb
from dlt.common.pipeline import LoadInfo
from dlt.extract import DltResource
from filelock import FileLock

from ingestion.batch import DELETED_AT, WATERMARKS, Batch, Selection
from ingestion.connection import Connection, connect
from ingestion.destination import WarehouseDestination
from ingestion.erasure.sweep import sweep
from ingestion.erasure.withhold import withholding
from ingestion.faults import explain
from ingestion.files import file_resources
from ingestion.first_load import fresh_tables, load_straight
from ingestion.log_capture import LogCapture
from ingestion.plain_parquet import write_plainly
from ingestion.quarantine import quarantine_resource, release_healthy
from ingestion.report import LoadReport, TableReport
from ingestion.rest_api import rest_resources
from ingestion.rounds import in_rounds
from ingestion.spec import (
    FilesSource,
    FileTableSpec,
    RestApiSource,
    RestTableSpec,
    SourceSpec,
    SqlDatabaseSource,
    SqlTableSpec,
)
from ingestion.sql_database import sql_resources
from ingestion.status import failure_file, still_served
from ingestion.vanished import vanished_resources
from ingestion.warehouse import warehouse_path, writing

_CONTRACT = {"tables": "evolve", "columns": "evolve", "data_type": "freeze"}

OnProgress = Callable[[str], None]


def load_source(
    name: str,
    spec: SourceSpec,
    home: Path,
    *,
    tables: list[str] | None = None,
    selection: Mapping[str, Selection] | None = None,
    on_progress: OnProgress | None = None,
) -> LoadReport:
    """Bring a source's new and changed rows into raw; run twice at once, the second waits.

    ``tables`` loads those alone; ``selection`` reads chosen rows of its tables, wherever their
    cursors are, and moves no watermark. Raises SourceFailed, MissingSecret or WarehouseBusy; then
    raw is as it was, or holds whole tables that the next load brings again.
    """
    told = on_progress or (lambda message: None)
    connection = connect(name, spec, home)
    folder = home / "dlt"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{name}.lock"):
        failure = failure_file(home, name)
        try:
            report = in_rounds(
                lambda names: _load(name, spec, connection, home, names, selection or {}, told),
                tables,
                told,
            )
        except Exception as error:  # noqa: BLE001
            told_as = explain(name, connection.url, error, still_served(home, name))
            instant = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
            failure.write_text(f"{instant}: {told_as.reason}", encoding="utf-8")
            # Half a load is a copy of raw rows outside the warehouse.
            shutil.rmtree(folder / name, ignore_errors=True)
            # Not chained: the orchestrator stores the texts of a whole chain, see faults.py.
            raise told_as from None
        failure.unlink(missing_ok=True)
        return report


def _load(
    name: str,
    spec: SourceSpec,
    connection: Connection,
    home: Path,
    tables: list[str] | None,
    selection: Mapping[str, Selection],
    told: OnProgress,
) -> LoadReport:
    began = time.monotonic()
    batch = Batch(
        source=name,
        started_at=datetime.now(UTC),
        selection=selection,
        erased=withholding(home, name),
    )
    unfinished = home / "dlt" / f"{name}.unfinished"
    pipeline = _pipeline(name, home, unfinished, told)
    with ExitStack() as stack:
        capture = _capture(spec, connection, batch, home, tables)
        if capture is not None:
            stack.callback(capture.close)
            batch.note = capture.note
        found = capture.resources() if capture else _resources(spec, connection, batch, home, told)
        resources = [
            resource
            for resource in found
            if (tables is None or resource.name in tables)
            and (not selection or resource.name in selection)
        ]
        fresh = fresh_tables(spec, connection.url.get_secret_value(), pipeline)
        if capture is not None:
            capture.fresh = fresh
        report = _moved(spec, batch, home, pipeline, resources, fresh, unfinished, told, began)
        if capture is not None:
            capture.confirm()
    return report.model_copy(update={"alarms": batch.alarms})


def _moved(
    spec: SourceSpec,
    batch: Batch,
    home: Path,
    pipeline: dlt.Pipeline,
    resources: list[DltResource],
    fresh: set[str],
    unfinished: Path,
    told: OnProgress,
    began: float,
) -> LoadReport:
    """Extract and normalise without the warehouse, then load under its lock."""
    names = [resource.name for resource in resources]
    closing = [*vanished_resources(spec, batch, home, names), quarantine_resource(batch)]
    load_straight([*resources, *closing], fresh)
    if batch.erased is not None:
        batch.erased.apply([*resources, *closing])
    source = dlt.source(lambda: [*resources, *closing], name=batch.source)()
    source.schema.set_schema_contract(_CONTRACT)  # type: ignore[arg-type]

    told("extracting")
    pipeline.extract(source)
    told(f"normalising {sum(batch.read.values()):,} rows")
    pipeline.normalize()
    # One connection throughout, or each of dlt's would open the file anew.
    with writing(home, on_wait=told) as warehouse, duckdb.connect(str(warehouse)):
        told("loading")
        if batch.note is not None:
            batch.note(warehouse)
        info = pipeline.load()
        info.raise_on_failed_jobs()
        report = _settle(warehouse, spec, batch, names, info, began)
    unfinished.unlink()
    return report


def _pipeline(name: str, home: Path, unfinished: Path, told: OnProgress) -> dlt.Pipeline:
    working = home / "dlt" / name
    if unfinished.exists():
        told("the last load did not end; going on from what the warehouse holds")
        shutil.rmtree(working, ignore_errors=True)
    # From here on: a folder that died before it was restored looks like that of a first load, which
    # replaces what raw has.
    unfinished.touch()
    is_new = not working.exists()
    dlt.config["runtime.dlthub_telemetry"] = False
    # Loaded files are copies of raw rows outside the warehouse, where nothing would erase them.
    dlt.config["load.delete_completed_jobs"] = True
    write_plainly()
    # By default dlt takes a page of each resource in turn, and so would ask for what was set aside
    # or has vanished before the readers are done.
    dlt.config["extract.next_item_mode"] = "fifo"
    pipeline = dlt.pipeline(
        pipeline_name=name,
        pipelines_dir=str(home / "dlt"),
        destination=WarehouseDestination(str(warehouse_path(home))),
        dataset_name=name,
    )
    # dlt's warnings quote values and schemas; what matters is raised.
    logging.getLogger("dlt").setLevel(logging.CRITICAL)
    if is_new and warehouse_path(home).exists():
        with writing(home, on_wait=told):
            pipeline.sync_destination()
    return pipeline


def _capture(
    spec: SourceSpec, connection: Connection, batch: Batch, home: Path, tables: list[str] | None
) -> LogCapture | None:
    """The capture of a source's log; chosen rows are read from the tables themselves."""
    if not isinstance(spec, SqlDatabaseSource) or spec.capture == "cursor" or batch.selection:
        return None
    return LogCapture(spec, connection.url.get_secret_value(), batch, home, tables=tables)


def _resources(
    spec: SourceSpec, connection: Connection, batch: Batch, home: Path, told: OnProgress
) -> list[DltResource]:
    if isinstance(spec, RestApiSource):
        return rest_resources(spec, connection, batch, home, told)
    if isinstance(spec, FilesSource):
        return file_resources(spec, connection, batch, home)
    return sql_resources(spec, connection, batch)


def _settle(
    warehouse: Path,
    spec: SourceSpec,
    batch: Batch,
    tables: list[str],
    info: LoadInfo,
    began: float,
) -> LoadReport:
    """Write the watermarks, only now that all rows are durable, and count what is there."""
    with duckdb.connect(str(warehouse)) as connection:
        watermarks = f'"{batch.source}"."{WATERMARKS}"'
        connection.execute(
            f"create table if not exists {watermarks} "
            "(table_name varchar primary key, watermark timestamptz not null)"
        )
        existing = _tables(connection, batch.source)
        partial = batch.unfinished - batch.watermarks.keys()
        for table in set(tables) - set(batch.selection) - partial:
            connection.execute(
                f"insert or replace into {watermarks} values (?, ?)",
                [table, batch.watermarks.get(table, batch.started_at)],
            )
        rows = {table: _count(connection, batch.source, table, existing) for table in tables}
        aside = release_healthy(connection, spec, batch, existing)
        if batch.erased is not None and batch.erased.is_wider:
            sweep(connection, batch.erased)
    return LoadReport(
        source=batch.source,
        load_ids=list(info.loads_ids),
        tables={
            table: _report(table, spec.tables[table], batch, rows[table], aside[table])
            for table in tables
        },
        seconds=time.monotonic() - began,
        http=batch.http() if batch.http is not None else None,
        unfinished=sorted(batch.unfinished),
    )


def _report(
    table: str,
    declared: SqlTableSpec | RestTableSpec | FileTableSpec,
    batch: Batch,
    rows: int,
    aside: int,
) -> TableReport:
    gone = batch.findings.get(table)
    return TableReport(
        rows=rows,
        read=batch.read[table],
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


def _tables(connection: duckdb.DuckDBPyConnection, schema: str) -> set[str]:
    found = connection.execute(
        "select table_name from information_schema.tables where table_schema = ?", [schema]
    ).fetchall()
    return {row[0] for row in found}


def _count(
    connection: duckdb.DuckDBPyConnection, schema: str, table: str, existing: set[str]
) -> int:
    if table not in existing:
        return 0
    query = f'select count(*) from "{schema}"."{table}" where {DELETED_AT} is null'
    counted = connection.execute(query).fetchone()
    return int(counted[0]) if counted else 0
