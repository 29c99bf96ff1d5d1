"""Tombstones for the rows that a reading should have found and did not.

keys read + keys in raw -> those gone at the source -> a row of key and ``_deleted_at`` alone

It runs at the end of an extraction, so the tombstones are durable with the rows or not at all.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pyarrow as pa
from dlt.extract import DltResource

from ingestion.batch import (
    DELETED_AT,
    LOAD_ID,
    LOADED_AT,
    Batch,
    Selection,
    Vanished,
    current_load_id,
)
from ingestion.errors import ShrinkRefused
from ingestion.names import raw_name
from ingestion.spec import FilesSource, RestApiSource, SourceSpec
from ingestion.values import key_parts
from ingestion.warehouse import reading, warehouse_path, writing

_INSTANT = pa.timestamp("us", tz="UTC")


def vanished_resources(
    spec: SourceSpec, batch: Batch, home: Path, tables: Sequence[str]
) -> list[DltResource]:
    """Return one resource a table that yields its tombstones; extract them after the readers.

    Files have none: their reader compares file by file.
    """
    if isinstance(spec, FilesSource):
        return []
    return [
        dlt.resource(
            _tombstones(name, spec, batch, home),
            name=f"{name}__vanished",
            table_name=name,
            write_disposition="merge",
            primary_key=spec.tables[name].primary_key,
            max_table_nesting=0,
            file_format="parquet",
        )
        for name in tables
    ]


def tombstones(keys: pa.Table, batch: Batch, load_id: str) -> pa.Table:
    """Return rows of keys that say when they were found deleted, and nothing else."""
    count = keys.num_rows
    return (
        keys.append_column(LOADED_AT, pa.repeat(pa.scalar(batch.started_at, _INSTANT), count))
        .append_column(DELETED_AT, pa.repeat(pa.scalar(batch.started_at, _INSTANT), count))
        .append_column(LOAD_ID, pa.repeat(pa.scalar(load_id), count))
    )


def live_rows(home: Path, source: str, table: str, columns: Sequence[str]) -> pa.Table | None:
    """Return columns of a raw table's live rows; None when there is no such table yet."""
    if not warehouse_path(home).exists():
        return None
    with writing(home) as path, reading(path) as connection:
        there = connection.execute(
            "select count(*) from information_schema.columns where table_schema = ? "
            "and table_name = ? and column_name in (select unnest(?))",
            [source, table, list(columns)],
        ).fetchone()
        if there != (len(columns),):
            return None
        named = ", ".join(map(quoted, columns))
        return connection.execute(
            f"select {named} from {quoted(source)}.{quoted(table)} where {DELETED_AT} is null"
        ).to_arrow_table()


def quoted(name: str) -> str:
    """A name as DuckDB reads it, whatever letters it has."""
    return '"' + name.replace('"', '""') + '"'


def _tombstones(name: str, spec: SourceSpec, batch: Batch, home: Path) -> Any:
    def rows() -> Iterator[Any]:
        chosen = batch.selection.get(name)
        if name not in batch.whole and (chosen is None or chosen.keys is None):
            return
        if chosen is None and name in batch.findings:
            # Its reader has compared already.
            return
        key = [raw_name(column) for column in spec.tables[name].primary_key]
        live = live_rows(home, batch.source, name, key)
        if live is None:
            return
        aside = [
            key_parts(row.row_key, len(key))
            for row in batch.quarantined
            if row.table_name == name and not row.is_keyless
        ]
        new, gone = compare(live, batch.seen.get(name, []), chosen, aside)
        table, refused = f"{batch.source}.{name}", None
        try:
            allowed = chosen.max_loss if chosen else spec.tables[name].max_shrink_share
            refuse_a_shrink(table, gone.num_rows, live.num_rows, allowed)
        except ShrinkRefused as error:
            if chosen is None:
                raise
            refused = str(error)
        if batch.erased is not None:
            # The source still has the erased, and raw shall not: that is no difference.
            new = max(0, new - batch.erased.withheld[name])
        batch.findings[name] = Vanished(new=new, gone=gone.num_rows, refused=refused)
        if gone.num_rows and refused is None:
            yield _as_read(spec, tombstones(gone, batch, current_load_id()))

    return rows


def compare(
    live: pa.Table,
    seen: list[pa.Table],
    chosen: Selection | None,
    aside: Sequence[Sequence[str]] = (),
) -> tuple[int, pa.Table]:
    """Return how many keys read are new to raw, and the keys of raw that were not read.

    Only the chosen keys can be gone where the reading was for those alone, and those set ``aside``
    are not new. All are compared in the types that raw has; keys of another type fail.
    """
    key = live.column_names
    with duckdb.connect() as connection:
        connection.register("live", live)
        types = {row[0]: row[1] for row in connection.execute("describe live").fetchall()}
        connection.register("seen_text", pa.concat_tables(seen) if seen else live.slice(0, 0))
        casts = ", ".join(f"cast({quoted(c)} as {types[c]}) as {quoted(c)}" for c in key)
        connection.execute(f"create temp table seen as select distinct {casts} from seen_text")
        same = " and ".join(f"live.{quoted(c)} = other.{quoted(c)}" for c in key)
        wanted = ""
        if chosen is not None and chosen.keys is not None:
            _register_keys(connection, "wanted", chosen.keys, types)
            wanted = f"and exists (select 1 from wanted as other where {same})"
        gone = connection.execute(
            f"select * from live where not exists (select 1 from seen as other where {same}) "
            f"{wanted}"
        ).to_arrow_table()
        _register_keys(connection, "aside", aside, types)
        waits = " and ".join(f"aside.{quoted(c)} = other.{quoted(c)}" for c in key)
        new = connection.execute(
            "select count(*) from seen as other "
            f"where not exists (select 1 from live where {same}) "
            f"and not exists (select 1 from aside where {waits})"
        ).fetchone()
    return (int(new[0]) if new else 0), gone


def _register_keys(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    keys: Sequence[Sequence[str]],
    types: Mapping[str, str],
) -> None:
    """Make a table of keys, given as texts, in the types that raw has."""
    texts = {
        column: pa.array([key[index] for key in keys], pa.string())
        for index, column in enumerate(types)
    }
    connection.register(f"{name}_text", pa.table(texts))
    casts = ", ".join(f"try_cast({quoted(c)} as {t}) as {quoted(c)}" for c, t in types.items())
    connection.execute(f"create temp table {name} as select {casts} from {name}_text")


def refuse_a_shrink(table: str, gone: int, live: int, allowed: float) -> None:
    """Raise ShrinkRefused where more of a table's rows vanished than may do so at once."""
    if gone > live * allowed:
        raise ShrinkRefused(
            f"{gone:,} of {live:,} rows of {table} are gone, more than the {allowed:.0%} that may "
            f"vanish at once, so nothing was deleted; if that is right, raise max_shrink_share "
            f"(or reconcile.max_delete_share) of {table} in sources.yaml for one load"
        )


def _as_read(spec: SourceSpec, rows: pa.Table) -> Any:
    """Tombstones in the form of the table's other rows: dlt adds an id to those of JSON alone."""
    if isinstance(spec, RestApiSource):
        return rows.drop_columns([LOAD_ID]).to_pylist()
    return rows
