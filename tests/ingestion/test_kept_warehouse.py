"""A warehouse that a process keeps open between its steps, and others that want it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from ingestion.errors import WarehouseBusy
from ingestion.warehouse import KeptOpen, kept_engine, reading, warehouse_path, writing

WRITER = """
import sys
from pathlib import Path
import duckdb
from ingestion.warehouse import writing

def told(message):
    print("waits", flush=True)

with writing(Path(sys.argv[1]), wait_s=20, on_wait=told) as path:
    with duckdb.connect(str(path)) as connection:
        connection.execute("insert into seen values ('other')")
"""
KEEPER = """
import sys
from pathlib import Path
import duckdb
from ingestion.warehouse import KeptOpen, writing

home = Path(sys.argv[1])
KeptOpen(home).take()
with writing(home) as path, duckdb.connect(str(path)) as connection:
    connection.execute("insert into seen values ('keeper')")
print("wrote", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptOpen]:
    """A warehouse with a table, kept open."""
    with duckdb.connect(str(warehouse_path(tmp_path))) as connection:
        connection.execute("create table seen (who varchar)")
    kept = KeptOpen(tmp_path)
    kept.take()
    yield kept
    kept.let_go()


def process(script: str, home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(other: subprocess.Popen[str]) -> str:
    assert other.stdout is not None
    return other.stdout.readline().strip()


def seen(home: Path) -> list[str]:
    with writing(home) as path, reading(path) as connection:
        return [who for (who,) in connection.execute("from seen order by all").fetchall()]


def test_every_step_of_the_process_reads_and_writes_by_it(kept: KeptOpen, tmp_path: Path) -> None:
    with writing(tmp_path, wait_s=0) as path, duckdb.connect(str(path)) as connection:
        connection.execute("insert into seen values ('step')")
    assert seen(tmp_path) == ["step"]


def test_who_waits_is_let_in_when_it_gives_way_and_it_goes_on_after_that(
    kept: KeptOpen, tmp_path: Path
) -> None:
    kept.give_way()
    with process(WRITER, tmp_path) as other:
        assert said(other) == "waits"
        while other.poll() is None:
            kept.give_way()
            kept.take()
        assert other.returncode == 0
    assert seen(tmp_path) == ["other"]


def test_who_does_not_give_way_keeps_others_out(kept: KeptOpen, tmp_path: Path) -> None:
    script = WRITER.replace("wait_s=20", "wait_s=0.1")
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert WarehouseBusy.__name__ in done.stderr
    assert seen(tmp_path) == []


def test_an_engine_that_has_been_open_for_long_is_let_go_and_another_one_taken(
    kept: KeptOpen, tmp_path: Path
) -> None:
    path = warehouse_path(tmp_path).resolve()
    for _ in range(2):
        engine = kept_engine(path)
        kept.give_way()
        assert engine is not None and kept_engine(path) is engine
        for _ in range(1_000):
            kept.give_way()
            if kept_engine(path) is None:
                break
        kept.take()
        assert kept_engine(path) not in (None, engine)


def test_a_word_that_a_dead_process_left_is_taken_away(kept: KeptOpen, tmp_path: Path) -> None:
    wanted = tmp_path / "warehouse.wanted"
    wanted.touch()
    kept.give_way()
    assert wanted.exists()
    kept.take()
    assert not wanted.exists()


def test_what_it_lets_go_is_one_whole_file(kept: KeptOpen, tmp_path: Path) -> None:
    with writing(tmp_path) as path, duckdb.connect(str(path)) as connection:
        connection.execute("insert into seen values ('step')")
    assert (tmp_path / "warehouse.duckdb.wal").exists()
    kept.let_go()
    assert not (tmp_path / "warehouse.duckdb.wal").exists()
    assert seen(tmp_path) == ["step"]


def test_what_a_killed_process_committed_is_there(tmp_path: Path) -> None:
    with duckdb.connect(str(warehouse_path(tmp_path))) as connection:
        connection.execute("create table seen (who varchar)")
    with process(KEEPER, tmp_path) as keeper:
        assert said(keeper) == "wrote"
        keeper.kill()
    assert seen(tmp_path) == ["keeper"]


def test_a_view_is_told_in_the_words_that_made_it_also_to_who_opens_the_warehouse_later(
    tmp_path: Path,
) -> None:
    words = "select sql from duckdb_views() where not internal"
    with writing(tmp_path) as path, duckdb.connect(str(path)) as connection:
        connection.execute(
            "create view dated as select cast(word as date) as day, cast(word as decimal(9, 2)) as "
            "price, list_transform([1], lambda x: x + 1) as more from (select '' as word)"
        )
        made = connection.execute(words).fetchall()
    with writing(tmp_path) as path, reading(path) as connection:
        assert connection.execute(words).fetchall() == made
