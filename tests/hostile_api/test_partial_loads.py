"""A load of an API into raw: in durable parts, repeated where it changed, told where it failed."""

import json
import os
import re
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingestion.errors import SourceFailed
from ingestion.load import load_source
from ingestion.report import LoadReport
from ingestion.spec import RestApiSource
from tests.grounded import environment, warm
from tests.hostile_api.conftest import TOKEN, Clock, declare
from tests.hostile_api.listing import SIZE, STYLES, Listing, Row
from tests.hostile_api.server import Answer, Script, Seen, Server

Serve = Callable[[Script], Server]
START = datetime(2026, 1, 1, tzinfo=UTC)


def rows(number: int, *, ties: int = 1) -> list[Row]:
    moments = [START + timedelta(minutes=key // ties) for key in range(number)]
    return [{"id": key, "changed_at": moments[key].isoformat()} for key in range(number)]


def table(**more: Any) -> dict[str, Any]:
    return {
        "cursor": {"column": "changed_at", "param": "since", "overlap": "10m"},
        "row": {"id": {"type": "integer"}, "changed_at": {"type": "timestamp"}},
        "completeness": {"total_path": "total", "page_size": SIZE},
        "ordered": True,
        "checkpoint_pages": 4,
        **more,
    }


class Home:
    """Loads the source ``own`` from a server."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.told: list[str] = []
        self._monkeypatch = monkeypatch
        clock = Clock()
        monkeypatch.setattr("ingestion.rest_api.system_timing", lambda: clock.timing)

    def load(self, server: Server, spec: RestApiSource) -> LoadReport:
        """Load it."""
        self._monkeypatch.setenv("SOURCES__OWN__URL", server.url)
        return load_source("own", spec, self.path, on_progress=self.told.append)

    def raw(self, query: str = "select id from own.items order by id") -> list[Any]:
        """Ask the warehouse."""
        with duckdb.connect(str(self.path / "warehouse.duckdb"), read_only=True) as connection:
            return [row[0] for row in connection.execute(query).fetchall()]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home of this test's own, in which waiting takes no time."""
    return Home(tmp_path, monkeypatch)


@pytest.mark.parametrize("style", ["cursor", "page_number"])
def test_a_long_listing_arrives_in_durable_parts(style: str, serve: Serve, home: Home) -> None:
    server = serve(Listing(style, rows(40)))
    report = home.load(server, declare(table(), paginator=STYLES[style]))
    assert home.raw() == list(range(40))
    assert len(report.load_ids) >= 3 and report.unfinished == []
    assert report.tables["items"].rows == 40
    assert report.tables["items"].watermark is not None
    assert report.http is not None and report.http.requests == len(server.seen)
    assert report.http.told().startswith(f"{len(server.seen)} requests, 0 failed, 0 throttled")
    assert "circuit breaker closed" in report.http.told()
    assert any("a part is durable" in told for told in home.told)


def test_the_load_after_a_long_one_reads_the_overlap_alone(serve: Serve, home: Home) -> None:
    spec = declare(table(), paginator=STYLES["cursor"])
    server = serve(Listing("cursor", rows(40)))
    home.load(server, spec)
    assert home.load(server, spec).tables["items"].read == 11


def test_more_ties_than_a_part_holds_do_not_stop_a_load(serve: Serve, home: Home) -> None:
    spec = declare(table(checkpoint_pages=1), paginator=STYLES["cursor"])
    home.load(serve(Listing("cursor", rows(24, ties=8))), spec)
    assert home.raw() == list(range(24))


def test_an_api_may_exclude_the_instant_that_it_is_asked_for(serve: Serve, home: Home) -> None:
    listing = Listing("cursor", rows(24, ties=2))

    def script(seen: Seen) -> Answer:
        since = seen.query.get("since")
        query = {**seen.query, "since": f"{since}~"} if since else seen.query
        return listing(Seen(seen.method, seen.path, query, seen.headers, seen.body))

    home.load(serve(script), declare(table(checkpoint_pages=2), paginator=STYLES["cursor"]))
    assert home.raw() == list(range(24))


def test_killed_in_page_400_of_900_the_next_load_goes_on_from_there(
    serve: Serve, home: Home, tmp_path: Path
) -> None:
    spec = declare(table(checkpoint_pages=100), paginator=STYLES["cursor"])
    declaration = tmp_path / "own.json"
    plain = json.loads(spec.model_dump_json(exclude_defaults=True))
    plain |= {"kind": "rest_api", "auth": {"type": "none"}}
    plain["tables"]["items"]["cursor"] = table()["cursor"]
    declaration.write_text(json.dumps(plain), encoding="utf-8")
    listing = Listing("cursor", rows(900 * SIZE))
    process: list[int] = []

    def script(seen: Seen) -> Answer:
        if listing.requests == 400 and process:
            os.kill(process.pop(), signal.SIGKILL)
        return listing(seen)

    server = serve(script)
    loader = warm().start(
        [str(declaration), str(tmp_path)],
        environment(tmp_path, SOURCES__OWN__URL=server.url),
        entry="tests.hostile_api.load_and_die:main",
    )
    process.append(loader.process)
    assert loader.wait() == -signal.SIGKILL
    durable = len(home.raw())
    assert 0 < durable < 400 * SIZE
    assert home.raw("select watermark from own._watermarks") == []
    before = len(server.seen)
    report = home.load(server, spec)
    assert home.raw() == list(range(900 * SIZE))
    assert "since" in server.seen[before].query
    assert report.tables["items"].read <= 900 * SIZE - durable + 10 * SIZE
    assert report.tables["items"].watermark is not None


def test_a_listing_that_changed_is_read_again(serve: Serve, home: Home) -> None:
    def empty_once(request: int, page: dict[str, Any]) -> dict[str, Any]:
        return {**page, "data": [], "next": None} if request == 2 else page

    spec = declare(table(), paginator=STYLES["cursor"])
    home.load(serve(Listing("cursor", rows(20), spoil=empty_once)), spec)
    assert home.raw() == list(range(20))
    assert any("reading it again" in told for told in home.told)


def test_a_listing_that_keeps_changing_fails_and_moves_nothing(serve: Serve, home: Home) -> None:
    spec = declare(table(ordered=False), paginator=STYLES["cursor"])
    home.load(serve(Listing("cursor", rows(9))), spec)
    held = home.raw("select watermark from own._watermarks")

    def lose(request: int, page: dict[str, Any]) -> dict[str, Any]:
        return {**page, "data": page["data"][1:]}

    with pytest.raises(SourceFailed, match="the listing of items at /items has a page of less"):
        home.load(serve(Listing("cursor", rows(20), spoil=lose)), spec)
    assert home.raw() == list(range(9))
    assert home.raw("select watermark from own._watermarks") == held


def test_rows_out_of_the_declared_order_are_an_error(serve: Serve, home: Home) -> None:
    listing = Listing("page_number", list(reversed(rows(9))))
    spec = declare(table(), paginator=STYLES["page_number"])
    with pytest.raises(SourceFailed, match="is not in the order of changed_at"):
        home.load(serve(listing), spec)


def test_a_failure_is_told_in_one_line_with_the_breakers_state(serve: Serve, home: Home) -> None:
    server = serve(lambda seen: Answer(status=502, body=b"ann@example.com"))
    with pytest.raises(SourceFailed) as caught:
        home.load(server, declare())
    place = server.url.removeprefix("http://")
    told, instant = str(caught.value), r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"
    assert re.sub(instant, "THEN", told) == (
        f"source own: {place} answered HTTP 502; tried 3 times; circuit breaker closed, "
        "3 of 5 failures in a row; failing since THEN (the last load); "
        "nothing of it has been loaded yet"
    )


def test_the_breaker_outlives_a_load(serve: Serve, home: Home) -> None:
    server = serve(lambda seen: Answer(status=502))
    for _ in range(3):
        with pytest.raises(SourceFailed, match="circuit breaker") as caught:
            home.load(server, declare())
    assert len(server.seen) == 5
    assert "was not asked; circuit breaker open after 5 failures in a row" in str(caught.value)


@pytest.mark.parametrize("answer", [Answer(status=500), Answer(hang_up=True), Answer(body=b"<")])
def test_a_failed_load_leaves_no_credential_on_disk(
    answer: Answer, serve: Serve, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__OWN__TOKEN", TOKEN)
    auth = {"type": "api_key", "name": "key", "location": "query"}
    server = serve(lambda seen: answer)
    with pytest.raises(SourceFailed):
        home.load(server, declare(auth=auth))
    assert server.seen[0].query == {"key": TOKEN}
    files = [path for path in home.path.rglob("*") if path.is_file()]
    assert files and [path for path in files if TOKEN.encode() in path.read_bytes()] == []


def test_a_row_that_left_a_listing_without_a_cursor_becomes_a_tombstone(
    serve: Serve, home: Home
) -> None:
    spec = declare({"row": {"id": {"type": "integer"}}}, paginator=STYLES["page_number"])
    home.load(serve(Listing("page_number", rows(8))), spec)
    home.load(serve(Listing("page_number", rows(7))), spec)
    assert home.raw("select id from own.items where _deleted_at is null order by id") == [*range(7)]


def test_an_ordered_endpoint_must_say_its_page_size() -> None:
    with pytest.raises(ValueError, match="completeness.page_size is missing"):
        declare(table(completeness={"total_path": "total"}))


def test_a_row_set_aside_from_a_late_page_is_in_quarantine(serve: Serve, home: Home) -> None:
    served = [{"id": key, "price": "none" if key == 8 else key} for key in range(9)]
    spec = declare(
        {"row": {"id": {"type": "integer"}, "price": {"type": "integer"}}},
        paginator=STYLES["page_number"],
    )
    home.load(serve(Listing("page_number", served)), spec)
    assert home.raw("select row_key from own._quarantine") == ["8"]


def test_a_part_does_not_end_on_a_page_that_may_lack_rows(serve: Serve, home: Home) -> None:
    def lose_one(request: int, page: dict[str, Any]) -> dict[str, Any]:
        return {**page, "data": page["data"][1:]} if request == 4 else page

    spec = declare(table(), paginator=STYLES["cursor"])
    home.load(serve(Listing("cursor", rows(40), spoil=lose_one)), spec)
    assert home.raw() == list(range(40))
