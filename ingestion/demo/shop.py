"""The shop's database: its roles, tables and first rows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import LiteralString

import psycopg
from psycopg import sql

from ingestion.demo.errors import NotRunningError
from ingestion.demo.postgres import ADMIN
from ingestion.demo.rows import Customer, Inventory, Order, Product, World
from ingestion.demo.state import LOOPBACK, State

DATABASE = "shop"
OWNER = "shop_owner"
# What the capture of changes reads; only the tables' owner can make it.
PUBLICATION = "grounded_shop"
READER = "grounded_reader"

# No foreign keys: the shop deletes customers and keeps their orders.
TABLES: tuple[LiteralString, ...] = (
    """create table customers (
        id bigint primary key, full_name text, email text, phone text, street text, postcode text,
        city text, country text, birth_date date, marketing_opt_in boolean,
        created_at timestamptz not null, updated_at timestamptz not null)""",
    """create table products (
        id bigint primary key, sku text not null, slug text not null, description text,
        category text, price_cents bigint not null, currency text not null,
        updated_at timestamptz not null)""",
    """create table orders (
        id bigint primary key, customer_id bigint, status text, channel text, currency text,
        items jsonb, placed_at timestamptz not null, updated_at timestamptz not null)""",
    """create table inventory (
        product_id bigint, warehouse text, quantity bigint not null,
        updated_at timestamptz not null, primary key (product_id, warehouse))""",
)
NAMES: tuple[LiteralString, ...] = ("customers", "products", "orders", "inventory")


def reader_url(state: State) -> str:
    """The address that a pipeline reads from: a role that may select and replicate only."""
    return f"postgresql://{READER}:{state.reader_password}@{LOOPBACK}:{state.shop_port}/{DATABASE}"


@contextmanager
def as_owner(state: State) -> Iterator[psycopg.Connection]:
    """A connection that may write the shop's tables; commits at the end."""
    with _connect(state, OWNER, state.owner_password, DATABASE) as connection:
        yield connection


def is_answering(state: State) -> bool:
    """Whether the database accepts the reader now."""
    try:
        _connect(state, READER, state.reader_password, DATABASE).close()
    except NotRunningError:
        return False
    return True


def is_seeded(state: State) -> bool:
    """Whether the tables are there: they appear in one transaction with their rows."""
    with _connect(state, ADMIN, state.admin_password, ADMIN, autocommit=True) as connection:
        found = connection.execute("select 1 from pg_database where datname = %s", [DATABASE])
        if found.fetchone() is None:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
    with _connect(state, ADMIN, state.admin_password, DATABASE) as connection:
        row = connection.execute("select to_regclass('public.orders') is not null").fetchone()
        return row == (True,)


def seed(state: State, world: World) -> None:
    """Create roles and tables and load them, all or nothing."""
    with _connect(state, ADMIN, state.admin_password, DATABASE) as connection:
        _create_roles(connection, state)
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(OWNER)))
        for table in TABLES:
            connection.execute(table)
        _copy(connection, "customers", Customer._fields, world.customers)
        _copy(connection, "products", Product._fields, world.products)
        _copy(connection, "orders", Order._fields, world.orders)
        _copy(connection, "inventory", Inventory._fields, world.inventory)
        for name in NAMES:
            table_name = sql.Identifier(name)
            connection.execute(sql.SQL("create index on {} (updated_at)").format(table_name))
            connection.execute(
                sql.SQL("grant select on {} to {}").format(table_name, sql.Identifier(READER))
            )
            connection.execute(sql.SQL("analyze {}").format(table_name))
        connection.execute(
            sql.SQL(
                "create publication {} for table {} with (publish_via_partition_root = true)"
            ).format(sql.Identifier(PUBLICATION), sql.SQL(", ").join(map(sql.Identifier, NAMES)))
        )


def _create_roles(connection: psycopg.Connection, state: State) -> None:
    for role, password, options in (
        (OWNER, state.owner_password, "login"),
        (READER, state.reader_password, "login replication"),
    ):
        connection.execute(
            sql.SQL("create role {} with " + options + " password {}").format(
                sql.Identifier(role), sql.Literal(password)
            )
        )
    database, owner = sql.Identifier(DATABASE), sql.Identifier(OWNER)
    connection.execute(sql.SQL("alter database {} owner to {}").format(database, owner))
    connection.execute(sql.SQL("revoke temporary on database {} from public").format(database))
    connection.execute(sql.SQL("grant create, usage on schema public to {}").format(owner))


def _copy(
    connection: psycopg.Connection,
    table: LiteralString,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
) -> None:
    statement = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _connect(
    state: State, user: str, password: str, database: str, *, autocommit: bool = False
) -> psycopg.Connection:
    try:
        return psycopg.connect(
            host=LOOPBACK,
            port=state.shop_port,
            user=user,
            password=password,
            dbname=database,
            connect_timeout=5,
            autocommit=autocommit,
        )
    except psycopg.OperationalError as error:
        raise NotRunningError(
            f"the demo shop does not answer on port {state.shop_port}; "
            "start it with 'grounded demo up'"
        ) from error
