"""A load that is killed anywhere neither loses nor doubles a change."""

import os
import random
import time

import psycopg
import pytest

from ingestion.spec import SourcesFile
from tests.grounded import environment, warm
from tests.log_capture.conftest import Database
from tests.log_capture.load_and_die import DECLARED

KILLS = 15
CREATE = """
create table items (id int primary key, name text, body text);
alter table items alter body set storage external;
create table notes (id int primary key, amount numeric(12, 2));
insert into items select i, 'first', repeat(md5(i::text), 100) from generate_series(1, 3000) i;
insert into notes select i, i from generate_series(1, 3000) i
"""
SAME = {
    "items": "select id, name, md5(body) from {} order by id",
    "notes": "select id, amount::varchar from {} order by id",
}


def change(connection: psycopg.Connection, chance: random.Random) -> None:
    """One transaction of each kind of change, over both tables."""
    low = chance.randrange(4000)
    some = f"id between {low} and {low + chance.randrange(1, 400)}"
    kinds = [
        f"update items set name = md5(name) where {some}",
        f"update items set body = repeat(md5(name), 100) where {some}",
        f"delete from items where {some}; delete from notes where {some}",
        f"insert into items select i, 'new', 'b' from generate_series({low}, {low + 300}) i "
        "on conflict do nothing; "
        f"insert into notes select i, 0 from generate_series({low}, {low + 300}) i "
        "on conflict (id) do update set amount = notes.amount + 1",
        f"update items set id = id + 10000 where {some} and not exists "
        "(select from items as other where other.id = items.id + 10000)",
        "truncate notes; insert into notes values (1, 1)",
    ]
    connection.execute(chance.choices(kinds, [4, 3, 3, 4, 2, 1])[0].encode())
    connection.commit()


@pytest.mark.thorough
@pytest.mark.timeout(280)
def test_fifteen_kills_at_random_points_leave_raw_equal_to_the_source(
    database: Database, request: pytest.FixtureRequest
) -> None:
    seed = int(os.environ.get("GROUNDED_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
    chance = random.Random(seed)
    request.node.add_report_section("call", "seed", f"GROUNDED_SEED={seed}")
    database.execute(*CREATE.strip().split(";\n"))
    for _ in range(KILLS):
        run_and_kill(database, chance)
        if chance.random() < 0.2:
            database.execute(
                "select pg_drop_replication_slot(slot_name) from pg_replication_slots where "
                "database = current_database() and not temporary and not active"
            )
    database.load(SourcesFile.model_validate({"sources": {"own": DECLARED}}).sources["own"])
    for table, query in SAME.items():
        raw = database.raw(query.format(f"own.{table} where _deleted_at is null"))
        source = database.ask(query.format(table))
        assert raw == source, f"seed {seed}"


def run_and_kill(database: Database, chance: random.Random) -> None:
    """Load while the source changes, and kill the load at a random instant."""
    process = warm().start(
        [str(database.home)],
        environment(database.home, SOURCES__OWN__URL=database.url),
        entry="tests.log_capture.load_and_die:main",
    )
    try:
        assert process.out.readline() == "ready\n"
        end = time.monotonic() + chance.uniform(0.1, 3.0)
        with psycopg.connect(database.url) as connection:
            while time.monotonic() < end and process.poll() is None:
                change(connection, chance)
        assert process.poll() is None, process.told()
    finally:
        process.kill()
