"""The shapes of the generated rows, in the order of the shop's columns."""

from datetime import date, datetime
from typing import NamedTuple

Document = dict[str, object]
"""One helpdesk row as the API sends it: malformed rows are meant to exist."""


class Customer(NamedTuple):
    """One customer of the shop."""

    id: int
    full_name: str
    email: str
    phone: str | None
    street: str | None
    postcode: str | None
    city: str | None
    country: str | None
    birth_date: date | None
    marketing_opt_in: bool | None
    created_at: datetime
    updated_at: datetime


class Product(NamedTuple):
    """One product of the shop."""

    id: int
    sku: str
    slug: str
    description: str | None
    category: str
    price_cents: int
    currency: str
    updated_at: datetime


class Order(NamedTuple):
    """One order, its items as JSON text."""

    id: int
    customer_id: int
    status: str
    channel: str
    currency: str
    items: str
    placed_at: datetime
    updated_at: datetime


class Inventory(NamedTuple):
    """The stock of one product in one warehouse."""

    product_id: int
    warehouse: str
    quantity: int
    updated_at: datetime


class World(NamedTuple):
    """Everything that the two servers hold when they are new."""

    customers: list[Customer]
    products: list[Product]
    orders: list[Order]
    inventory: list[Inventory]
    tickets: list[Document]
    comments: list[Document]
