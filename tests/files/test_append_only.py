"""A log that grows is read on from where the last load ended, and whole where it was changed."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ingestion.load import load_source
from ingestion.spec import SourcesFile
from tests.files.conftest import Folder
from tests.ingestion.conftest import raw

Declare = Callable[..., Folder]


@pytest.fixture
def log(folder: Declare) -> Folder:
    """A folder of logs with an id a line."""
    return folder(
        glob="*.jsonl",
        format="jsonl",
        append_only=True,
        only_declared=True,
        primary_key=["id"],
        max_shrink_share=1.0,
        row={"id": {"type": "integer", "required": True}, "name": {"type": "text"}},
    )


def lines(*ids: int, name: str = "a", **more: Any) -> str:
    return "".join(json.dumps({"id": number, "name": name, **more}) + "\n" for number in ids)


def append(log: Folder, text: str, file: str = "one.jsonl") -> None:
    with (log.path / file).open("a", encoding="utf-8") as stream:
        stream.write(text)


def test_only_new_lines_are_read_and_the_others_stay(log: Folder) -> None:
    append(log, lines(1, 2))
    assert log.load().read == 2
    append(log, lines(3))
    append(log, lines(4), "two.jsonl")
    loaded = log.load()
    assert (loaded.read, loaded.gone) == (2, 0)
    assert [row[0] for row in log.live()] == [1, 2, 3, 4]
    assert log.load().read == 0


def test_half_a_line_waits_until_it_is_whole(log: Folder) -> None:
    append(log, lines(1) + '{"id": 2, "na')
    assert log.load().read == 1
    append(log, 'me": "b"}\n')
    assert log.load().read == 1
    assert log.live() == [(1, "a"), (2, "b")]


def test_a_torn_line_in_the_middle_is_set_aside_and_the_rest_goes_on(log: Folder) -> None:
    append(log, lines(1) + '{"id": 2, "na\n' + lines(3))
    loaded = log.load()
    assert (loaded.rows, loaded.in_quarantine) == (2, 1)


def test_what_was_overwritten_in_place_is_read_again(log: Folder) -> None:
    append(log, lines(1, 2, name="mine"))
    log.load()
    path = log.path / "one.jsonl"
    path.write_text(path.read_text().replace("mine", "gone") + lines(3), encoding="utf-8")
    assert log.load().read == 3
    assert log.live() == [(1, "gone"), (2, "gone"), (3, "a")]


def test_a_file_that_was_removed_takes_its_rows_along(log: Folder) -> None:
    append(log, lines(1, 2))
    append(log, lines(3), "two.jsonl")
    log.load()
    (log.path / "one.jsonl").unlink()
    assert log.load().gone == 2
    assert [row[0] for row in log.live()] == [3]


def test_what_is_not_declared_is_not_loaded(log: Folder) -> None:
    append(log, lines(1, secret="canary of a person"))
    log.load()
    (columns,) = log.raw(
        "select list(column_name) from information_schema.columns where table_name = 'rows'"
    )
    assert "secret" not in columns[0] and "name" in columns[0]
    for path in (log.home / "dlt").rglob("*"):
        assert not path.is_file() or b"canary" not in path.read_bytes()


def test_a_log_that_never_rests_is_read_all_the_same(log: Folder) -> None:
    append(log, lines(*range(50)))
    ended = threading.Event()

    def write_on() -> None:
        number = 50
        while not ended.is_set():
            append(log, lines(number))
            number += 1

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        loaded = log.load()
    finally:
        ended.set()
        writer.join()
    assert loaded.read >= 50 and loaded.in_quarantine == 0
    log.load()
    total = len((log.path / "one.jsonl").read_text().splitlines())
    assert [row[0] for row in log.live()] == list(range(total))


def test_only_lines_can_be_appended(folder: Declare) -> None:
    with pytest.raises(ValidationError, match="only a jsonl file can be append_only"):
        folder(glob="*.csv", format="csv", append_only=True, primary_key=["id"])


def test_a_folder_of_our_own_needs_no_address_and_may_not_be_there_yet(tmp_path: Path) -> None:
    assert "SOURCES__OWN__URL" not in os.environ
    source = {
        "description": "Own",
        "owner": "team:own",
        "schedule": "0 * * * *",
        "kind": "files",
        "home_folder": "log",
        "tables": {"rows": {"glob": "*.jsonl", "format": "jsonl", "primary_key": ["id"]}},
    }
    spec = SourcesFile.model_validate({"sources": {"own": source}}).sources["own"]
    for _ in range(2):
        assert load_source("own", spec, tmp_path).tables["rows"].read == 0
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "one.jsonl").write_text(lines(1), encoding="utf-8")
    assert load_source("own", spec, tmp_path).tables["rows"].read == 1
    assert raw(tmp_path, "select name from own.rows") == [("a",)]
