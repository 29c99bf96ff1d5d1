"""The shop's database as a pipeline meets it."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy

from ingestion import demo
from ingestion.demo import generate
from ingestion.demo.rows import Customer, Product


@pytest.fixture
def reader(home: Path) -> Iterator[psycopg.Connection]:
    found = demo.find(home)
    assert found is not None
    with psycopg.connect(found.shop_url) as connection:
        yield connection


def test_the_database_holds_exactly_what_was_generated(
    reader: psycopg.Connection, scale: float
) -> None:
    world = generate.world(seed=7, scale=scale)
    people = reader.execute("select * from customers order by id").fetchall()
    things = reader.execute("select * from products order by id").fetchall()
    assert [Customer(*row) for row in people] == world.customers
    assert [Product(*row) for row in things] == world.products
    counted = "select (select count(*) from orders), (select count(*) from inventory)"
    assert reader.execute(counted).fetchone() == (len(world.orders), len(world.inventory))


def test_every_table_has_a_key_and_an_index_on_its_cursor(reader: psycopg.Connection) -> None:
    rows = reader.execute("select tablename, indexdef from pg_indexes where schemaname = 'public'")
    indexes = [f"{table} {definition}" for table, definition in rows]
    for table in ("customers", "products", "orders", "inventory"):
        own = [text for text in indexes if text.startswith(table)]
        assert any("UNIQUE" in text for text in own)
        assert any("(updated_at)" in text for text in own)


@pytest.mark.parametrize(
    "statement",
    [
        "update customers set city = 'x'",
        "delete from orders",
        "insert into inventory values (1, 'x', 1, now())",
        "truncate products",
        "create table mine (a int)",
        "create temporary table mine (a int)",
        "drop table orders",
    ],
)
def test_the_readers_role_cannot_write(reader: psycopg.Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute(statement)  # type: ignore[call-overload]


def test_the_server_is_ready_for_change_capture(home: Path, reader: psycopg.Connection) -> None:
    assert reader.execute("show wal_level").fetchone() == ("logical",)
    assert int((reader.execute("show max_replication_slots").fetchone() or [0])[0]) >= 10
    assert int((reader.execute("show max_wal_senders").fetchone() or [0])[0]) >= 10
    reader.commit()
    reader.execute("select pg_create_logical_replication_slot('probe', 'pgoutput', true)")


def test_sqlalchemy_accepts_the_address_as_it_is(home: Path) -> None:
    found = demo.find(home)
    assert found is not None
    engine = sqlalchemy.create_engine(found.shop_url)
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("select 1")).scalar() == 1
    engine.dispose()
