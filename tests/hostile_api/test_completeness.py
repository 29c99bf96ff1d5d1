"""Pages that do not add up end in an error, in every style of pagination."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.errors import HttpFault, ListingChanged
from tests.hostile_api.conftest import Caller, declare
from tests.hostile_api.listing import SIZE, STYLES, Listing, Row
from tests.hostile_api.server import Answer, Script, Seen, Server, as_json, serving

Serve = Callable[[Script], Server]
TOTAL = {"total_path": "total"}
SHIFTING = ("offset", "page_number")
FOLLOWING = ("cursor", "json_link", "header_link")


def rows(number: int) -> list[Row]:
    return [{"id": key, "v": 0, "changed_at": f"{key:04}"} for key in range(number)]


def read(caller: Caller, server: Server, style: str, **completeness: Any) -> list[int]:
    spec = declare(paginator=STYLES[style], completeness=completeness)
    return [row["id"] for row in caller.read(server, spec)]


def on_request(number: int, **change: Any) -> Callable[[int, dict[str, Any]], dict[str, Any]]:
    """Spoil one page."""
    return lambda request, page: {**page, **change} if request == number else page


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("number", [0, 1, 2, 3, 6, 8])
@pytest.mark.parametrize(
    "declared", [{}, TOTAL, {"has_more_path": "has_more"}, {**TOTAL, "page_size": SIZE}]
)
def test_an_honest_listing_arrives_whole_and_in_order(
    style: str, number: int, declared: dict[str, Any], serve: Serve, caller: Caller
) -> None:
    server = serve(Listing(style, rows(number)))
    assert read(caller, server, style, **declared) == list(range(number))


@pytest.mark.parametrize("style", STYLES)
def test_an_empty_page_in_the_middle_is_no_silent_gap(
    style: str, serve: Serve, caller: Caller
) -> None:
    server = serve(Listing(style, rows(12), spoil=on_request(2, data=[])))
    with pytest.raises(ListingChanged, match="promised 12 rows and gave|in the middle"):
        read(caller, server, style, **TOTAL)


@pytest.mark.parametrize("style", SHIFTING)
def test_an_empty_page_is_no_end_even_without_a_total(
    style: str, serve: Serve, caller: Caller
) -> None:
    def spoil(request: int, page: dict[str, Any]) -> dict[str, Any]:
        is_second = bool(page["data"]) and page["data"][0]["id"] == SIZE
        return {**page, "data": []} if is_second else page

    server = serve(Listing(style, rows(12), spoil=spoil))
    try:
        assert SIZE not in read(caller, server, style)
        pytest.fail("a gap was not told")
    except ListingChanged as error:
        assert "in the middle" in str(error)


@pytest.mark.parametrize("style", STYLES)
def test_a_last_page_that_is_too_short_is_told(style: str, serve: Serve, caller: Caller) -> None:
    server = serve(Listing(style, rows(6), spoil=on_request(2, data=rows(6)[3:5])))
    with pytest.raises(ListingChanged, match="promised 6 rows and gave 5"):
        read(caller, server, style, **TOTAL)


@pytest.mark.parametrize("style", STYLES)
def test_a_short_page_in_the_middle_is_told_by_the_page_size(
    style: str, serve: Serve, caller: Caller
) -> None:
    server = serve(Listing(style, rows(9), spoil=on_request(2, data=rows(9)[3:5])))
    with pytest.raises(ListingChanged, match="less than 3 rows in the middle"):
        read(caller, server, style, page_size=SIZE)


@pytest.mark.parametrize("style", STYLES)
def test_a_repeated_page_is_told(style: str, serve: Serve, caller: Caller) -> None:
    server = serve(Listing(style, rows(9), spoil=on_request(3, data=rows(9)[3:6])))
    with pytest.raises(ListingChanged, match=r"gave a page again \(page 3\)"):
        read(caller, server, style)


@pytest.mark.parametrize("style", FOLLOWING)
def test_a_next_page_that_repeats_is_told(style: str, serve: Serve, caller: Caller) -> None:
    seen: list[Any] = []

    def spoil(request: int, page: dict[str, Any]) -> dict[str, Any]:
        seen.append(page["next"])
        # New rows each time: only the address repeats.
        data = [{"id": request * SIZE + offset, "v": request} for offset in range(SIZE)]
        return {**page, "data": data, "next": seen[0]}

    server = serve(Listing(style, rows(9), spoil=spoil))
    with pytest.raises(ListingChanged, match="leads back to a page that was read"):
        read(caller, server, style)


@pytest.mark.parametrize("style", STYLES)
def test_a_set_that_shrinks_while_it_is_read_is_told(
    style: str, serve: Serve, caller: Caller
) -> None:
    def shrink(request: int, served: list[Row]) -> None:
        if request == 2:
            del served[0]

    server = serve(Listing(style, rows(9), before=shrink))
    with pytest.raises(ListingChanged, match="shrank from 9 to 8 rows"):
        read(caller, server, style, **TOTAL)


@pytest.mark.parametrize("style", SHIFTING)
def test_a_set_that_shrinks_is_told_even_without_a_total(
    style: str, serve: Serve, caller: Caller
) -> None:
    def shrink(request: int, served: list[Row]) -> None:
        if request == 2:
            del served[0]

    server = serve(Listing(style, rows(8), before=shrink))
    with pytest.raises(ListingChanged, match="changed while it was read"):
        read(caller, server, style)


@pytest.mark.parametrize("style", SHIFTING)
def test_a_row_that_moves_to_the_end_is_told(style: str, serve: Serve, caller: Caller) -> None:
    def move(request: int, served: list[Row]) -> None:
        if request == 2:
            served.append({**served.pop(0), "v": 1})

    server = serve(Listing(style, rows(9), before=move))
    with pytest.raises(ListingChanged, match="promised 9 rows and gave 8"):
        read(caller, server, style, **TOTAL)


@pytest.mark.parametrize("style", STYLES)
def test_more_that_is_promised_but_not_given_is_told(
    style: str, serve: Serve, caller: Caller
) -> None:
    change = {"data": [], "next": None, "has_more": True}
    server = serve(Listing(style, rows(9), spoil=on_request(2, **change)))
    with pytest.raises(ListingChanged, match="says that there is more, but not where"):
        read(caller, server, style, has_more_path="has_more")


@pytest.mark.parametrize("declared", [TOTAL, {"has_more_path": "has_more"}])
def test_a_declared_sign_that_is_missing_is_told(
    declared: dict[str, Any], serve: Serve, caller: Caller
) -> None:
    server = serve(lambda seen: as_json({"data": [{"id": 1}]}))
    with pytest.raises(ListingChanged, match="tells no"):
        read(caller, server, "cursor", **declared)


@pytest.mark.parametrize("status", [400, 404, 416, 422])
def test_an_api_may_refuse_the_page_after_the_last(
    status: int, serve: Serve, caller: Caller
) -> None:
    listing = Listing("page_number", rows(6))

    def script(seen: Seen) -> Answer:
        return listing(seen) if int(seen.query["page"]) < 3 else Answer(status=status)

    assert read(caller, serve(script), "page_number", **TOTAL) == list(range(6))


def test_an_api_may_give_its_last_page_again_after_the_end(serve: Serve, caller: Caller) -> None:
    listing = Listing("page_number", rows(6))

    def script(seen: Seen) -> Answer:
        last = min(int(seen.query["page"]), 2)
        return listing(Seen("GET", seen.path, {"page": str(last)}, {}, b""))

    assert read(caller, serve(script), "page_number", **TOTAL) == list(range(6))


def test_a_missing_page_in_the_middle_is_an_error(serve: Serve, caller: Caller) -> None:
    listing = Listing("page_number", rows(9))

    def script(seen: Seen) -> Answer:
        return Answer(status=404) if seen.query["page"] == "2" else listing(seen)

    for declared in ({}, TOTAL):
        with pytest.raises(HttpFault, match="404"):
            read(caller, serve(script), "page_number", **declared)


@pytest.mark.parametrize("following", [True, {"a": 1}, [1]])
def test_a_next_page_that_is_no_text_is_an_error(
    following: Any, serve: Serve, caller: Caller
) -> None:
    server = serve(lambda seen: as_json({"data": [{"id": 1}], "next": following}))
    with pytest.raises(HttpFault, match="names a next page at next that is no text"):
        read(caller, server, "json_link")


@pytest.mark.parametrize("following", [7, "http://[bad"])
def test_a_next_page_that_cannot_be_read_is_an_error(
    following: Any, serve: Serve, caller: Caller
) -> None:
    server = serve(lambda seen: as_json({"data": [{"id": 1}], "next": following}))
    with pytest.raises(ListingChanged):
        read(caller, server, "json_link")


FAULTS = st.sampled_from(
    ("error", "cut", "empty", "short", "repeat", "same_next", "no_next", "delete", "move", "insert")
)


class Random:
    """Serves a listing with faults at drawn requests."""

    def __init__(self, style: str, number: int, faults: list[tuple[int, str, int]]) -> None:
        self.listing = Listing(style, rows(number), before=self.before, spoil=self.spoil)
        self.ever = set(range(number))
        self.faults = faults
        self.pages: list[dict[str, Any]] = []
        self.requests = 0

    def __call__(self, seen: Seen) -> Answer:
        self.requests += 1
        kinds = {kind for at, kind, _ in self.faults if at == self.requests}
        answer = self.listing(seen)
        if "error" in kinds:
            return Answer(status=503)
        if "cut" in kinds and isinstance(answer.body, bytes):
            return Answer(body=answer.body[:-2], headers=answer.headers)
        return answer

    def before(self, request: int, served: list[Row]) -> None:
        for at, kind, pick in self.faults:
            if at != request or (kind != "insert" and not served):
                continue
            place = pick % (len(served) or 1)
            if kind == "delete":
                del served[place]
            elif kind == "move":
                served.append({**served.pop(place), "v": request, "changed_at": f"9{request:03}"})
            elif kind == "insert":
                key = 100 + len(self.ever)
                self.ever.add(key)
                served.append({"id": key, "v": 0, "changed_at": f"9{request:03}"})
        served.sort(key=lambda row: (row["changed_at"], row["id"]))

    def spoil(self, request: int, page: dict[str, Any]) -> dict[str, Any]:
        for at, kind, pick in self.faults:
            if at != request:
                continue
            if kind == "empty":
                page = {**page, "data": []}
            elif kind == "short" and page["data"]:
                kept = [row for i, row in enumerate(page["data"]) if i != pick % len(page["data"])]
                page = {**page, "data": kept}
            elif kind == "repeat" and self.pages:
                page = {**page, "data": self.pages[-1]["data"]}
            elif kind == "same_next" and self.pages:
                page = {**page, "next": self.pages[-1]["next"]}
            elif kind == "no_next":
                page = {**page, "next": None}
        self.pages.append(page)
        return page


@pytest.fixture(scope="module")
def shared() -> Any:
    """One server for all examples."""
    with serving(lambda seen: Answer(status=500)) as server:
        yield server


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """A home for each example: one example's failures open no breaker for the next."""
    numbers = count()
    folder = tmp_path_factory.mktemp("homes")
    return lambda: folder / str(next(numbers))


