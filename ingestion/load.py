"""Loads one source: extract and normalise without the warehouse, then load under its lock.

source -> dlt extract -> dlt normalise -> [lock] dlt load -> watermarks -> LoadReport

dlt's working folder is disposable. What was committed, cursors included, lies in the warehouse;
after a load that did not end well the folder is thrown away and restored from there, so that a
half-written package can neither be loaded twice nor stop later loads.
"""

import logging
import shutil
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dlt
import duckdb
from dlt.common.storages import LoadStorage
from dlt.extract import DltResource
from filelock import FileLock

from ingestion.batch import KEYS_ARE_UNIQUE, Batch, Selection
from ingestion.connection import Connection, connect
from ingestion.destination import WarehouseDestination
from ingestion.erasure.withhold import withholding
from ingestion.errors import RawTableLost
from ingestion.failures import forget_failure, note_failure
from ingestion.faults import explain
from ingestion.files import file_resources
from ingestion.first_load import fresh_tables, load_straight
from ingestion.known_hints import ask_once
from ingestion.log_capture import LogCapture
from ingestion.lost_tables import (
    forget_shape,
    let_make_again,
    loaded_tables,
    look_for_lost,
    refuse_lost,
)
from ingestion.plain_parquet import write_plainly
from ingestion.quarantine import awaited, quarantine_resource
from ingestion.report import LoadReport
from ingestion.rest_api import rest_resources
from ingestion.rounds import in_rounds
from ingestion.settle import count_loads, settle
from ingestion.spec import (
    FilesSource,
    RestApiSource,
    SourceSpec,
    SqlDatabaseSource,
)
from ingestion.sql_database import sql_resources
from ingestion.status import still_served
from ingestion.unchanged import UNCHANGED_STAY, brings_unchanged
from ingestion.vanished import vanished_resources
from ingestion.warehouse import tables_of, warehouse_path, writing

_CONTRACT = {"tables": "evolve", "columns": "evolve", "data_type": "freeze"}

FOLDED_MB, FOLDED_COLUMN_MB = 512, 1
"""Where each key comes once, a merge is two statements that spill: 3,000,000 rows of 1.2 GB pass
under this limit, and one row of 1,600 columns under what each of these adds, as DuckDB holds two
blocks of 256 kB for it. Where a merge has to choose a row of each key it may fail below what they
take, so that there DuckDB's own limit applies, most of the machine."""

OnProgress = Callable[[str], None]


def load_source(
    name: str,
    spec: SourceSpec,
    home: Path,
    *,
    tables: list[str] | None = None,
    selection: Mapping[str, Selection] | None = None,
    anew: Collection[str] = (),
    on_progress: OnProgress | None = None,
) -> LoadReport:
    """Bring a source's new and changed rows into raw; run twice at once, the second waits.

    ``tables`` loads those alone; ``selection`` reads chosen rows of its tables, wherever their
    cursors are, and moves no watermark; tables ``anew`` are read from the start, and rows that
    their source no longer has become tombstones, as happens by itself to a raw table that was
    dropped. Raises SourceFailed, MissingSecret or WarehouseBusy; then raw is as it was, or holds
    whole tables that the next load brings again.
    """
    told = on_progress or (lambda message: None)
    connection = connect(name, spec, home)
    folder = home / "dlt"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{name}.lock"):
        try:
            report = in_rounds(
                lambda names: _load_whole(
                    _Job(name, spec, connection, home, names, selection or {}, told), anew
                ),
                tables,
                told,
            )
        except Exception as error:  # noqa: BLE001
            told_as = explain(name, connection.url, error, still_served(home, name))
            # Half a load is a copy of raw rows outside the warehouse.
            shutil.rmtree(folder / name, ignore_errors=True)
            failure = note_failure(home, name, told_as.reason)
            # Not chained: the orchestrator stores the texts of a whole chain, see faults.py.
            raise told_as.lasting(failure.duration) from None
        forget_failure(home, name)
        return report


@dataclass(frozen=True)
class _Job:
    """What one load is asked for."""

    name: str
    spec: SourceSpec
    connection: Connection
    home: Path
    tables: list[str] | None
    selection: Mapping[str, Selection]
    told: OnProgress


def _load_whole(job: _Job, anew: Collection[str]) -> LoadReport:
    """Load; where raw has lost tables, bring them back first."""
    try:
        return _load(job, frozenset(anew))
    except RawTableLost as error:
        lost = error.tables
    listed = ", ".join(lost)
    job.told(f"raw has lost {listed}: reading from the start")
    _load(replace(job, tables=lost, selection={}), frozenset(lost), is_lost=True)
    report = _load(job, frozenset(anew) - set(lost))
    alarm = f"raw had lost {listed}, so every row was read anew"
    return report.model_copy(update={"alarms": [alarm, *report.alarms]})


