"""One load of a source from its log: what is read anew, what is followed, and from where.

state of each table + slot + catalog -> snapshot or changes -> rows and tombstones for dlt

Chosen rows are read as of a snapshot too, and with them all changes up to it: raw is never ahead of
the log with some of its keys.

``note`` where it will bring raw before its rows are loaded, ``confirm`` it after the load is
durable, and ``close`` it.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import dlt
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from dlt.extract import DltResource

from ingestion.batch import DELETED_AT, KEYS_ARE_UNIQUE, Batch, Key, Vanished, current_load_id
from ingestion.databases import open_engine
from ingestion.errors import CaptureRefused
from ingestion.log_capture.changes import MAX_CHANGES, ChangeReader, Progress
from ingestion.log_capture.first_snapshot import snapshot_rows
from ingestion.log_capture.fold import Fold
from ingestion.log_capture.new_slot import SlotWait, exported_snapshot
from ingestion.log_capture.plan import Plan, make_plan
from ingestion.log_capture.positions import Held, Noted, held_positions, note_positions
from ingestion.log_capture.publication import Captured, ensure_publication
from ingestion.log_capture.slot import (
    Live,
    advance_slot,
    flushed_lsn,
    open_connection,
)
from ingestion.log_capture.spool import GONE_AT, TableSpool
from ingestion.names import raw_name
from ingestion.postgres_arrow import UNFIT, without_unfit
from ingestion.postgres_types import PgColumn, hints
from ingestion.quarantine import setting_aside
from ingestion.row_model import RowModel
from ingestion.spec import SqlDatabaseSource

QUIET_BYTES = 16 * 1024 * 1024
"""A load with no change moves the slot only past a whole segment of the log: the server keeps the
log by segments, and a warm loop would write its position into the warehouse every second."""

_ALL_CHANGES = 2**31 - 1
"""Chosen rows come with every change before them; those are spooled to disk, however many."""

_INSTANT = pa.timestamp("us", tz="UTC")


class LogCapture:
    """The capture of one source for one load."""

    def __init__(
        self,
        spec: SqlDatabaseSource,
        url: str,
        batch: Batch,
        home: Path,
        *,
        tables: list[str] | None = None,
        most: int = MAX_CHANGES,
        told: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.slot = spec.slot or f"grounded_{batch.source}"
        self.publication = spec.publication or f"grounded_{batch.source}"
        self._spec, self._url, self._batch, self._home = spec, url, batch, home
        chosen = batch.selection or spec.tables
        self._names = [
            name for name in spec.tables if name in chosen and (tables is None or name in tables)
        ]
        self.fresh: set[str] = set()
        self._most = _ALL_CHANGES if batch.selection else most
        self._wait = SlotWait(url, told)
        self._stack = ExitStack()
        self._folder = home / "dlt" / f"{batch.source}.spool"
        self._connection: Live | None = None
        self._plan: Plan | None = None
        self._captured: dict[str, Captured] = {}
        self._spools: dict[str, TableSpool] = {}
        self._held: dict[str, Held] = {}
        self._positions: dict[str, int] = {}
        self._snapshot = ""
        self._load_id = ""
        self._confirmed: int | None = None

    def resources(self) -> list[DltResource]:
        """Return one dlt resource a table; nothing is read before they are."""
        return [self._resource(name) for name in self._names]

    def close(self) -> None:
        """Let go of connections and spooled rows."""
        self._stack.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def note(self, warehouse: Path) -> None:
        """Write where this load will bring each table; the writer's lock is held."""
        if self._positions:
            noted = {name: self._noted(name) for name in self._positions}
            note_positions(warehouse, self._batch.source, noted)

    def confirm(self) -> None:
        """Let the server forget what is durable here; a failure is an alarm, not a lost load."""
        if self._confirmed is None:
            return
        try:
            self._advance(self._confirmed)
        except (psycopg.Error, CaptureRefused):
            self._batch.alarms.append(
                f"the load is complete, but slot {self.slot} could not be moved; the next load "
                "tries again, and the server keeps its log until then"
            )

    def _advance(self, lsn: int) -> None:
        """Move the slot by the connection that read the log, or by another where it was cut."""
        if self._connection is not None:
            with suppress(psycopg.OperationalError):
                advance_slot(self._connection, self.slot, lsn)
                return
        with open_connection(self._url) as live:
            advance_slot(live, self.slot, lsn)

    def _resource(self, name: str) -> DltResource:
        def read() -> Iterator[Any]:
            plan = self._begin()
            rows = self._snapshot_of(name) if name in plan.snapshots else self._changes_of(name)
            yield from rows

        return dlt.resource(
            read,
            name=name,
            write_disposition="merge",
            primary_key=self._spec.tables[name].primary_key,
            max_table_nesting=0,
        )

    def _begin(self) -> Plan:
        """Decide and read the log, once for all tables, when the first of them is asked for."""
        if self._plan is not None:
            return self._plan
        shutil.rmtree(self._folder, ignore_errors=True)
        live = self._connection = self._stack.enter_context(open_connection(self._url))
        captured = ensure_publication(live, self.publication, self._spec)
        self._captured = {table.name: table for table in captured}
        self._load_id = current_load_id()
        there = held_positions(self._home, self._batch.source)
        held = self._held = {
            name: Held() if self._is_anew(name) else there.get(name, Held())
            for name in self._spec.tables
        }
        plan = make_plan(live, self.slot, self._captured, held, self._names, self._wait)
        self._batch.alarms += plan.alarms
        if plan.snapshots or self._batch.selection:
            position, self._snapshot = self._stack.enter_context(
                exported_snapshot(self.slot, self._wait)
            )
        else:
            position = flushed_lsn(live)
        reader = ChangeReader(live, self._folder)
        for name in plan.followed:
            self._spools[name] = reader.follow(self._captured[name], held[name].lsn)
        progress = Progress(position, is_drained=True)
        if plan.followed:
            progress = reader.read(self.slot, self.publication, position, self._most)
        self._note(plan, held, position, progress)
        self._plan = plan
        return plan

    def _is_anew(self, name: str) -> bool:
        return name in self._batch.anew or self._batch.reads_all(name)

    def _note(
        self, plan: Plan, held: Mapping[str, Held], position: int, progress: Progress
    ) -> None:
        """Say how far each table now is, and so how far the slot may move."""
        changed = any(spool.changes for spool in self._spools.values())
        behind = min((held[name].lsn for name in plan.followed), default=position)
        is_quiet = progress.is_drained and not (changed or self._snapshot)
        if is_quiet and position - behind < QUIET_BYTES:
            return
        self._positions = dict.fromkeys(plan.snapshots, position)
        self._positions |= dict.fromkeys(plan.followed, progress.lsn)
        after = {name: table.lsn for name, table in held.items() if table.lsn} | self._positions
        self._confirmed = min(after.values())
        if progress.is_drained:
            return
        for name in plan.followed:
            self._batch.unfinished.add(name)
            if progress.committed_at is not None:
                # The server's clock may be ahead of ours, against which an age is measured.
                until = min(progress.committed_at, self._batch.started_at)
                self._batch.watermarks[name] = until

    def _noted(self, name: str) -> Noted:
        table, before = self._captured[name], self._held[name]
        is_new = self._plan is not None and name in self._plan.snapshots
        shape = table.shape if is_new else before.shape
        aside = {row.row_key for row in self._batch.quarantined if row.table_name == name}
        return Noted(
            Held(self._positions[name], table.origin, shape, self._load_id),
            before=before.load_id,
            is_straight=name in self.fresh,
            aside=len(aside),
        )

    def _snapshot_of(self, name: str) -> Iterator[Any]:
        table = self._captured[name]
        seen: list[Path] = []
        folder = self._folder / f"{name}.seen"
        folder.mkdir(parents=True, exist_ok=True)
        with_hints = _Hints(table.columns, keys_are_unique=False)
        engine = open_engine(self._url)
        for rows in snapshot_rows(engine, table, self._snapshot):
            self._batch.read[name] += rows.num_rows
            if name in self._batch.selection:
                self._batch.see(name, rows.select(table.key))
            if name not in self.fresh:
                seen.append(folder / f"{len(seen):06d}.parquet")
                pq.write_table(rows.select(table.key), seen[-1])
            yield with_hints(self._live(name, rows))
        self._batch.whole.add(name)
        self._batch.findings[name] = Vanished(new=0, gone=0)
        if name not in self.fresh:
            yield from self._vanished(name, seen)

    def _vanished(self, name: str, seen: list[Path]) -> Iterator[Any]:
        table = self._captured[name]
        spool = TableSpool(self._folder / name, table.key, lambda column, values: values)
        fold = self._fold(name, spool)
        gone = 0
        try:
            for keys in fold.vanished(seen):
                gone += keys.num_rows
                empty = {
                    column.name: pa.nulls(keys.num_rows, column.arrow) for column in table.columns
                }
                arrays = empty | {key: keys[key] for key in table.key}
                instants = pa.repeat(pa.scalar(self._batch.started_at, _INSTANT), keys.num_rows)
                yield self._dead(pa.table(arrays).append_column(GONE_AT, instants))
        finally:
            fold.close()
        self._batch.findings[name] = Vanished(new=0, gone=gone)

    def _changes_of(self, name: str) -> Iterator[Any]:
        selection = self._batch.selection.get(name)
        if selection is None:
            self._batch.folded.add(name)
            yield from self._folded(name)
        elif selection.keys is not None:
            yield from self._folded(name, without=selection.keys)
            yield from self._chosen(name, selection.keys)

    def _chosen(self, name: str, keys: tuple[Key, ...]) -> Iterator[Any]:
        """Chosen rows as they were at the position to which all other rows are brought."""
        table = self._captured[name]
        with_hints = _Hints(table.columns, keys_are_unique=False)
        for rows in snapshot_rows(open_engine(self._url), table, self._snapshot, keys):
            self._batch.read[name] += rows.num_rows
            self._batch.see(name, rows.select(table.key))
            yield with_hints(self._live(name, rows))

    def _folded(self, name: str, without: tuple[Key, ...] = ()) -> Iterator[Any]:
        spool = self._spools[name]
        if not spool.changes:
            return
        with_hints = _Hints(list(spool.columns.values()), keys_are_unique=not without)
        fold = self._fold(name, spool)
        try:
            for rows in fold.rows(without):
                self._batch.read[name] += rows.num_rows
                is_live = pc.is_null(rows[GONE_AT])
                yield with_hints(self._live(name, rows.filter(is_live).drop_columns([GONE_AT])))
                yield self._dead(rows.filter(pc.invert(is_live)))
        finally:
            fold.close()

    def _fold(self, name: str, spool: TableSpool) -> Fold:
        return Fold(spool, self._home, self._batch.source, name)

    def _live(self, name: str, rows: pa.Table) -> pa.Table:
        declared = self._spec.tables[name]
        model = RowModel(declared.row, declared.primary_key)
        set_aside = setting_aside(self._batch, name)
        fit = without_unfit(rows, declared.primary_key, set_aside)
        return self._batch.stamp(model.filter_arrow(fit, set_aside))

    def _dead(self, rows: pa.Table) -> pa.Table:
        """Tombstones: a key, when it was deleted, and nothing else of the row."""
        gone_at = rows[GONE_AT]
        plain = rows.drop_columns([name for name in (GONE_AT, UNFIT) if name in rows.column_names])
        stamped = self._batch.stamp(plain)
        place = stamped.column_names.index(DELETED_AT)
        return stamped.set_column(place, DELETED_AT, gone_at.cast(_INSTANT))


class _Hints:
    """Tells dlt, with a table's first rows, what their Arrow types do not say."""

    def __init__(self, columns: list[PgColumn], *, keys_are_unique: bool) -> None:
        self._is_first = True
        self._table = {KEYS_ARE_UNIQUE: keys_are_unique}
        self._columns: Any = {
            raw_name(name): {**hint, "name": raw_name(name)}
            for name, hint in hints(columns).items()
        }

    def __call__(self, rows: pa.Table) -> Any:
        if not self._is_first:
            return rows
        self._is_first = False
        told = dlt.mark.make_hints(
            columns=self._columns or None, additional_table_hints=dict(self._table)
        )
        return dlt.mark.with_hints(rows, told)
