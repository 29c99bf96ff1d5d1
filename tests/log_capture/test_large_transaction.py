"""A transaction larger than the memory that a load may take arrives whole, in bounded memory."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.log_capture.conftest import Database, Declare, of_items

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("load_and_tell_memory.py")
ROWS = 1_000_000
LIMIT_MB = 1_600
"""A small load takes 285 MB, this one 1,030 to 1,360; a merge that chooses among rows 2,020."""
CREATE = """
create table items (id int primary key, name text, body text);
create table notes (id int primary key, amount numeric(12, 2));
insert into items values (1, 'first', 'b')
"""
CHANGE = f"""
insert into items select i, 'n', repeat(md5(i::text), 10) from generate_series(2, {ROWS}) i;
update items set name = 'changed' where id <= 1000;
delete from items where id between 2001 and 3000
"""
COUNTS = "select count(*), count(distinct id), sum(length(body)), sum(length(name)) from {}"


def peak_mb(database: Database) -> int:
    """Load in a process of its own: its greatest resident memory."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SOURCES__OWN__URL": database.url}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(database.home)],
        cwd=ROOT,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
    )
    return int(done.stdout)


@pytest.mark.thorough
def test_a_transaction_of_a_million_changes_is_loaded_in_bounded_memory(
    database: Database,
) -> None:
    database.execute(*CREATE.strip().split(";\n"))
    peak_mb(database)
    with psycopg.connect(database.url) as connection:
        for statement in CHANGE.strip().split(";\n"):
            connection.execute(statement.encode())
    peak = peak_mb(database)
    assert peak < LIMIT_MB, peak
    ours = COUNTS.format("own.items where _deleted_at is null")
    assert database.raw(ours) == database.ask(COUNTS.format("items"))


@pytest.mark.parametrize("capture", ["log", "cursor"])
def test_rows_that_share_a_key_are_one_row_after_the_log_said_that_none_do(
    database: Database, declare: Declare, capture: str
) -> None:
    """What log capture knows of its rows must not outlive them."""
    database.execute("create table items (id int, name text)", "insert into items values (1, 'a')")
    database.execute("alter table items replica identity full")
    followed = declare(of_items())
    database.load(followed)
    database.execute("insert into items values (2, 'b')")
    database.load(followed)
    database.execute("insert into items values (3, 'x'), (3, 'y')")
    if capture == "log":
        database.execute("select pg_drop_replication_slot('grounded_own')")
    database.load(declare({**of_items(), "capture": capture}))
    assert database.raw("select id from own.items order by id") == [(1,), (2,), (3,)]
