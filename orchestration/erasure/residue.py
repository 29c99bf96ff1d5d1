"""Searches every file under the home for one person's values: in cells, and in raw bytes.

files -> DuckDB, SQLite and Lance cells + bytes of all -> hits by place and class, never a value

Compression hides values from bytes, and bytes of deleted rows are in no cell: so both are searched.
"""

import json
import re
import sqlite3
import time
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import quote

import duckdb
import lancedb

from ingestion.erasure.person import Value, pattern_of

# The upstreams of the demo are sources; keys are no data; the journal is sealed.
_OUTSIDE = ("demo", "secrets")
_WINDOW = 64 * 1024 * 1024
_TOKENS_A_QUERY = 500
PSEUDONYM = "pseudonym"


@dataclass(frozen=True)
class Hit:
    """Where something of the person was found, by its class; never the value."""

    file: str
    privacy: str
    place: str = "bytes"
    rows: int = 1


@dataclass
class Residue:
    """What was searched, in how long, and what was found."""

    values: int
    files: int = 0
    bytes: int = 0
    cells: int = 0
    seconds: float = 0.0
    hits: list[Hit] = field(default_factory=list)


class Needles:
    """The values of one person and her pseudonyms, as things to look for."""

    def __init__(self, values: list[Value], pseudonyms: list[str]) -> None:
        self.pseudonyms = frozenset(pseudonyms)
        self.count = len(values) + len(pseudonyms)
        self._values = [(value.privacy, pattern_of(_plain_value(value))) for value in values]
        self._python = [
            (privacy, re.compile(_for_python(pattern))) for privacy, pattern in self._values
        ]
        self.bytes = [
            *((value.privacy, form) for value in values for form in _forms(value)),
            *((PSEUDONYM, token.encode()) for token in pseudonyms),
        ]

    def in_text(self, text: str) -> set[str]:
        """The classes of what a text holds."""
        found = {PSEUDONYM} if self.pseudonyms & set(re.findall(r"\w+", text)) else set()
        folded = plain(text)
        return found | {privacy for privacy, pattern in self._python if pattern.search(folded)}

    def queries(self) -> Iterator[tuple[str, str]]:
        """Each class with an expression for RE2 over lower-case text without accents."""
        for privacy in dict(self._values):
            patterns = [pattern for known, pattern in self._values if known == privacy]
            yield privacy, "|".join(patterns)
        tokens = sorted(token.lower() for token in self.pseudonyms)
        for start in range(0, len(tokens), _TOKENS_A_QUERY):
            chunk = tokens[start : start + _TOKENS_A_QUERY]
            yield PSEUDONYM, "|".join(map(re.escape, chunk))


def plain(text: str) -> str:
    """Lower case without accents, as DuckDB's strip_accents(lower()) makes it."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFD", text.lower())
    return unicodedata.normalize("NFC", "".join(p for p in parts if not unicodedata.combining(p)))


def find_residue(home: Path, needles: Needles, *, journal: Path) -> Residue:
    """Search all files below the home but the demo's upstreams, the keys and the sealed journal."""
    began = time.monotonic()
    found = Residue(values=needles.count)
    for path in sorted(home.rglob("*")):
        parts = path.relative_to(home).parts
        if path.is_file() and parts[0] not in _OUTSIDE and path != journal:
            _search_file(home, path, needles, found)
    for folder in sorted((home / "published" / "snapshots").glob("*/index")):
        _search_lance(home, folder, needles, found)
    found.seconds = round(time.monotonic() - began, 2)
    return found


