"""Makes the demo's data: the same for the same seed and scale, and as untidy as the real thing."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import TypeVar

from ingestion.demo import canary, catalogue, personal
from ingestion.demo.rows import Customer, Inventory, Order, Product, World
from ingestion.demo.support import comments, tickets
from ingestion.demo.words import WAREHOUSES

END = datetime(2026, 1, 1, tzinfo=UTC)
SPAN_DAYS = 400
CUSTOMERS, ORDERS, PRODUCTS, TICKETS, COMMENTS = 2_000, 10_000, 200, 3_000, 4_500

ORDER_STATUSES = (
    *("delivered",) * 8,
    *("Delivered", "DELIVERED", "delivered "),
    *("shipped",) * 4,
    *("Shipped", "paid", "paid", "PAID", "pending", "Pending"),
    *("cancelled", "Cancelled", "refunded"),
)
CHANNELS = ("web", "web", "web", "Web", "app", "app", "APP", "phone", "marketplace")
MALFORMED_EVERY, MALFORMED_AT = 1_997, 13

T = TypeVar("T")


def world(*, seed: int, scale: float) -> World:
    """All rows at a scale, where 1 means about 2,000 customers."""
    people = customers(_count(CUSTOMERS, scale), _random(seed, "customers"))
    things = catalogue.products(_count(PRODUCTS, scale), _random(seed, "products"), END, SPAN_DAYS)
    sold = orders(_count(ORDERS, scale), people, things, _random(seed, "orders"))
    asked = list(tickets(_count(TICKETS, scale), people, things, _random(seed, "tickets"), times))
    said = list(
        comments(_count(COMMENTS, scale), asked, people, things, _random(seed, "comments"), END)
    )
    stock = inventory(things, _random(seed, "inventory"))
    return World(people, things, sold, stock, asked, said)


def customers(count: int, rng: Random) -> list[Customer]:
    """Customers with gaps in their ids, where some were deleted; the first is the canary."""
    rows: list[Customer] = []
    key = 1
    for created in times(count, rng):
        rows.append(_canary(created) if key == 1 else customer(key, rng, created))
        key += 2 if key > 1 and rng.random() < 0.01 else 1
    return rows


def customer(key: int, rng: Random, created: datetime) -> Customer:
    """One person: parts may be missing, misspelt or padded."""
    place = personal.region(rng)
    name, local = personal.name(place, rng)
    return Customer(
        id=key,
        full_name=_padded(name, rng),
        email=_untidy_email(personal.email(local, key, rng), rng),
        phone=_maybe(personal.phone(place, rng), rng, missing=0.12),
        street=_maybe(f"{rng.choice(place.streets)} {rng.randrange(1, 180)}", rng, missing=0.03),
        postcode=_maybe(personal.digits(place.postcode, rng), rng, missing=0.04),
        city=_maybe(_padded(rng.choice(place.cities), rng), rng, missing=0.05),
        country=_maybe(_country(place.country, place.code, rng), rng, missing=0.03),
        birth_date=_maybe(_birth_date(rng), rng, missing=0.15),
        marketing_opt_in=_maybe(rng.random() < 0.4, rng, missing=0.05),
        created_at=created,
        updated_at=later(created, rng),
    )


def orders(count: int, people: list[Customer], things: list[Product], rng: Random) -> list[Order]:
    """Orders of customers who are there, and of a few who are not any more."""
    last = people[-1].id
    gone = sorted(set(range(1, last + 1)) - {person.id for person in people}) or [last + 1]
    rows = []
    for key, placed in enumerate(times(count, rng), start=1):
        buyer = rng.choice(gone) if rng.random() < 0.01 else rng.choice(people).id
        rows.append(order(key, buyer, things, rng, placed))
    return rows


def order(key: int, buyer: int, things: list[Product], rng: Random, placed: datetime) -> Order:
    """One order of one to four products."""
    lines: list[dict[str, int]] = []
    for thing in rng.sample(things, k=min(len(things), rng.choice((1, 1, 1, 2, 2, 3, 4)))):
        quantity = rng.choice((1, 1, 1, 1, 2, 2, 3, 5))
        line = {"product_id": thing.id, "quantity": quantity, "unit_price_cents": thing.price_cents}
        lines.append(line)
    malformed = key % MALFORMED_EVERY == MALFORMED_AT
    return Order(
        id=key,
        customer_id=buyer,
        status=rng.choice(ORDER_STATUSES),
        channel=rng.choice(CHANNELS),
        currency=rng.choice(("EUR",) * 9 + ("eur",)),
        items=json.dumps(lines[0] if malformed else lines),
        placed_at=placed,
        updated_at=later(placed, rng, days=20),
    )


def inventory(things: list[Product], rng: Random) -> list[Inventory]:
    """Stock of each product in one to four warehouses, now and then below zero."""
    rows = []
    for thing in things:
        for place in sorted(rng.sample(WAREHOUSES, k=rng.choice((1, 2, 2, 3, 3, 4)))):
            quantity = -rng.randrange(1, 9) if rng.random() < 0.04 else rng.randrange(0, 120)
            changed = END - timedelta(seconds=rng.randrange(SPAN_DAYS * 86_400))
            rows.append(Inventory(thing.id, place, quantity, changed))
    return rows


def times(count: int, rng: Random) -> Iterator[datetime]:
    """Instants in order, spread over the days before the end."""
    step = timedelta(days=SPAN_DAYS) / count
    for position in range(count):
        moment = END - timedelta(days=SPAN_DAYS) + step * (position + rng.random())
        yield moment.replace(microsecond=0)


def later(moment: datetime, rng: Random, days: int = 90) -> datetime:
    """The same instant or one up to `days` later, never after the end."""
    if rng.random() < 0.4:
        return moment
    return min(moment + timedelta(seconds=rng.randrange(days * 86_400)), END)


def _canary(created: datetime) -> Customer:
    return Customer(
        canary.CUSTOMER_ID,
        canary.FULL_NAME,
        canary.EMAIL,
        canary.PHONE,
        canary.STREET,
        canary.POSTCODE,
        "Washington",
        "United States",
        date(1984, 2, 29),
        True,
        created,
        created,
    )


def _random(seed: int, table: str) -> Random:
    return Random(f"{seed}/{table}")


def _count(at_scale_one: int, scale: float) -> int:
    return max(1, round(at_scale_one * scale))


def _maybe(value: T, rng: Random, *, missing: float) -> T | None:
    return None if rng.random() < missing else value


def _padded(text: str, rng: Random) -> str:
    if rng.random() < 0.05:
        return rng.choice((f" {text}", f"{text}  ", f"{text}\t", text.replace(" ", "  ", 1)))
    return text


def _untidy_email(address: str, rng: Random) -> str:
    if rng.random() < 0.06:
        return rng.choice((address.upper(), address.title(), f" {address}", f"{address} "))
    return address


def _country(name: str, code: str, rng: Random) -> str:
    spellings = (name, name, name, name.upper(), name.lower(), code, code.lower(), f"{name} ")
    return rng.choice(spellings)


def _birth_date(rng: Random) -> date:
    return date(1938, 1, 1) + timedelta(days=rng.randrange(365 * 70))
