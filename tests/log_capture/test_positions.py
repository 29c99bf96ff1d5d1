"""Where raw is in the log, after loads that died at any of their steps."""

import shutil

import dlt
import duckdb
import pytest

from ingestion.load import load_source
from ingestion.log_capture.positions import Held, Noted, held_positions, note_positions
from ingestion.spec import SourceSpec
from ingestion.warehouse import warehouse_path, writing
from tests.log_capture.conftest import Database

CREATE = "create table items (id bigint primary key, name text)"


def noted(database: Database, load_id: str, *, aside: int = 0, is_straight: bool = False) -> None:
    """Note a position as a load does that dies before its rows come."""
    held = Held(lsn=10**15, origin="elsewhere", load_id=load_id)
    kept = held_positions(database.home, "own").get("items", Held()).load_id
    with writing(database.home) as warehouse:
        note = Noted(held, before=kept, aside=aside, is_straight=is_straight)
        note_positions(warehouse, "own", {"items": note})


def rows_of_load(database: Database, load_id: str) -> None:
    """Give the rows in raw to another load, as if it had merged them and died then."""
    with duckdb.connect(str(warehouse_path(database.home))) as connection:
        connection.execute("update own.items set _dlt_load_id = ?", [load_id])


def test_a_first_load_follows_one_that_died_before_it_made_a_table(
    database: Database, captured: SourceSpec
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a')")
    noted(database, "1")
    assert load_source("own", captured, database.home).tables["items"].rows == 1
    assert held_positions(database.home, "own")["items"].origin != "elsewhere"


def test_a_position_is_held_from_when_its_rows_are_in_raw(
    database: Database, captured: SourceSpec
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a')")
    load_source("own", captured, database.home)
    before = held_positions(database.home, "own")["items"]
    noted(database, "2")
    assert held_positions(database.home, "own")["items"] == before
    rows_of_load(database, "2")
    assert held_positions(database.home, "own")["items"].load_id == "2"


def test_rows_that_came_without_their_quarantine_prove_no_position(
    database: Database, captured: SourceSpec
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a')")
    load_source("own", captured, database.home)
    noted(database, "2", aside=1)
    rows_of_load(database, "2")
    assert "items" not in held_positions(database.home, "own")
    load_source("own", captured, database.home)
    assert held_positions(database.home, "own")["items"].lsn < 10**15


def test_some_rows_of_a_load_by_several_transactions_prove_no_position(
    database: Database, captured: SourceSpec
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a')")
    load_source("own", captured, database.home)
    before = held_positions(database.home, "own")["items"]
    noted(database, "2", is_straight=True)
    rows_of_load(database, "2")
    assert held_positions(database.home, "own")["items"] == before


def test_a_load_that_was_interrupted_before_its_folder_was_restored_costs_no_row(
    database: Database, captured: SourceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a'), (2, 'b')")
    database.load(captured)
    shutil.rmtree(database.home / "dlt")
    database.execute("update items set name = 'c' where id = 2")

    def interrupt(pipeline: dlt.Pipeline) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(dlt.Pipeline, "sync_destination", interrupt)
        with pytest.raises(KeyboardInterrupt):
            database.load(captured)
    database.load(captured)
    assert database.raw("select id, name from own.items order by id") == [(1, "a"), (2, "c")]


def test_a_working_folder_that_was_wiped_costs_no_row(
    database: Database, captured: SourceSpec
) -> None:
    database.execute(CREATE, "insert into items values (1, 'a'), (2, 'b')")
    database.load(captured)
    shutil.rmtree(database.home / "dlt")
    database.execute("update items set name = 'c' where id = 2")
    database.load(captured)
    assert database.raw("select id, name from own.items order by id") == [(1, "a"), (2, "c")]