def _load(job: _Job, anew: frozenset[str], *, is_lost: bool = False) -> LoadReport:
    name, spec, connection, home = job.name, job.spec, job.connection, job.home
    tables, selection, told = job.tables, job.selection, job.told
    batch = Batch(
        source=name,
        started_at=datetime.now(UTC),
        selection=selection,
        anew=anew,
        erased=withholding(home, name),
    )
    pipeline = _pipeline(name, home, told)
    if is_lost and pipeline.schema_names:
        forget_shape(pipeline, anew)
    # Each look at dlt's schema reads it anew.
    shape = pipeline.default_schema.tables if pipeline.schema_names else {}
    loaded = loaded_tables(shape).intersection(spec.tables if tables is None else tables)
    look_for_lost(home, name, loaded)
    with ExitStack() as stack:
        capture = _capture(job, batch)
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
        fresh = set() if is_lost else fresh_tables(spec, connection.url.get_secret_value(), shape)
        if capture is not None:
            capture.fresh = fresh
        report = _moved(job, batch, pipeline, resources, fresh, loaded)
        if capture is not None:
            capture.confirm()
    return report.model_copy(update={"alarms": batch.alarms})


def _moved(
    job: _Job,
    batch: Batch,
    pipeline: dlt.Pipeline,
    resources: list[DltResource],
    fresh: set[str],
    loaded: set[str],
) -> LoadReport:
    """Extract and normalise without the warehouse, then load under its lock."""
    spec, home, told = job.spec, job.home, job.told
    names = [resource.name for resource in resources]
    closing = [*vanished_resources(spec, batch, home, names), quarantine_resource(batch)]
    for resource in (*resources, *closing):
        # What log capture says of its rows would stay with the table.
        resource.apply_hints(
            additional_table_hints={
                KEYS_ARE_UNIQUE: False,
                UNCHANGED_STAY: brings_unchanged(spec),
            }
        )
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
    with ExitStack() as stack:
        warehouse = stack.enter_context(writing(home, on_wait=told))
        held = stack.enter_context(duckdb.connect(str(warehouse)))
        if batch.folded.issuperset(names):
            held.execute(f"set global memory_limit = '{_folded_mb(pipeline, names)}MB'")
            stack.callback(_let_use_all_memory, held)
        existing = tables_of(held, batch.source)
        refuse_lost(batch.source, loaded.intersection(names), existing)
        loads_before = count_loads(held, batch.source, existing)
        if brings_unchanged(spec):
            destination: Any = pipeline.destination
            destination.awaited = awaited(held, spec, batch.source, existing)
        if batch.anew - loaded:
            let_make_again(held, batch.source, pipeline)
        told("loading")
        if batch.note is not None:
            batch.note(warehouse)
        info = pipeline.load()
        info.raise_on_failed_jobs()
        report = settle(held, spec, batch, names, info, loads_before)
    _forget_packages(pipeline)
    _unfinished(home, batch.source).unlink()
    return report


def _forget_packages(pipeline: dlt.Pipeline) -> None:
    """Delete what dlt keeps of each load: 76 kB in 14 files and folders, each second of a follower.

    What is to be known of a load stands in the warehouse.
    """
    for package in Path(pipeline.working_dir, "load", LoadStorage.LOADED_FOLDER).iterdir():
        shutil.rmtree(package)


def _let_use_all_memory(held: duckdb.DuckDBPyConnection) -> None:
    """Take the limit back, as the engine may stay for other steps.

    One that cannot is broken, and what broke it is being raised.
    """
    with suppress(duckdb.Error):
        held.execute("reset global memory_limit")


def _folded_mb(pipeline: dlt.Pipeline, names: list[str]) -> int:
    tables = pipeline.default_schema.tables
    widest = max((len(tables[name]["columns"]) for name in names if name in tables), default=0)
    return FOLDED_MB + widest * FOLDED_COLUMN_MB


def _unfinished(home: Path, name: str) -> Path:
    """The file that is there while a load has not ended well."""
    return home / "dlt" / f"{name}.unfinished"


def _pipeline(name: str, home: Path, told: OnProgress) -> dlt.Pipeline:
    working, unfinished = home / "dlt" / name, _unfinished(home, name)
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
    ask_once()
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


def _capture(job: _Job, batch: Batch) -> LogCapture | None:
    """The capture of a source's log, where it is captured from that."""
    spec, url = job.spec, job.connection.url.get_secret_value()
    if not isinstance(spec, SqlDatabaseSource) or spec.capture == "cursor":
        return None
    return LogCapture(spec, url, batch, job.home, tables=job.tables, told=job.told)


def _resources(
    spec: SourceSpec, connection: Connection, batch: Batch, home: Path, told: OnProgress
) -> list[DltResource]:
    if isinstance(spec, RestApiSource):
        return rest_resources(spec, connection, batch, home, told)
    if isinstance(spec, FilesSource):
        return file_resources(spec, connection, batch, home)
    return sql_resources(spec, connection, batch)
