"""The helpdesk's rows: JSON documents in a SQLite file, paged by (updated_at, id)."""

import base64
import binascii
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from ingestion.demo.rows import Document

RESOURCES = ("tickets", "comments")


class Page(NamedTuple):
    """Some documents as JSON text, where to go on, and how many match in all."""

    documents: list[str]
    next_cursor: str | None
    total: int


def stamp(moment: datetime) -> str:
    """An instant as fixed-width text, so that text order is time order."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def create(path: Path, tickets: Iterable[Document], comments: Iterable[Document]) -> None:
    """Fill a new file beside its place and move it in."""
    partial = path.with_suffix(".new")
    partial.unlink(missing_ok=True)
    with closing(sqlite3.connect(partial)) as database:
        for resource, documents in zip(RESOURCES, (tickets, comments), strict=True):
            database.execute(
                f"create table {resource} "
                "(id integer primary key, updated_at text not null, document text not null)"
            )
            put(database, resource, documents)
            database.execute(f"create index {resource}_by_time on {resource} (updated_at, id)")
        database.commit()
        database.execute("pragma journal_mode = wal")
    partial.rename(path)


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """One transaction on the file."""
    with closing(sqlite3.connect(path, timeout=30)) as database, database:
        database.execute("begin immediate")
        yield database


def put(database: sqlite3.Connection, resource: str, documents: Iterable[Document]) -> None:
    """Insert documents or replace those of the same id."""
    database.executemany(
        f"insert or replace into {resource} values (?, ?, ?)",
        ((doc["id"], doc["updated_at"], json.dumps(doc, ensure_ascii=False)) for doc in documents),
    )


def page(
    database: sqlite3.Connection, resource: str, *, since: str, cursor: str | None, limit: int
) -> Page:
    """The next documents that changed at `since` or later. ValueError for a foreign cursor."""
    changed, after = _decode(cursor) if cursor else (since, -1)
    found = database.execute(
        f"select id, updated_at, document from {resource} "
        "where (updated_at, id) > (?, ?) order by updated_at, id limit ?",
        (changed, after, limit + 1),
    ).fetchall()
    kept = found[:limit]
    (total,) = database.execute(
        f"select count(*) from {resource} where updated_at >= ?", (since,)
    ).fetchone()
    more = _encode(kept[-1][1], kept[-1][0]) if len(found) > limit else None
    return Page([row[2] for row in kept], more, total)


def one(database: sqlite3.Connection, resource: str, key: int) -> str | None:
    """A document as JSON text, or None where there is none of this id."""
    row = database.execute(f"select document from {resource} where id = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def _encode(changed: str, key: int) -> str:
    return base64.urlsafe_b64encode(f"{changed}|{key}".encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[str, int]:
    try:
        plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        changed, key = plain.split("|")
        return changed, int(key)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise ValueError("cursor is none of ours") from None
