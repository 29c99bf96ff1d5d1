"""The helpdesk's API as a client meets it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ingestion import demo
from ingestion.demo import generate
from ingestion.demo.helpdesk import BURST, TokenBucket

Json = dict[str, object]


@pytest.fixture
def client(home: Path) -> Iterator[httpx.Client]:
    found = demo.find(home)
    assert found is not None
    headers = {"Authorization": f"Bearer {found.helpdesk_token.get_secret_value()}"}
    with httpx.Client(base_url=found.helpdesk_url, headers=headers, trust_env=False) as opened:
        yield opened


def get(client: httpx.Client, path: str, **params: str | int) -> httpx.Response:
    """The answer, asked for again while the rate limit says no."""
    while (answer := client.get(path, params=params)).status_code == 429:
        continue
    return answer


def walk(client: httpx.Client, path: str, **params: str | int) -> tuple[list[Json], list[int]]:
    """All rows, and the total that each page claimed."""
    rows: list[Json] = []
    totals: list[int] = []
    while True:
        body = get(client, path, **params).json()
        rows += body["data"]
        totals.append(body["total"])
        if body["next_cursor"] is None:
            return rows, totals
        params["cursor"] = body["next_cursor"]


@pytest.mark.parametrize("path", ["/tickets", "/comments"])
@pytest.mark.parametrize("limit", [7, 50, 200])
def test_pages_hold_every_row_exactly_once_in_order(
    client: httpx.Client, scale: float, path: str, limit: int
) -> None:
    world = generate.world(seed=7, scale=scale)
    expected = world.tickets if path == "/tickets" else world.comments
    rows, totals = walk(client, path, limit=limit)
    assert sorted(rows, key=lambda row: int(str(row["id"]))) == expected
    assert rows == sorted(rows, key=lambda row: (str(row["updated_at"]), int(str(row["id"]))))
    assert set(totals) == {len(expected)}


def test_a_single_row_is_that_of_the_listing_and_one_that_is_not_there_is_404(
    client: httpx.Client,
) -> None:
    row = get(client, "/tickets", limit=1).json()["data"][0]
    assert get(client, f"/tickets/{row['id']}").json() == {"data": row}
    assert get(client, "/tickets/999999999").status_code == 404


def test_a_page_holds_a_hundred_rows_unless_told(client: httpx.Client) -> None:
    assert len(get(client, "/tickets").json()["data"]) == 100


def test_updated_since_includes_its_own_instant(client: httpx.Client) -> None:
    rows, _ = walk(client, "/tickets")
    since = str(rows[40]["updated_at"])
    later, totals = walk(client, "/tickets", updated_since=since, limit=30)
    assert later == [row for row in rows if str(row["updated_at"]) >= since]
    assert totals[0] == len(later)


@pytest.mark.parametrize("spelling", ["{}+00:00", "{}%2B00:00", "{}Z", "{}"])
def test_updated_since_takes_any_iso_spelling(client: httpx.Client, spelling: str) -> None:
    rows, _ = walk(client, "/tickets")
    moment = str(rows[40]["updated_at"]).removesuffix("Z")
    while (answer := client.get(f"/tickets?updated_since={spelling.format(moment)}")).is_error:
        assert answer.status_code == 429
    assert answer.json()["data"][0] == rows[40]


@pytest.mark.parametrize(
    "params",
    [{"limit": "0"}, {"limit": "201"}, {"limit": "²"}, {"cursor": "x"}, {"updated_since": "now"}],
)
def test_a_wrong_argument_is_named_and_not_a_crash(
    client: httpx.Client, params: dict[str, str]
) -> None:
    answer = get(client, "/tickets", **params)
    assert answer.status_code == 400
    assert next(iter(params)) in answer.json()["error"]["message"]


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}])
def test_without_the_token_there_is_no_answer(home: Path, header: dict[str, str]) -> None:
    found = demo.find(home)
    assert found is not None
    answer = httpx.get(f"{found.helpdesk_url}/tickets", headers=header, trust_env=False)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthenticated"


def test_health_needs_no_token(home: Path) -> None:
    found = demo.find(home)
    assert found is not None
    assert httpx.get(f"{found.helpdesk_url}/health", trust_env=False).json() == {"status": "ok"}


def test_a_fast_client_is_told_to_wait(client: httpx.Client) -> None:
    answers = [client.get("/tickets", params={"limit": 1}) for _ in range(150)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert all(answer.headers["Retry-After"] == "1" for answer in refused)


def test_a_bucket_allows_its_burst_then_its_rate() -> None:
    bucket = TokenBucket(rate=50, burst=BURST)
    assert [bucket.take(100.0) for _ in range(BURST + 1)] == [True] * BURST + [False]
    assert bucket.take(100.03)
    assert not bucket.take(100.03)
    assert sum(bucket.take(500.0) for _ in range(100)) == BURST
