"""A host that keeps failing is left alone for a while, by every process."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from ingestion.errors import HttpFault
from ingestion.http.breaker import Breaker
from tests.hostile_api.conftest import Caller, Clock
from tests.hostile_api.server import Answer, Script, Server, as_json

Serve = Callable[[Script], Server]
GOOD = as_json({"data": [{"id": 1}]})


def failing(serve: Serve) -> Server:
    return serve(lambda seen: Answer(status=503))


def open_breaker(caller: Caller, server: Server) -> None:
    for _ in range(2):
        with pytest.raises(HttpFault):
            caller.read(server)


def test_it_opens_after_five_failures_in_a_row(serve: Serve, caller: Caller) -> None:
    server = failing(serve)
    with pytest.raises(HttpFault, match="circuit breaker closed, 3 of 5 failures"):
        caller.read(server)
    with pytest.raises(HttpFault, match="HTTP 503; tried 2 times; circuit breaker open after 5"):
        caller.read(server)
    assert len(server.seen) == 5
    with pytest.raises(HttpFault, match="was not asked; circuit breaker open after 5 failures"):
        caller.read(server)
    assert len(server.seen) == 5
    assert any("circuit breaker open" in told for told in caller.told)


def test_after_a_pause_one_success_closes_it(serve: Serve, caller: Caller) -> None:
    server = failing(serve)
    open_breaker(caller, server)
    caller.clock.instant += timedelta(seconds=30)
    server.script = lambda seen: GOOD
    assert caller.read(server) == [{"id": 1}]
    assert caller.adapter is not None
    (state,) = caller.adapter.report().breakers.values()
    assert state == "circuit breaker closed, 0 of 5 failures in a row"
    assert any("half-open, trying one request" in told for told in caller.told)


def test_after_a_pause_one_failure_opens_it_again(serve: Serve, caller: Caller) -> None:
    server = failing(serve)
    open_breaker(caller, server)
    caller.clock.instant += timedelta(seconds=31)
    with pytest.raises(HttpFault, match="tried 1 time; circuit breaker open after 6 failures"):
        caller.read(server)
    assert len(server.seen) == 6


def test_a_success_between_failures_starts_the_count_again(serve: Serve, caller: Caller) -> None:
    turns = iter([503, 503, 200] * 4)
    server = serve(lambda seen: GOOD if (status := next(turns)) == 200 else Answer(status=status))
    for _ in range(4):
        caller.read(server)
    assert len(server.seen) == 12


def test_refusing_and_throttling_are_no_failures_of_the_host(serve: Serve, caller: Caller) -> None:
    server = serve(lambda seen: Answer(status=404))
    for _ in range(6):
        with pytest.raises(HttpFault, match="refused the request"):
            caller.read(server)
    assert len(server.seen) == 6
    turns = iter([429] * 6)
    server = serve(lambda seen: Answer(status=next(turns)) if len(server.seen) < 7 else GOOD)
    assert caller.read(server) == [{"id": 1}]


def test_one_hosts_failures_leave_another_alone(serve: Serve, caller: Caller) -> None:
    open_breaker(caller, failing(serve))
    assert caller.read(serve(lambda seen: GOOD)) == [{"id": 1}]


def test_a_clock_that_was_set_back_does_not_keep_it_open(tmp_path: Path) -> None:
    clock = Clock()
    breaker = Breaker("api.example.com", tmp_path, clock.timing, lambda message: None)
    for _ in range(5):
        breaker.failed()
    assert breaker.state == "open"
    clock.instant -= timedelta(hours=1)
    assert breaker.state == "half-open"


def test_a_damaged_memory_is_no_memory(tmp_path: Path) -> None:
    breaker = Breaker("api.example.com", tmp_path, Clock().timing, lambda message: None)
    for _ in range(5):
        breaker.failed()
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"{")
    assert breaker.state == "closed"
