"""Rows that wait in quarantine are asked for one by one, where an API shows single rows."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from ingestion.errors import SourceFailed, SourcesFileError
from ingestion.http.timing import Timing
from ingestion.load import load_source
from ingestion.retry import retry
from ingestion.sources_file import read_sources
from ingestion.spec import RestApiSource
from tests.hostile_api.conftest import declare
from tests.hostile_api.server import Answer, Script, Seen, Server, as_json
from tests.ingestion.conftest import raw

LIVE = "select id, price from own.items where _deleted_at is null order by id"
WAITING = "select row_key from own._quarantine order by 1"
ROWS: dict[str, Any] = {key: {"id": key, "price": 1} for key in ("a", "b/c?d", "e", "f")}
BAD = {"b/c?d", "e", "f"}


@pytest.fixture
def items(serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Items":
    """Four loaded rows, of which three then turned bad and wait."""
    loaded = Items(tmp_path, dict(ROWS))
    loaded.server = serve(loaded.answer)
    monkeypatch.setenv("SOURCES__OWN__URL", loaded.server.url)
    loaded.load()
    loaded.rows |= {key: {"id": key, "price": "x"} for key in BAD}
    loaded.load()
    assert raw(tmp_path, WAITING) == [(key,) for key in sorted(BAD)]
    loaded.rows |= {key: {"id": key, "price": 2} for key in BAD}
    loaded.server.seen.clear()
    return loaded


class Items:
    """An API of a listing and of single rows, which a test may change."""

    def __init__(self, home: Path, rows: dict[str, Any]) -> None:
        self.home, self.rows = home, rows
        self.server: Server
        self.single: Script = self.honest

    def answer(self, seen: Seen) -> Answer:
        """The listing, or a single row."""
        if seen.path == "/items":
            return as_json({"data": list(self.rows.values())})
        return self.single(seen)

    def honest(self, seen: Seen) -> Answer:
        """The row with this key, or 404."""
        row = self.rows.get(unquote(seen.path.removeprefix("/items/")))
        return Answer(404) if row is None else as_json({"item": row})

    @property
    def spec(self) -> RestApiSource:
        """The declaration."""
        price = {"type": "integer"}
        return declare(
            {"row_path": "/items/{id}", "row_data": "item", "row": {"price": price}}, timeout="1s"
        )

    def load(self) -> None:
        """An ordinary load."""
        load_source("own", self.spec, self.home)

    def retry(self) -> dict[str, int]:
        """How many rows still wait after a retry."""
        return retry("own", self.spec, self.home).waiting


def test_only_the_waiting_rows_are_asked_for_by_keys_of_any_letters(items: Items) -> None:
    assert items.retry() == {"items": 0}
    assert {seen.path for seen in items.server.seen} == {
        "/items/b%2Fc%3Fd",
        "/items/e",
        "/items/f",
    }
    assert raw(items.home, LIVE) == [("a", 1), ("b/c?d", 2), ("e", 2), ("f", 2)]


@pytest.mark.parametrize("status", [404, 410])
def test_a_row_that_is_gone_leaves_raw_and_quarantine(items: Items, status: int) -> None:
    items.single = lambda seen: Answer(status) if seen.path == "/items/e" else items.honest(seen)
    assert items.retry() == {"items": 0}
    assert raw(items.home, LIVE) == [("a", 1), ("b/c?d", 2), ("f", 2)]


def test_a_row_that_is_still_bad_goes_on_waiting(items: Items) -> None:
    items.rows["e"] = {"id": "e", "price": "still bad"}
    assert items.retry() == {"items": 1}
    assert raw(items.home, WAITING) == [("e",)]
    assert raw(items.home, LIVE) == [("a", 1), ("b/c?d", 2), ("e", 1), ("f", 2)]


def test_an_address_that_shows_no_row_at_all_deletes_none_and_the_api_is_listed(
    items: Items,
) -> None:
    items.single = lambda seen: Answer(404)
    assert items.retry() == {"items": 0}
    assert raw(items.home, LIVE) == [("a", 1), ("b/c?d", 2), ("e", 2), ("f", 2)]


@pytest.mark.parametrize(
    "answer",
    [
        as_json({"item": {"id": "other", "price": 2}}),
        as_json({"item": [{"id": "e", "price": 2}]}),
        as_json({"data": {"id": "e", "price": 2}}),
        Answer(403),
        Answer(301, headers={"Location": "http://127.0.0.1:1/items/e"}),
    ],
    ids=["another row", "a list", "another shape", "refused", "sent elsewhere"],
)
def test_an_answer_that_is_not_the_row_changes_nothing(
    items: Items, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    impatient = Timing(sleep=lambda seconds: None)
    monkeypatch.setattr("ingestion.rest_api.system_timing", lambda: impatient)
    items.single = lambda seen: answer if seen.path == "/items/e" else items.honest(seen)
    before = raw(items.home, LIVE)
    with pytest.raises(SourceFailed):
        items.retry()
    assert raw(items.home, LIVE) == before
    assert raw(items.home, WAITING) == [(key,) for key in sorted(BAD)]


def test_more_rows_than_are_worth_a_request_each_are_listed(
    items: Items, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestion.retry.SINGLE_ROWS", 2)
    assert items.retry() == {"items": 0}
    assert {seen.path for seen in items.server.seen} == {"/items"}


def test_a_path_that_does_not_name_the_key_is_refused_with_what_to_write(tmp_path: Path) -> None:
    file = tmp_path / "sources.yaml"
    file.write_text(
        "sources: {own: {kind: rest_api, description: d, owner: 'team:d', schedule: 0 * * * *, "
        "paginator: {type: single_page}, tables: {items: {path: /items, row_path: '/items/{key}', "
        "primary_key: [id]}}}}"
    )
    with pytest.raises(SourcesFileError, match=r"write /items/\{id\}"):
        read_sources(file)
