"""Sources of kind ``files``: files below a folder, read again when their content changed.

folder -> copy and hash -> parse -> quarantine -> stamp -> raw table, and tombstones for what left

Files come in reverse order of their paths, because a key that several hold is the last path's.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pyarrow as pa
from dlt.extract import DltResource

from ingestion.batch import DELETED_AT, LOADED_AT, Batch, Vanished, current_load_id
from ingestion.connection import Connection, reads_home
from ingestion.file_formats import ROW_NUMBER, BrokenFile, file_rows, not_utf8
from ingestion.file_keys import FileKeys
from ingestion.file_listing import (
    FileCopy,
    FoundFile,
    appended,
    copied,
    is_settled,
    list_files,
)
from ingestion.names import raw_name
from ingestion.quarantine import setting_aside
from ingestion.spec import FilesSource, FileTableSpec
from ingestion.vanished import live_rows, refuse_a_shrink, tombstones

FILE, FILE_HASH = "_file", "_file_hash"
_STAMPS: Any = {LOADED_AT: {"data_type": "timestamp"}, DELETED_AT: {"data_type": "timestamp"}}
_DOCUMENT: Any = {
    "path": {"data_type": "text"},
    "content": {"data_type": "text"},
    "content_hash": {"data_type": "text"},
    "size_bytes": {"data_type": "bigint"},
    "modified_at": {"data_type": "timestamp"},
    **_STAMPS,
}
# Of one key's rows in one file the last stays.
_ROWS: Any = {ROW_NUMBER: {"data_type": "bigint", "dedup_sort": "desc"}, **_STAMPS}


def file_resources(
    spec: FilesSource, connection: Connection, batch: Batch, home: Path
) -> list[DltResource]:
    """Return one dlt resource a table; the folder must exist."""
    folder = Path(connection.url.get_secret_value())
    if not folder.is_dir() and not reads_home(spec):
        raise NotADirectoryError(folder.name)
    return [_resource(name, table, folder, batch, home) for name, table in spec.tables.items()]


def _resource(
    name: str, table: FileTableSpec, folder: Path, batch: Batch, home: Path
) -> DltResource:
    def rows() -> Iterator[Any]:
        batch.begin(name)
        state = dlt.current.resource_state(name)
        is_document = table.format == "markdown"
        key = [raw_name(column) for column in table.primary_key]
        file = "path" if is_document else FILE
        live = live_rows(home, batch.source, name, list(dict.fromkeys([*key, file])))
        if live is None:
            live = pa.table({column: pa.array([], pa.string()) for column in [*key, file]})
        with duckdb.connect() as connection:
            keys = FileKeys(connection, live, key, file)
            reading = _Reading(name, table, batch, keys, state, list_files(folder, table.glob))
            yield from reading.rows()

    is_document = table.format == "markdown"
    return dlt.resource(
        rows,
        name=name,
        write_disposition="merge",
        primary_key=table.primary_key,
        columns=_DOCUMENT if is_document else _ROWS,
        max_table_nesting=0,
        file_format="parquet",
    )


@dataclass
class _Reading:
    """One pass over the files of a table."""

    name: str
    table: FileTableSpec
    batch: Batch
    keys: FileKeys
    state: dict[str, Any]
    found: list[FoundFile]
    read_again: set[str] = field(default_factory=set)
    unchanged: list[FoundFile] = field(default_factory=list)

    def rows(self) -> Iterator[Any]:
        """Yield the rows of new and changed files, then tombstones for rows that no file has."""
        self.state.setdefault("hashes", {})
        self.state.setdefault("broken", {})
        for file in reversed(self.found):
            yield from self._visit(file)
        yield from self._leave()

    @property
    def _chosen(self) -> set[str] | None:
        selected = self.batch.selection.get(self.name)
        if selected is None:
            return None
        if selected.keys is None:
            return {file.path for file in self.found}
        return {key[0] for key in selected.keys}

    def _visit(self, file: FoundFile) -> Iterator[Any]:
        if file.refused is not None:
            self._set_aside(file, file.refused)
            self.state["hashes"][file.path] = ""
        elif self._chosen is not None and file.path not in self._chosen:
            pass
        elif not is_settled(file, self.table.settle, datetime.now(UTC)):
            self.batch.waiting[self.name] += 1
        else:
            with copied(file, may_grow=self.table.append_only) as copy:
                yield from self._content(file, copy)
        if file.path not in self.read_again:
            self.keys.keep(file.path)

    def _content(self, file: FoundFile, copy: FileCopy | None) -> Iterator[Any]:
        hashes, broken = self.state["hashes"], self.state["broken"]
        if copy is None:
            self.batch.waiting[self.name] += 1
            return
        if hashes.get(file.path) == copy.digest and self._chosen is None:
            self.unchanged.append(file)
            return
        if self.table.append_only and self._chosen is None:
            yield from self._grown(file, copy)
            return
        is_last_try = broken.pop(file.path, None) == copy.digest
        try:
            yield from self._parsed(file, copy, is_last_try)
        except BrokenFile as error:
            if error.may_heal and not is_last_try:
                broken[file.path] = copy.digest
                self.batch.waiting[self.name] += 1
                return
            self._set_aside(file, str(error))
        except OSError:
            self._set_aside(file, "content: cannot be read")
            return
        else:
            self.read_again.add(file.path)
        hashes[file.path] = copy.digest

    def _grown(self, file: FoundFile, copy: FileCopy) -> Iterator[Any]:
        """Read whole lines from where the last load ended, or all where those are not as then."""
        ends = self.state.setdefault("ends", {})
        before = ends.get(file.path, {"size": 0, "digest": ""})
        begin, end, digest = appended(copy.content, before["size"], before["digest"])
        if begin == 0:
            self.read_again.add(file.path)
        copy.content.seek(begin)
        copy.content.truncate(end)
        yield from self._parsed(file, copy, True)
        ends[file.path] = {"size": end, "digest": digest}
        self.state["hashes"][file.path] = copy.digest

    def _parsed(self, file: FoundFile, copy: FileCopy, is_last_try: bool) -> Iterator[Any]:
        if self.table.format == "markdown":
            yield self._document(file, copy)
            return
        aside = _Aside(self, file.path)
        for rows in file_rows(copy.content, self.table, aside, is_last_try):
            self.batch.read[self.name] += rows.num_rows
            stamped = self._stamped(rows, file.path, copy.digest)
            own = self.keys.take(file.path, stamped.select(self._key))
            yield stamped.filter(own)
        aside.count()

    @property
    def _key(self) -> list[str]:
        return [raw_name(column) for column in self.table.primary_key]

    def _stamped(self, rows: pa.Table, path: str, digest: str) -> pa.Table:
        taken = {FILE, FILE_HASH} & set(rows.column_names)
        if taken:
            raise BrokenFile(f"schema: raw keeps the name {min(taken)} for itself", may_heal=False)
        rows = rows.append_column(FILE, pa.repeat(pa.scalar(path), rows.num_rows))
        rows = rows.append_column(FILE_HASH, pa.repeat(pa.scalar(digest), rows.num_rows))
        return self.batch.stamp(rows)

    def _document(self, file: FoundFile, copy: FileCopy) -> dict[str, Any]:
        self.batch.read[self.name] += 1
        try:
            text = copy.content.read().decode("utf-8")
        except UnicodeDecodeError as error:
            raise not_utf8(error) from error
        self.keys.take(file.path, pa.table({"path": [file.path]}))
        return {
            "path": file.path,
            "content": text,
            "content_hash": copy.digest,
            "size_bytes": file.size,
            "modified_at": datetime.fromtimestamp(file.modified_ns / 1e9, UTC),
            LOADED_AT: self.batch.started_at,
        }

    def _set_aside(self, file: FoundFile, reason: str) -> None:
        set_aside = setting_aside(self.batch, self.name, file.path)
        set_aside(file.path, reason, {"size_bytes": file.size})

    def _leave(self) -> Iterator[Any]:
        present = {file.path for file in self.found}
        hashes, broken = self.state["hashes"], self.state["broken"]
        left = (self.keys.files() | set(hashes)) - present
        places = self.read_again | (left if self._chosen is None else set())
        gone = self.keys.gone(places)
        if gone.num_rows and self.table.format != "markdown":
            yield from self._found_elsewhere(gone)
            gone = self.keys.gone(places)
        refuse_a_shrink(
            f"{self.batch.source}.{self.name}",
            gone.num_rows,
            self.keys.live_count,
            self.table.max_shrink_share,
        )
        self.batch.places[self.name] = places
        self.batch.findings[self.name] = Vanished(new=0, gone=gone.num_rows)
        for path in (set(hashes) | set(broken)) - present:
            for known in (hashes, broken, self.state.get("ends", {})):
                known.pop(path, None)
        if gone.num_rows:
            dead = tombstones(gone, self.batch, current_load_id())
            is_document = self.table.format == "markdown"
            yield dead.drop_columns(["_dlt_load_id"]).to_pylist() if is_document else dead

    def _found_elsewhere(self, gone: pa.Table) -> Iterator[pa.Table]:
        """Yield rows that left one file, but that an unchanged one holds too."""
        for file in self.unchanged:
            with copied(file) as copy:
                if copy is None:
                    continue
                for rows in file_rows(copy.content, self.table, _ignore, True):
                    stamped = self._stamped(rows, file.path, copy.digest)
                    here = stamped.filter(self.keys.among(gone, stamped.select(self._key)))
                    yield here.filter(self.keys.take(file.path, here.select(self._key)))


class _Aside:
    """Sets rows of one file aside; their keys count as read, so that no tombstone follows."""

    def __init__(self, reading: _Reading, path: str) -> None:
        self._reading, self._path, self._keys = reading, path, list[list[str]]()
        self._record = setting_aside(reading.batch, reading.name, path)

    def __call__(self, row_key: str, reason: str, row: Any) -> None:
        self._record(row_key, reason, row)
        self._keys.append([str(row.get(name)) for name in self._reading.table.primary_key])

    def count(self) -> None:
        """Tell that the file still holds these keys."""
        self._reading.batch.read[self._reading.name] += len(self._keys)
        names = [raw_name(name) for name in self._reading.table.primary_key]
        columns = list(zip(*self._keys, strict=True)) or [()] * len(names)
        texts = [pa.array(list(column), pa.string()) for column in columns]
        self._reading.keys.take(self._path, pa.table(dict(zip(names, texts, strict=True))))


def _ignore(row_key: str, reason: str, row: Any) -> None:
    """A row that was set aside when its file was read."""
