"""The rewritten warehouse holds what is live and no byte of what was deleted."""

import os
import signal
from pathlib import Path

import duckdb
import pytest

from ingestion.erasure.rewrite import rewrite
from ingestion.errors import RewriteFailed

CANARY = "Quenby-Harrow-canary"


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """A warehouse from which a row was deleted, whose bytes are still there."""
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        # Or the bytes to be gone could be compressed, and nothing would be proved.
        connection.execute("set force_compression = 'uncompressed'")
        connection.execute("create schema shop")
        connection.execute(
            "create table shop.t (id int primary key, name varchar not null, j json)"
        )
        connection.execute(
            "insert into shop.t select i, md5(i::varchar) || uuid()::varchar, '{}' "
            "from range(5000) r(i)"
        )
        connection.execute("insert into shop.t values (9999, ?, '{}')", [CANARY])
        connection.execute("create schema privacy")
        connection.execute("create function privacy.f(a) as a + 1")
        connection.execute("create view shop.v as select privacy.f(id) as id from shop.t")
        connection.execute("checkpoint")
        connection.execute("delete from shop.t where id = 9999")
        connection.execute("checkpoint")
    assert CANARY.encode() in path.read_bytes()
    return path


def test_deleted_bytes_are_gone_and_the_rest_is_as_it_was(warehouse: Path) -> None:
    told = rewrite(warehouse)
    assert CANARY.encode() not in warehouse.read_bytes()
    assert sorted(path.name for path in warehouse.parent.iterdir()) == ["warehouse.duckdb"]
    assert told.bytes_after == warehouse.stat().st_size
    with duckdb.connect(str(warehouse)) as connection:
        assert connection.execute("select count(*), max(id) from shop.v").fetchall() == [
            (5000, 5000)
        ]
        with pytest.raises(duckdb.ConstraintException):
            connection.execute("insert into shop.t values (1, 'twice', null)")


def test_a_warehouse_that_is_open_elsewhere_is_left_as_it_was(warehouse: Path) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with duckdb.connect(str(warehouse)):
            os.write(write, b"open")
            signal.pause()
    try:
        os.read(read, 4)
        before = warehouse.read_bytes()
        with pytest.raises(RewriteFailed, match="as it was"):
            rewrite(warehouse)
        assert warehouse.read_bytes() == before
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    rewrite(warehouse)


def test_killed_at_any_touch_of_a_file_the_warehouse_is_whole(warehouse: Path) -> None:
    import sys

    kills = 0
    for last in range(1, 40):
        child = os.fork()
        if child == 0:
            touches = 0

            def touch(event: str, arguments: tuple[object, ...], last: int = last) -> None:
                nonlocal touches
                if event in ("open", "os.rename", "os.remove") and "warehouse" in str(arguments[0]):
                    touches += 1
                    if touches == last:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(touch)
            rewrite(warehouse)
            os._exit(0)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            assert connection.execute("select count(*) from shop.t").fetchall() == [(5000,)]
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
        kills += 1
    assert kills >= 3
    assert CANARY.encode() not in warehouse.read_bytes()
