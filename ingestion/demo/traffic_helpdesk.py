"""A working day at the helpdesk: written into its file, as its API has no public way to write."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from random import Random

from ingestion.demo import canary, support
from ingestion.demo.helpdesk_store import put, stamp, writing
from ingestion.demo.plan import Plan, Tally
from ingestion.demo.rows import Customer, Document, Product

TICKETS, COMMENTS = "helpdesk.tickets", "helpdesk.comments"


def apply(
    wanted: Plan,
    store: Path,
    people: list[Customer],
    things: list[Product],
    rng: Random,
    now: datetime,
    tally: Tally,
) -> None:
    """Change tickets and comments in one transaction."""
    with writing(store) as database:
        _tickets(database, wanted, people, things, rng, now, tally)
        _comments(database, wanted, people, things, rng, now, tally)


def _tickets(
    database: sqlite3.Connection,
    wanted: Plan,
    people: list[Customer],
    things: list[Product],
    rng: Random,
    now: datetime,
    tally: Tally,
) -> None:
    for _ in range(wanted.get((TICKETS, "insert"), 0)):
        key = _next_key(database, "tickets")
        put(database, "tickets", [support.ticket(key, rng.choice(people), things, rng, now)])
        tally.inserted[TICKETS] += 1
    for document in _some(database, "tickets", wanted.get((TICKETS, "update"), 0), rng):
        status = rng.choice(support.STATUSES)
        changed = {"status": status, "priority": rng.choice(support.PRIORITIES)}
        put(database, "tickets", [document | changed | {"updated_at": stamp(now)}])
        tally.updated[TICKETS] += 1
    for document in _some(database, "tickets", wanted.get((TICKETS, "delete"), 0), rng):
        tally.deleted[TICKETS] += _delete(database, "tickets", "id", document["id"])
        orphans = _delete(database, "comments", "document ->> 'ticket_id'", document["id"])
        tally.deleted[COMMENTS] += orphans


def _comments(
    database: sqlite3.Connection,
    wanted: Plan,
    people: list[Customer],
    things: list[Product],
    rng: Random,
    now: datetime,
    tally: Tally,
) -> None:
    writers = {person.id: person for person in people}
    for ticket in _some(database, "tickets", wanted.get((COMMENTS, "insert"), 0), rng):
        key = _next_key(database, "comments")
        writer = writers.get(support.as_key(ticket["customer_id"]))
        row = support.comment(key, support.as_key(ticket["id"]), writer, things, rng, now)
        put(database, "comments", [row])
        tally.inserted[COMMENTS] += 1
    for document in _some(database, "comments", wanted.get((COMMENTS, "update"), 0), rng):
        body = f"{document['body']}\n(edited)".replace("\n(edited)\n(edited)", "\n(edited)")
        put(database, "comments", [document | {"body": body, "updated_at": stamp(now)}])
        tally.updated[COMMENTS] += 1
    for document in _some(database, "comments", wanted.get((COMMENTS, "delete"), 0), rng):
        tally.deleted[COMMENTS] += _delete(database, "comments", "id", document["id"])


def _some(database: sqlite3.Connection, table: str, count: int, rng: Random) -> Iterator[Document]:
    """Rows by chance, one at a time and never the canary's ticket."""
    spared = canary.TICKET_ID if table == "tickets" else 0
    for _ in range(count):
        bounds = f"select min(id), max(id) from {table} where id > ?"
        low, high = database.execute(bounds, (spared,)).fetchone()
        if low is None:
            return
        found = database.execute(
            f"select document from {table} where id >= ? order by id limit 1",
            (rng.randint(low, high),),
        ).fetchone()
        yield json.loads(found[0])


def _next_key(database: sqlite3.Connection, table: str) -> int:
    return int(database.execute(f"select coalesce(max(id), 0) + 1 from {table}").fetchone()[0])


def _delete(database: sqlite3.Connection, table: str, column: str, key: object) -> int:
    return database.execute(f"delete from {table} where {column} = ?", (key,)).rowcount