@settings(max_examples=300)
@given(
    style=st.sampled_from(sorted(STYLES)),
    number=st.integers(0, 14),
    faults=st.lists(st.tuples(st.integers(1, 7), FAULTS, st.integers(0, 13)), max_size=3),
    page_size=st.sampled_from([None, SIZE]),
    has_total=st.booleans(),
)
def test_any_listing_with_any_faults_yields_its_rows_or_an_error(
    style: str,
    number: int,
    faults: list[tuple[int, str, int]],
    page_size: int | None,
    has_total: bool,
    shared: Server,
    homes: Callable[[], Path],
) -> None:
    if not has_total and style in SHIFTING:
        # Two faults can spoil both readings alike, which nothing but a total can tell.
        faults = faults[:1]
    kinds = {kind for _, kind, _ in faults}
    declared: dict[str, Any] = {"page_size": page_size}
    if has_total or style in FOLLOWING:
        declared |= TOTAL
    if "delete" in kinds and "insert" in kinds:
        declared["confirm"] = True
    server = Random(style, number, faults)
    shared.script = server
    try:
        read_keys = set(read(Caller(homes()), shared, style, **declared))
    except (HttpFault, ListingChanged):
        assert faults
        return
    left = {row["id"] for row in server.listing.rows}
    late = {row["id"] for row in server.listing.rows if row["id"] >= 100}
    assert left - late <= read_keys <= server.ever


@pytest.mark.parametrize("end", [None, ""])
def test_an_empty_link_is_an_end(end: str | None, serve: Serve, caller: Caller) -> None:
    server = serve(lambda seen: as_json({"data": [{"id": 1}], "next": end}))
    assert read(caller, server, "json_link") == [1]
