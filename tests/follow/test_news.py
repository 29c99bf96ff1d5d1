"""Looks tell of what is new, once, and of nothing else."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingestion.errors import SourceFailed
from ingestion.load import load_source
from ingestion.news import News, news_of
from ingestion.spec import SourceSpec
from ingestion.warehouse import KeptOpen, reading, writing
from tests.files.conftest import Folder, folder
from tests.log_capture.conftest import (
    Database,
    captured,
    database,
    declare,
    plain_database,
    server,
)
from tests.servers import Postgres

__all__ = ["captured", "database", "declare", "folder", "plain_database", "server"]

Declare = Callable[[dict[str, Any]], SourceSpec]


def looking(name: str, spec: SourceSpec, database: Database) -> Iterator[News]:
    news = news_of(name, spec, database.home)
    assert news is not None
    yield news
    news.close()


def test_a_log_tells_of_a_committed_change_until_it_is_loaded(
    database: Database, captured: SourceSpec
) -> None:
    database.execute("create table items (id int primary key, name text)", "create table b (i int)")
    for news in looking("own", captured, database):
        assert news.look()
        load_source("own", captured, database.home)
        assert not news.look()
        database.execute("insert into b values (1)")
        assert not news.look()
        database.execute("insert into items values (1, 'a')")
        assert news.look() and news.look()
        load_source("own", captured, database.home)
        assert not news.look()
        database.execute("delete from items")
        assert news.look()


def test_a_load_leaves_an_engine_that_stays_the_memory_that_it_had(
    database: Database, captured: SourceSpec
) -> None:
    database.execute("create table items (id int primary key, name text)")
    load_source("own", captured, database.home)
    kept = KeptOpen(database.home)
    kept.take()
    try:
        before = memory_limit(database.home)
        database.execute("insert into items values (1, 'a')")
        assert load_source("own", captured, database.home).tables["items"].rows == 1
        assert memory_limit(database.home) == before
    finally:
        kept.let_go()


def memory_limit(home: Path) -> str:
    with writing(home) as path, reading(path) as connection:
        found = connection.execute("select current_setting('memory_limit')").fetchone()
    assert found is not None
    return str(found[0])


def test_a_log_tells_of_nothing_before_the_commit(database: Database, captured: SourceSpec) -> None:
    database.execute("create table items (id int primary key, name text)")
    load_source("own", captured, database.home)
    for news in looking("own", captured, database):
        with psycopg.connect(database.url) as other:
            other.execute("insert into items values (1, 'a')")
            assert not news.look()
            other.commit()
        assert news.look()


def test_a_cursor_tells_of_a_higher_value_and_of_another_row_of_the_same(
    database: Database, declare: Declare
) -> None:
    spec = declare(
        {
            "kind": "sql_database",
            "db_schema": "public",
            "tables": {
                "items": {
                    "primary_key": ["id"],
                    "source_table": "Odd Items",
                    "cursor": {"column": "changed"},
                }
            },
        }
    )
    database.execute('create table "Odd Items" (id int primary key, changed int)')
    for news in looking("own", spec, database):
        assert news.look() and not news.look()
        database.execute('insert into "Odd Items" values (1, 5)')
        assert news.look() and not news.look()
        database.execute('insert into "Odd Items" values (2, 5)')
        assert news.look() and not news.look()


def test_a_folder_tells_of_new_changed_and_removed_files(
    folder: Callable[..., Folder],
) -> None:
    here = folder(glob="**/*.md")
    news = news_of("own", here.spec, here.home)
    assert news is not None
    assert news.look() and not news.look()
    path = here.write("a.md", "one")
    assert news.look() and not news.look()
    here.write("a.md", "another")
    assert news.look() and not news.look()
    path.unlink()
    assert news.look() and not news.look()


def test_a_file_that_may_still_be_written_is_news_again_when_it_is_whole(
    folder: Callable[..., Folder], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = folder(glob="**/*.md", settle="1h")
    here.write("a.md", "one")
    news = news_of("own", here.spec, here.home)
    assert news is not None
    assert news.look() and not news.look()
    monkeypatch.setattr("ingestion.news.is_settled", lambda *_: True)
    assert news.look()


def test_a_source_that_is_down_is_told_by_its_place_alone(
    database: Database, captured: SourceSpec, server: Postgres
) -> None:
    database.execute("create table items (id int primary key, name text)")
    load_source("own", captured, database.home)
    for news in looking("own", captured, database):
        assert not news.look()
        server.kill()
        try:
            with pytest.raises(SourceFailed, match="cannot be reached"):
                news.look()
        finally:
            server.start()
        assert not news.look()
