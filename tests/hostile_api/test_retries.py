"""What is tried again, how often and after how long."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from ingestion.errors import HttpFault
from ingestion.http.retry_after import retry_after
from tests.hostile_api.conftest import TOKEN, Caller, Clock, declare
from tests.hostile_api.server import Answer, Script, Server, as_json

Serve = Callable[[Script], Server]
GOOD = as_json({"data": [{"id": 1}]})


def in_turn(*answers: Answer) -> Script:
    """The answers one after another; the last for ever."""
    waiting: Iterator[Answer] = iter(answers)
    return lambda seen: next(waiting, answers[-1])


FAULTS = {
    "an error of the server": Answer(status=503),
    "a broken connection": Answer(hang_up=True),
    "a body that ends early": Answer(body=b'{"data": [{"id"', promise=500),
    "JSON that ends early": Answer(body=b'{"data": [{"id": 1}'),
    "HTML with status 200": Answer(body=b"<html>maintenance</html>"),
    "JSON without rows": as_json({"error": "overloaded"}),
    "rows that are no objects": as_json({"data": ["overloaded"]}),
    "bytes that are no text": Answer(body=b'{"data": [{"id": "\xff"}]}'),
    "JSON that nests without end": Answer(body=b"[" * 100_000),
    "a body that is not gzip": Answer(body=b"plain", headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_is_tried_again(fault: str, serve: Serve, caller: Caller) -> None:
    server = serve(in_turn(FAULTS[fault], FAULTS[fault], GOOD))
    assert caller.read(server) == [{"id": 1}]
    assert len(server.seen) == 3


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_stays_is_told_in_one_line(fault: str, serve: Serve, caller: Caller) -> None:
    server = serve(in_turn(FAULTS[fault]))
    with pytest.raises(HttpFault) as caught:
        caller.read(server)
    message = str(caught.value)
    assert len(server.seen) == 3
    assert message.startswith(server.url.removeprefix("http://"))
    assert "tried 3 times" in message and "circuit breaker closed, 3 of 5" in message
    assert "\n" not in message and "overloaded" not in message and "maintenance" not in message
    assert caught.value.__cause__ is None and caught.value.__context__ is None


def test_waits_grow_and_differ(serve: Serve, caller: Caller, tmp_path: Path) -> None:
    other = Caller(tmp_path / "other", clock=Clock())
    for one in (caller, other):
        with pytest.raises(HttpFault):
            one.read(serve(in_turn(Answer(status=500))))
    first, second = caller.clock.slept
    assert 0.5 <= first <= 1.0 <= second <= 1.5
    assert caller.clock.slept != other.clock.slept


def test_a_server_that_says_nothing_is_given_up(serve: Serve, caller: Caller) -> None:
    server = serve(in_turn(Answer(hang=True)))
    with pytest.raises(HttpFault, match="did not answer in 1 s; tried 3 times"):
        caller.read(server, declare(timeout="1s"))


def test_a_body_that_trickles_is_given_up(serve: Serve, caller: Caller) -> None:
    caller.clock.tick = 301
    server = serve(in_turn(Answer(body=[b'{"data": [', b"]}"])))
    with pytest.raises(HttpFault, match="took too long to send an answer"):
        caller.read(server)


def test_a_refused_request_is_not_repeated(serve: Serve, caller: Caller) -> None:
    server = serve(in_turn(Answer(status=403, body=b"no ann@example.com")))
    with pytest.raises(HttpFault, match=r"refused our credentials \(HTTP 403\)") as caught:
        caller.read(server)
    assert len(server.seen) == 1
    assert "ann@" not in str(caught.value)


def test_throttling_waits_as_long_as_it_is_asked_to(serve: Serve, caller: Caller) -> None:
    throttled = Answer(status=429, headers={"Retry-After": "7"})
    server = serve(in_turn(*[throttled] * 6, GOOD))
    assert caller.read(server) == [{"id": 1}]
    assert min(caller.clock.slept) == 7
    assert any("throttles us (HTTP 429); trying again in 7.0 s" in told for told in caller.told)
    assert caller.adapter is not None and caller.adapter.report().throttled == 6


def test_a_date_is_a_wait_too_by_the_servers_own_clock(serve: Serve, caller: Caller) -> None:
    hour_ahead = caller.clock.instant + timedelta(hours=1)
    headers = {
        "Date": format_datetime(hour_ahead, usegmt=True),
        "Retry-After": format_datetime(hour_ahead + timedelta(seconds=20), usegmt=True),
    }
    server = serve(in_turn(Answer(status=429, headers=headers), GOOD))
    assert caller.read(server) == [{"id": 1}]
    assert caller.clock.slept == [20]


def test_a_wait_beyond_the_declared_one_is_an_error_at_once(serve: Serve, caller: Caller) -> None:
    server = serve(in_turn(Answer(status=429, headers={"Retry-After": "3600"})))
    with pytest.raises(HttpFault, match="wants 3600 s of waiting, more than the declared max_wait"):
        caller.read(server, declare(max_wait="1m"))
    assert caller.clock.slept == []


def test_throttling_without_end_is_an_error(serve: Serve, caller: Caller) -> None:
    server = serve(in_turn(Answer(status=429, headers={"Retry-After": "0"})))
    with pytest.raises(HttpFault, match="more than the declared max_wait of 60 s"):
        caller.read(server, declare(max_wait="1m"))
    assert sum(caller.clock.slept) <= 60


@pytest.mark.parametrize("told", ["", "soon", "-5", "1e9", "nan", "99999999999", "Mon, 99 Foo"])
def test_a_wait_that_cannot_be_read_is_none(told: str) -> None:
    assert retry_after({"Retry-After": told}, Clock().instant) is None


def test_calls_stay_below_the_declared_rate(serve: Serve, caller: Caller) -> None:
    moments: list[float] = []

    def script(seen: object) -> Answer:
        moments.append(caller.clock.instant.timestamp())
        page = len(moments)
        return as_json({"data": [{"id": page}], "next_cursor": page if page < 20 else None})

    spec = declare(paginator={"type": "cursor"}, rate_limit={"calls": 3, "per": "2s"})
    assert len(caller.read(serve(script), spec)) == 20
    windows = zip(moments, moments[3:], strict=False)
    assert min(later - first for first, later in windows) >= 2


def test_no_error_holds_a_credential(serve: Serve, caller: Caller) -> None:
    auth = {"type": "api_key", "name": "key", "location": "query"}
    for answer in (Answer(hang_up=True), Answer(status=500), Answer(status=401)):
        with pytest.raises(HttpFault) as caught:
            caller.read(serve(in_turn(answer)), declare(auth=auth))
        assert TOKEN not in repr(caught.value) and caught.value.__context__ is None
