"""A warehouse with the raw tables as ingestion leaves them: about thirty untidy rows each."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

CANARY_NAME = "Canary Quillfeather"
CANARY_EMAIL = "canary.quillfeather@example.com"
CANARY_PHONE = "+1 202 555 0142"
CANARY_STREET = "77 Canary Wharf Lane"
CANARY_VALUES = (CANARY_NAME, "Quillfeather", CANARY_EMAIL, CANARY_PHONE, "555 0142", CANARY_STREET)

ROWS = 30
DELETED = 30
STAMP = "2026-01-01 12:00:00+00"
LOADED = "2026-01-02 00:00:00+00"

Row = list[Any]

TABLES = {
    "shop.customers": (
        "id bigint, full_name varchar, email varchar, phone varchar, street varchar, "
        "postcode varchar, city varchar, country varchar, birth_date date, "
        "marketing_opt_in boolean, created_at timestamptz, updated_at timestamptz"
    ),
    "shop.products": (
        "id bigint, sku varchar, slug varchar, description varchar, category varchar, "
        "price_cents bigint, currency varchar, updated_at timestamptz"
    ),
    "shop.orders": (
        "id bigint, customer_id bigint, status varchar, channel varchar, currency varchar, "
        "items json, placed_at timestamptz, updated_at timestamptz"
    ),
    "shop.inventory": (
        "product_id bigint, warehouse varchar, quantity bigint, updated_at timestamptz"
    ),
    "helpdesk.tickets": (
        "id bigint, customer_id bigint, requester_name varchar, requester_email varchar, "
        "subject varchar, body varchar, status varchar, priority varchar, "
        "created_at timestamptz, updated_at timestamptz"
    ),
    "helpdesk.comments": (
        "id bigint, ticket_id bigint, author_name varchar, author_role varchar, body varchar, "
        "created_at timestamptz, updated_at timestamptz"
    ),
    "runbooks.documents": (
        "path varchar, content varchar, content_hash varchar, size_bytes bigint, "
        "modified_at timestamptz"
    ),
    "audit.calls": (
        "seq bigint, time timestamptz, query_id varchar, agent varchar, surface varchar, "
        "tool varchar, tables varchar, stale_tables varchar, rows bigint, bytes bigint, "
        "elapsed_ms double, snapshot_id varchar, freshness varchar, cache varchar, "
        "verdict varchar, code varchar, error_type varchar, "
        "_file varchar, _file_hash varchar, _file_row bigint"
    ),
}


def customers() -> list[Row]:
    """Customer 1 is the canary; the last one is deleted."""
    names = ("  José Álvarez", "王伟", "Siân O'Harrow ", "Jose\u0301 Zoe\u0308", None, "Bo Li")
    phones = ("(415) 555-0199", None, "12345", "0171 3920011", "+44 20 7946 0018")
    countries = ("de", "GERMANY ", "Germany", None, "us", "Ruritania")
    rows: list[Row] = [
        [
            1,
            CANARY_NAME,
            f" {CANARY_EMAIL.upper()}",
            CANARY_PHONE,
            CANARY_STREET,
            "20001",
            "Washington",
            "US",
            "1984-02-29",
            True,
            STAMP,
            STAMP,
        ]
    ]
    for key in range(2, ROWS + 1):
        email = None if key % 7 == 0 else f"Person{key}@Example.com "
        birth_date = None if key % 5 == 0 else f"{1930 + key * 2}-06-15"
        city = ("  Köln", None, "12 Main Street, Leeds", "São Paulo")[key % 4]
        rows.append(
            [
                key,
                names[key % len(names)],
                email,
                phones[key % len(phones)],
                f"Rosenweg {key}",
                f"{10_000 + key}",
                city,
                countries[key % len(countries)],
                birth_date,
                (True, False, None)[key % 3],
                STAMP,
                STAMP,
            ]
        )
    return rows


def products() -> list[Row]:
    """Slugs in every spelling, some missing."""
    slugs = ("Blue-Kettle_XL", "blue_kettle-xl", "  oak--desk ", "MUG", None)
    return [
        [
            key,
            f"KET-{key:04d}",
            slugs[key % len(slugs)],
            None if key % 9 == 0 else f"Holds {key} litres.",
            " Kitchen ",
            1_999 + key,
            "eur",
            STAMP,
        ]
        for key in range(1, ROWS + 1)
    ]


def orders() -> list[Row]:
    """Order 29 is of a customer who is gone, order 28 is empty, order 27 holds an odd line."""
    statuses = ("Delivered", " shipped", "CANCELLED", "refunded", "paid", None)
    rows: list[Row] = []
    for key in range(1, ROWS + 1):
        items: list[dict[str, Any]] = [
            {"product_id": key, "quantity": 2, "unit_price_cents": 1_999},
            {"product_id": 1, "quantity": 1, "unit_price_cents": 5},
        ]
        if key == 28:
            items = []
        if key == 27:
            items.append({"product_id": "n/a", "quantity": None, "unit_price_cents": "cheap"})
        rows.append(
            [
                key,
                9_999 if key == 29 else 1 + key % 10,
                statuses[key % len(statuses)],
                ("Web", "app ")[key % 2],
                "eur",
                json.dumps(items),
                STAMP,
                STAMP,
            ]
        )
    return rows


def inventory() -> list[Row]:
    """Product 1 is promised more often than it is there; product 30 is nowhere."""
    return [
        [key, place, -20 if key == 1 else amount, STAMP]
        for key in range(1, ROWS)
        for place, amount in (("north", 5), ("south", -2))
    ]


def tickets() -> list[Row]:
    """Ticket 1 is the canary's, with the name in several spellings; some have no customer."""
    rows: list[Row] = [
        [
            1,
            1,
            CANARY_NAME,
            CANARY_EMAIL,
            f"Refund for {CANARY_NAME.upper()}",
            f"I live at {CANARY_STREET}. Call 202.555.0142 or {CANARY_PHONE}; {CANARY_EMAIL}. "
            "Order #1002345 of 2024-01-15, SKU KET-0001.\n\nThanks, canary quillfeather",
            "open",
            "High",
            STAMP,
            STAMP,
        ]
    ]
    for key in range(2, ROWS + 1):
        rows.append(
            [
                key,
                None if key % 6 == 0 else key,
                None if key % 6 == 0 else "José Álvarez",
                f"person{key}@example.com",
                "  Where is it? ",
                f"My card is 4111 1111 1111 1111, says jose alvarez. Order {key}.",
                ("Spam ", "Solved", "OPEN", "pending", "closed")[key % 5],
                ("Normal", "low", None)[key % 3],
                STAMP,
                STAMP,
            ]
        )
    return rows


