"""A working day in the shop's database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from ingestion.demo import canary, catalogue, generate, personal
from ingestion.demo.plan import Action, Plan, Tally
from ingestion.demo.rows import Customer, Inventory, Product
from ingestion.demo.shop import as_owner
from ingestion.demo.state import State
from ingestion.demo.words import WAREHOUSES

NEXT_STATUS = ("paid", "shipped", "Shipped", "delivered", "delivered", "cancelled", "refunded")
SAMPLE = 40


@dataclass(frozen=True)
class Day:
    """One transaction's tools: where to write, chance, the time, and how much to do."""

    database: psycopg.Connection
    rng: Random
    now: datetime
    wanted: Plan
    tally: Tally

    def times(self, table: str, action: Action) -> range:
        return range(self.wanted.get((table, action), 0))

    def any_key(self, table: LiteralString, *, beyond: int = 0) -> int | None:
        """Some existing id above `beyond`, without reading the table."""
        name = sql.Identifier(table)
        bounds = sql.SQL("select min(id), max(id) from {} where id > %s").format(name)
        low, high = self.database.execute(bounds, [beyond]).fetchone() or (None, None)
        if low is None:
            return None
        at_least = sql.SQL("select min(id) from {} where id >= %s").format(name)
        row = self.database.execute(at_least, [self.rng.randint(low, high)]).fetchone()
        return None if row is None else int(row[0])

    def next_key(self, table: LiteralString) -> int:
        statement = sql.SQL("select coalesce(max(id), 0) + 1 from {}").format(sql.Identifier(table))
        row = self.database.execute(statement).fetchone()
        assert row is not None
        return int(row[0])

    def insert(self, table: LiteralString, columns: Sequence[str], row: Sequence[object]) -> None:
        statement = sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.SQL(", ").join(sql.Placeholder() * len(columns)),
        )
        self.database.execute(statement, row)
        self.tally.inserted[f"shop.{table}"] += 1

    def update(self, table: LiteralString, key: int, **values: object) -> None:
        pairs = {**values, "updated_at": self.now}
        assignments = (sql.SQL("{} = %s").format(sql.Identifier(name)) for name in pairs)
        statement = sql.SQL("update {} set {} where id = %s").format(
            sql.Identifier(table), sql.SQL(", ").join(assignments)
        )
        done = self.database.execute(statement, [*pairs.values(), key])
        self.tally.updated[f"shop.{table}"] += done.rowcount

    def delete(self, table: LiteralString, key: int) -> None:
        statement = sql.SQL("delete from {} where id = %s").format(sql.Identifier(table))
        self.tally.deleted[f"shop.{table}"] += self.database.execute(statement, [key]).rowcount


def apply(
    wanted: Plan, state: State, rng: Random, now: datetime, tally: Tally
) -> tuple[list[Customer], list[Product]]:
    """Change the shop in one transaction; return some of its customers and products."""
    with as_owner(state) as database:
        day = Day(database, rng, now, wanted, tally)
        _customers(day)
        _products(day)
        people, things = _sample(day)
        _orders(day, people, things)
        _inventory(day)
    return people, things


def _customers(day: Day) -> None:
    for _ in day.times("shop.customers", "insert"):
        person = generate.customer(day.next_key("customers"), day.rng, day.now)
        row = person._replace(updated_at=day.now)
        day.insert("customers", Customer._fields, row)
    for _ in day.times("shop.customers", "update"):
        if key := day.any_key("customers", beyond=canary.CUSTOMER_ID):
            place = personal.region(day.rng)
            day.update(
                "customers",
                key,
                city=day.rng.choice(place.cities),
                country=place.country,
                phone=personal.phone(place, day.rng),
                marketing_opt_in=day.rng.random() < 0.5,
            )
    for _ in day.times("shop.customers", "delete"):
        if key := day.any_key("customers", beyond=canary.CUSTOMER_ID):
            day.delete("customers", key)


def _products(day: Day) -> None:
    for _ in day.times("shop.products", "insert"):
        row = catalogue.new_product(day.next_key("products"), day.rng, day.now)
        day.insert("products", Product._fields, row)
    for _ in day.times("shop.products", "update"):
        if key := day.any_key("products"):
            day.update("products", key, price_cents=day.rng.randrange(900, 30_000, 10))


def _orders(day: Day, people: list[Customer], things: list[Product]) -> None:
    for _ in day.times("shop.orders", "insert"):
        buyer = day.rng.choice(people).id
        row = generate.order(day.next_key("orders"), buyer, things, day.rng, day.now)
        day.insert("orders", row._fields, row._replace(updated_at=day.now, status="pending"))
    for _ in day.times("shop.orders", "update"):
        if key := day.any_key("orders"):
            day.update("orders", key, status=day.rng.choice(NEXT_STATUS))
    for _ in day.times("shop.orders", "delete"):
        if key := day.any_key("orders"):
            day.delete("orders", key)


def _inventory(day: Day) -> None:
    for _ in day.times("shop.inventory", "update"):
        if key := day.any_key("products"):
            done = day.database.execute(
                "update inventory set quantity = quantity + %s, updated_at = %s "
                "where (product_id, warehouse) = (select product_id, warehouse from inventory "
                "where product_id >= %s order by product_id, warehouse limit 1)",
                [day.rng.randrange(-20, 40), day.now, key],
            )
            day.tally.updated["shop.inventory"] += done.rowcount
    for _ in day.times("shop.inventory", "insert"):
        if key := day.any_key("products"):
            _stock_elsewhere(day, key)


def _stock_elsewhere(day: Day, product: int) -> None:
    """Put the product into a warehouse that does not hold it yet, if there is one."""
    found = day.database.execute(
        "select warehouse from inventory where product_id = %s", [product]
    ).fetchall()
    free = sorted(set(WAREHOUSES) - {row[0] for row in found})
    if free:
        row = Inventory(product, day.rng.choice(free), day.rng.randrange(1, 80), day.now)
        day.insert("inventory", Inventory._fields, row)


def _sample(day: Day) -> tuple[list[Customer], list[Product]]:
    people, things = [], []
    with (
        day.database.cursor(row_factory=class_row(Customer)) as customers,
        day.database.cursor(row_factory=class_row(Product)) as products,
    ):
        for _ in range(SAMPLE):
            key = day.any_key("customers", beyond=canary.CUSTOMER_ID)
            people += customers.execute("select * from customers where id = %s", [key]).fetchall()
            key = day.any_key("products")
            things += products.execute("select * from products where id = %s", [key]).fetchall()
    return list(dict.fromkeys(people)), list({thing.id: thing for thing in things}.values())
