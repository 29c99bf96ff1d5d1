"""Folds the changes of one table into the last state of each key, with bounded memory.

spooled changes + what raw holds -> DuckDB, spilling to disk -> one row a key, as Arrow
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import duckdb
import pyarrow as pa

from ingestion.batch import DELETED_AT, QUARANTINE, Key
from ingestion.log_capture.spool import CAME_FROM, GONE_AT, LEFT_ALONE, SEQUENCE, TableSpool
from ingestion.names import raw_name
from ingestion.postgres_arrow import UNFIT
from ingestion.regroup import regrouped
from ingestion.warehouse import warehouse_path, writing

BATCH_ROWS = 8_192
MEMORY = "1GB"
# What needs no place to spill to, whatever a fold makes of it. In the log: Parquet files of values
# that repeat are a hundredth of what an engine makes of them.
_SMALL_BYTES = 8 * 1024 * 1024


class Fold:
    """A private DuckDB over a table's spool; ``close`` it.

    All that it makes is temporary, and so of its connection alone.
    """

    def __init__(self, spool: TableSpool, home: Path, source: str, table: str) -> None:
        self._spool = spool
        self._home = home
        self._raw = f"{_quoted(source)}.{_quoted(table)}"
        self._schema, self._table = source, table
        self._key = spool.key
        self._folder = tempfile.TemporaryDirectory(dir=spool.folder)
        self._db = _kept_engine().cursor() if _is_small(spool) else _engine(self._folder.name)
        self._db.execute("set TimeZone = 'UTC'")

    def close(self) -> None:
        """Let go of memory and files."""
        self._db.close()
        self._folder.cleanup()

    def rows(self, without: Sequence[Key] = ()) -> Iterator[pa.Table]:
        """Yield the last state of each changed key; GONE_AT is set for those that are gone.

        Keys ``without``, given as texts, are left out.
        """
        self._read_changes()
        self._db.execute(
            f"create temp table final as select max({SEQUENCE}) as final from changes "
            f"group by {self._keys()}"
        )
        if without:
            self._leave_out(without)
        values = self._values()
        yield from self._batches(
            f"select {values} from changes where {SEQUENCE} in (select final from final)"
        )

    def vanished(self, seen: list[Path]) -> Iterator[pa.Table]:
        """Yield the keys that raw holds as live and that are in none of the files ``seen``."""
        if not self._read_live_keys():
            return
        same = " and ".join(f"live.{name} = seen.{name}" for name in map(_quoted, self._key))
        missing = f"where not exists (from seen where {same})" if seen else ""
        if seen:
            self._db.execute(f"create temp view seen as from read_parquet({_listed(seen)})")
        yield from self._batches(f"select {self._keys()} from live {missing}")

    def _leave_out(self, keys: Sequence[Key]) -> None:
        texts = {f"t{i}": pa.array([key[i] for key in keys]) for i in range(len(self._key))}
        self._db.register("chosen", pa.table(texts))
        kinds = {name: _duck(self._spool.columns[name].arrow) for name in self._key}
        same = " and ".join(
            f"c.{_quoted(name)} = try_cast(t{index} as {kinds[name]})"
            for index, name in enumerate(self._key)
        )
        self._db.execute(
            f"delete from final where final in (select c.{SEQUENCE} from changes c "
            f"join chosen on {same})"
        )

    def _batches(self, query: str) -> Iterator[pa.Table]:
        reader = self._db.execute(query).to_arrow_reader(BATCH_ROWS)
        yield from regrouped(pa.Table.from_batches([batch]) for batch in reader)

    def _keys(self, prefix: str = "") -> str:
        return ", ".join(f"{prefix}{_quoted(name)}" for name in self._key)

    def _read_changes(self) -> None:
        spool = self._spool
        spooled = f"read_parquet({_listed(spool.files)}, union_by_name = true)"
        if spool.truncated is None:
            self._db.execute(f"create temp view changes as from {spooled}")
            return
        sequence, at = spool.truncated
        ours = spool.columns
        columns = ", ".join(f"null::{_duck(ours[name].arrow)} as {_quoted(name)}" for name in ours)
        self._db.execute(
            f"create temp view base as from (select {columns}, null::bigint as {SEQUENCE}, "
            f"null::timestamptz as {GONE_AT}, null::varchar[] as {LEFT_ALONE}) where false"
        )
        sources = [f"select {self._keys()} from live"] if self._read_live_keys() else []
        after = ""
        if spool.files:
            sources.append(f"select {self._keys()} from {spooled} where {SEQUENCE} < {sequence}")
            after = f"union all by name select * from {spooled} where {SEQUENCE} > {sequence}"
        dead = " union ".join(sources) or f"select {self._keys()} from base"
        self._db.execute(
            f"create temp table changes as from base union all by name select *, "
            f"-row_number() over () as {SEQUENCE}, $at::timestamptz as {GONE_AT} "
            f"from ({dead}) {after}",
            {"at": at},
        )

    def _values(self) -> str:
        """The columns to select; what an update left alone comes from before it."""
        alone = sorted(self._spool.left_alone)
        resolved = [self._resolve(name) for name in alone]
        hidden, reasons = self._hidden(), [self._unknown(name) for name in alone]
        if reasons and self._has(UNFIT):
            hidden.append(UNFIT)
            reasons.insert(0, UNFIT)
        replaced = f" replace ({', '.join(resolved)})" if resolved else ""
        told = f", coalesce({', '.join(reasons)}) as {UNFIT}" if reasons else ""
        return f"* exclude ({', '.join(hidden)}){replaced}{told}"

    def _unknown(self, name: str) -> str:
        """Why a row is set aside rather than loaded with a NULL that its source does not have."""
        known = _quoted(f"value {name}")
        reason = _text(f"{name}: unchanged, and neither the log nor raw has it")
        return (
            f"case when list_contains({LEFT_ALONE}, {_text(name)}) "
            f"and {SEQUENCE} not in (select final from {known}) then {reason} end"
        )

    def _hidden(self) -> list[str]:
        hidden = [SEQUENCE, LEFT_ALONE]
        if self._moves:
            hidden += [f"{CAME_FROM}{index}" for index in range(len(self._key))]
        return hidden

    def _resolve(self, name: str) -> str:
        """Find where each unchanged value was last written; return the expression that reads it.

        ``found`` maps a final change to the change that holds its value; where none in the log
        does, to the key under which raw has it.
        """
        column = _quoted(name)
        found, value = _quoted(f"found {name}"), _quoted(f"value {name}")
        self._db.execute(self._carried(name))
        self._db.execute(
            f"create temp table {found} as select {SEQUENCE} as final, {self._places()}, written "
            "from carried "
            f"where {SEQUENCE} in (select final from final) "
            f"and list_contains({LEFT_ALONE}, {_text(name)})"
        )
        while self._one(f"select count(*) from {found} where written < 0"):
            self._step_back(found)
        self._db.execute(
            f"create temp table {value} as select f.final, c.{column} as value from {found} f "
            f"join changes c on c.{SEQUENCE} = f.written"
        )
        self._add_from_raw(name, found, value)
        self._db.execute("drop table carried")
        return (
            f"case when list_contains({LEFT_ALONE}, {_text(name)}) "
            f"then (select any_value(value) from {value} where final = {SEQUENCE}) "
            f"else {column} end as {column}"
        )

    def _carried(self, name: str) -> str:
        """For each change, the number of the change that wrote the value it has.

        Negative: the number of an update that changed the key and left the value alone. Null: no
        change in the log wrote it.
        """
        alone = f"coalesce(list_contains({LEFT_ALONE}, {_text(name)}), false)"
        keys, own = self._keys(), self._own_keys()
        moved = f"when {CAME_FROM}0 is not null then -{SEQUENCE}" if self._moves else ""
        origin = (
            ", ".join(f"{CAME_FROM}{index} as o{index}" for index in range(len(self._key)))
            if self._moves
            else ", ".join(f"null as o{index}" for index in range(len(self._key)))
        )
        return (
            f"create temp table carried as select {SEQUENCE}, {LEFT_ALONE}, {own}, {origin}, "
            f"last_value(case when not {alone} then {SEQUENCE} {moved} end ignore nulls) over ("
            f"partition by {keys} order by {SEQUENCE} "
            "rows between unbounded preceding and current row) as written from changes"
        )

    @property
    def _moves(self) -> bool:
        return self._has(f"{CAME_FROM}0")

    def _has(self, column: str) -> bool:
        found = f"select count(*) from (describe changes) where column_name = {_text(column)}"
        return bool(self._one(found))

    def _own_keys(self) -> str:
        return ", ".join(f"{_quoted(name)} as k{index}" for index, name in enumerate(self._key))

    def _step_back(self, found: str) -> None:
        """Follow one change of the key to the row's life under its former key."""
        places = range(len(self._key))
        same = " and ".join(f"c.k{index} = u.o{index}" for index in places)
        former = ", ".join(f"u.o{index} as k{index}" for index in places)
        kept = ", ".join(f"k{index}" for index in places)
        self._db.execute(
            f"create or replace temp table {found} as "
            f"select final, {kept}, written from {found} where written is null or written >= 0 "
            f"union all select f.final, {former}, c.written from {found} f "
            f"join carried u on u.{SEQUENCE} = -f.written "
            f"asof left join carried c on {same} and u.{SEQUENCE} > c.{SEQUENCE} "
            "where f.written < 0"
        )

    def _add_from_raw(self, name: str, found: str, value: str) -> None:
        """Take from raw what no change wrote; a quarantined row is newer than the one in raw."""
        if not self._one(f"select count(*) from {found} where written is null"):
            return
        kind = _duck(self._spool.columns[name].arrow)
        aside = f"warehouse.{_quoted(self._schema)}.{QUARANTINE}"
        same = " and ".join(
            f"r.{_quoted(raw_name(key))} = f.k{index}" for index, key in enumerate(self._key)
        )
        self._with_raw(
            f"insert into {value} select f.final, r.{_quoted(raw_name(name))}::{kind} "
            f"from {found} f join warehouse.{self._raw} r on {same} "
            f"where f.written is null and r.{DELETED_AT} is null",
            f"delete from {value} using {found} f, {aside} q "
            f"where f.final = {value}.final and f.written is null "
            f"and q.table_name = {_text(self._table)} and {self._set_aside()}",
        )

    def _places(self) -> str:
        return ", ".join(f"k{index}" for index in range(len(self._key)))

    def _set_aside(self) -> str:
        """Whether a row of the quarantine has the key of a row of ``found``."""
        texts = ["q.row_key"]
        if len(self._key) > 1:
            array = "case when json_valid(q.row_key) then q.row_key end"
            texts = [f"json_extract_string({array}, '$[{i}]')" for i in range(len(self._key))]
        kinds = [_duck(self._spool.columns[name].arrow) for name in self._key]
        return " and ".join(
            f"f.k{index} = try_cast({text} as {kind})"
            for index, (text, kind) in enumerate(zip(texts, kinds, strict=True))
        )

    def _read_live_keys(self) -> bool:
        keys = ", ".join(f"{_quoted(raw_name(name))} as {_quoted(name)}" for name in self._key)
        return self._with_raw(
            f"create temp table live as select {keys} from warehouse.{self._raw} "
            f"where {DELETED_AT} is null"
        )

    def _with_raw(self, statement: str, of_quarantine: str | None = None) -> bool:
        """Run statements that read raw, under the warehouse's lock; False where raw is not."""
        if not warehouse_path(self._home).exists():
            return False
        with writing(self._home) as path:
            self._db.execute(f"attach {_text(str(path))} as warehouse (read_only)")
            try:
                there = self._is_there(self._table)
                if there:
                    self._db.execute(statement)
                if there and of_quarantine is not None and self._is_there(QUARANTINE):
                    self._db.execute(of_quarantine)
            finally:
                self._db.execute("detach warehouse")
        return there

    def _is_there(self, table: str) -> bool:
        return bool(
            self._one(
                "select count(*) from duckdb_tables() where database_name = 'warehouse' "
                f"and schema_name = {_text(self._schema)} and table_name = {_text(table)}"
            )
        )

    def _one(self, query: str) -> int:
        row = self._db.execute(query).fetchone()
        return int(row[0]) if row else 0


def _is_small(spool: TableSpool) -> bool:
    """Whether the changes alone are read, and few of them."""
    return spool.truncated is None and not spool.left_alone and 0 < spool.size < _SMALL_BYTES


def _engine(spill: str) -> duckdb.DuckDBPyConnection:
    engine = duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": spill})
    engine.execute("set global preserve_insertion_order = false")
    return engine


@lru_cache(maxsize=1)
def _kept_engine() -> duckdb.DuckDBPyConnection:
    """An engine takes 20 ms to start, of the 500 that a load of few changes takes."""
    return _engine("")


# Its threads are not there in a forked process.
os.register_at_fork(after_in_child=_kept_engine.cache_clear)


def _duck(kind: pa.DataType) -> str:
    """The DuckDB name of an Arrow type."""
    empty = pa.table({"value": pa.array([], kind)})
    with duckdb.connect() as db:
        return str(db.from_arrow(empty).types[0])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _listed(files: list[Path]) -> str:
    return "[" + ", ".join(_text(str(path)) for path in files) + "]"
