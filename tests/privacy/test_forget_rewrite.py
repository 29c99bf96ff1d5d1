"""The rewritten warehouse holds what is live and no byte of what was deleted."""

import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from ingestion.erasure.rewrite import rewrite
from ingestion.errors import RewriteFailed

CANARY = "Quenby-Harrow-canary"
HOLDER = """
import sys
import duckdb
with duckdb.connect(sys.argv[1]):
    print("open", flush=True)
    sys.stdin.read()
"""
# Dies at the n-th touch of a file of the warehouse.
REWRITER = """
import os, signal, sys
from pathlib import Path
from ingestion.erasure.rewrite import rewrite

warehouse, left = Path(sys.argv[1]), int(sys.argv[2])

def touch(event, arguments):
    global left
    if event in ("open", "os.rename", "os.remove") and "warehouse" in str(arguments[0]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(touch)
rewrite(warehouse)
"""


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


@pytest.mark.parametrize("form", ["v1.0.0", "v1.5.0"])
def test_a_warehouse_keeps_its_form_for_what_a_newer_one_would_not_take(
    tmp_path: Path, form: str
) -> None:
    path = tmp_path / "warehouse.duckdb"
    way = "using compression fsst" if form == "v1.0.0" else ""
    with duckdb.connect(str(path), config={"storage_compatibility_version": form}) as connection:
        connection.execute(f"create table t (name varchar {way})")
        connection.execute("insert into t select 'name ' || i from range(5000) r(i)")
    rewrite(path)
    with duckdb.connect(str(path)) as connection:
        told = "select tags['storage_version'] from duckdb_databases() where path is not null"
        assert connection.execute(told).fetchall() == [(f"{form}+",)]
        assert connection.execute("select count(*) from t").fetchall() == [(5000,)]


def test_a_warehouse_that_is_open_elsewhere_is_left_as_it_was(warehouse: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(warehouse)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "open\n"
        before = warehouse.read_bytes()
        with pytest.raises(RewriteFailed, match="as it was"):
            rewrite(warehouse)
        assert warehouse.read_bytes() == before
        holder.kill()
    rewrite(warehouse)


def test_killed_at_any_touch_of_a_file_the_warehouse_is_whole(warehouse: Path) -> None:
    kills = 0
    for last in range(1, 40):
        command = [sys.executable, "-c", REWRITER, str(warehouse), str(last)]
        ended = subprocess.run(command, check=False).returncode
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            assert connection.execute("select count(*) from shop.t").fetchall() == [(5000,)]
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
        kills += 1
    assert kills >= 3
    assert CANARY.encode() not in warehouse.read_bytes()