def _search_file(home: Path, path: Path, needles: Needles, found: Residue) -> None:
    name = path.relative_to(home).as_posix()
    found.files += 1
    longest = max((len(form) for _, form in needles.bytes), default=0)
    classes: set[str] = set()
    with path.open("rb") as file:
        head = tail = b""
        while window := file.read(_WINDOW):
            head = head or window[:16]
            found.bytes += len(window)
            joined = tail + window
            classes |= {privacy for privacy, form in needles.bytes if form in joined}
            tail = joined[-longest:] if longest else b""
    found.hits += [Hit(name, privacy) for privacy in sorted(classes)]
    if head[8:12] == b"DUCK":
        with duckdb.connect(str(path), read_only=True) as connection:
            _search_duckdb(connection, name, needles, found)
    elif head.startswith(b"SQLite format 3\0"):
        _search_sqlite(path, name, needles, found)


def _search_duckdb(
    connection: duckdb.DuckDBPyConnection, name: str, needles: Needles, found: Residue
) -> None:
    tables = connection.execute(
        "select schema_name, table_name, list(column_name order by column_index) "
        "from duckdb_columns() where database_name = current_database() and not internal "
        "group by all"
    ).fetchall()
    for schema, table, columns in tables:
        relation = ".".join('"' + part.replace('"', '""') + '"' for part in (schema, table))
        _search_relation(connection, relation, columns, f"{schema}.{table}", name, needles, found)


def _search_relation(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    columns: list[str],
    told: str,
    name: str,
    needles: Needles,
    found: Residue,
) -> None:
    quoted = ['"' + column.replace('"', '""') + '"' for column in columns]
    rows = connection.execute(f"select count(*) from {relation}").fetchone()
    found.cells += len(columns) * int(rows[0] if rows else 0)
    for privacy, pattern in needles.queries():
        sums = ", ".join(
            f"count(*) filter (regexp_matches(strip_accents(lower({column}::varchar)), $1))"
            for column in quoted
        )
        counts = connection.execute(f"select {sums} from {relation}", [pattern]).fetchone() or ()
        found.hits += [
            Hit(name, privacy, f"{told}.{column}", count)
            for column, count in zip(columns, counts, strict=True)
            if count
        ]


def _search_sqlite(path: Path, name: str, needles: Needles, found: Residue) -> None:
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
    try:
        tables = connection.execute("select name from sqlite_master where type = 'table'")
        for (table,) in tables.fetchall():
            counts: dict[tuple[str, str], int] = {}
            quoted = '"' + table.replace('"', '""') + '"'
            cursor = connection.execute(f"select * from {quoted}")
            columns = [column[0] for column in cursor.description]
            for row in cursor:
                for column, value in zip(columns, row, strict=True):
                    found.cells += 1
                    if isinstance(value, bytes):
                        value = value.decode("utf-8", "replace")
                    for privacy in needles.in_text(value) if isinstance(value, str) else ():
                        counts[privacy, column] = counts.get((privacy, column), 0) + 1
            found.hits += [
                Hit(name, privacy, f"{table}.{column}", count)
                for (privacy, column), count in sorted(counts.items())
            ]
    finally:
        connection.close()


def _search_lance(home: Path, folder: Path, needles: Needles, found: Residue) -> None:
    name = folder.relative_to(home).as_posix()
    index = lancedb.connect(folder)
    for table in index.list_tables().tables:
        rows = index.open_table(table).to_arrow()
        kept = [column for column in rows.column_names if column != "vector"]
        with duckdb.connect() as connection:
            connection.register("cells", rows.select(kept))
            _search_relation(connection, "cells", kept, table, name, needles, found)


def _plain_value(value: Value) -> Value:
    return Value(value.privacy, plain(value.text))


def _for_python(pattern: str) -> str:
    return pattern.replace(r"[^\pL\pN]", r"[\W_]")


def _forms(value: Value) -> set[bytes]:
    """How a value may be written in a file: as it is, in other cases, in JSON, in an address."""
    ways: list[Callable[[str], str]] = [
        str,
        str.lower,
        str.upper,
        plain,
        lambda text: json.dumps(text)[1:-1],
        partial(quote, safe=""),
    ]
    if value.privacy == "phone":
        ways.append(lambda text: re.sub(r"\D", "", text))
    return {way(value.text).encode("utf-8", "replace") for way in ways}