def comments() -> list[Row]:
    """Two comments on the canary's ticket, stored in the wrong order, and one on each other."""
    rows: list[Row] = [
        [1, 1, "Greta Agentsdottir", "agent", f"Hello {CANARY_NAME}, Greta here.", STAMP, STAMP],
        [2, 1, CANARY_NAME, "Customer", "Thanks, Greta!", "2026-01-01 11:00:00+00", STAMP],
    ]
    for key in range(3, ROWS + 1):
        body = None if key % 11 == 0 else "Call 030 1234567."
        if key == 5:
            body = "Greta Agentsdottir called 030 1234567."
        rows.append([key, key, "Greta Agentsdottir", "agent", body, STAMP, STAMP])
    return rows


def documents() -> list[Row]:
    """One document has no heading, one no folder."""
    rows: list[Row] = [
        ["runbooks/disk-pressure.md", "No heading, ask ops@example.com", "0", 1, STAMP],
        ["README.md", "# About\n\nText", "0", 1, STAMP],
    ]
    for key in range(3, ROWS + 1):
        rows.append([f"guides/guide-{key}.md", f"# Guide {key}\n\nUse it.", "0", 1, STAMP])
    return rows


def calls() -> list[Row]:
    """One record is a checkpoint, every fifth a refusal; all of today, as age is what is judged."""
    now = datetime.now(UTC).isoformat()
    view = '["agent_orders"]'
    rows: list[Row] = [[1, now, *[None] * 15, "d.jsonl", "0", 1]]
    for key in range(2, ROWS + 1):
        told = ["refused", "UNKNOWN_TABLE"] if key % 5 == 0 else ["answered", None]
        read = ["[]" if key % 5 == 0 else view, "[]"]
        call = [f"q{key}", "support_agent", "http", "execute_sql", *read, 1, 20, 900.0 + key * 10]
        rows.append([key, now, *call, "s", "fresh", "miss", *told, None, "d.jsonl", "0", key])
    return rows


def create(path: Path) -> None:
    """Writes all raw tables; in each the last row is deleted."""
    content = {
        "shop.customers": customers(),
        "shop.products": products(),
        "shop.orders": orders(),
        "shop.inventory": inventory(),
        "helpdesk.tickets": tickets(),
        "helpdesk.comments": comments(),
        "runbooks.documents": documents(),
        "audit.calls": calls(),
    }
    with duckdb.connect(path) as connection:
        for table, columns in TABLES.items():
            schema = table.partition(".")[0]
            connection.execute(f"create schema if not exists {schema}")
            connection.execute(
                f"create table {table} ({columns}, _loaded_at timestamptz, "
                "_deleted_at timestamptz, _dlt_load_id varchar)"
            )
            rows = content[table]
            marks = ", ".join("?" * (len(rows[0]) + 3))
            connection.executemany(
                f"insert into {table} values ({marks})",
                [
                    [*row, LOADED, LOADED if number == len(rows) else None, "1"]
                    for number, row in enumerate(rows, start=1)
                ],
            )
