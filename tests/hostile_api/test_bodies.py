"""Answers that are too large are refused before they are in memory."""

import gzip
import json
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from ingestion.errors import HttpFault
from tests.hostile_api.conftest import Caller, declare
from tests.hostile_api.server import Answer, Script, Server

Serve = Callable[[Script], Server]
MEGABYTE = 1024 * 1024


def bomb() -> Answer:
    """1 GB of spaces in 1 MB, packed twice."""
    packed = gzip.compress(gzip.compress(b" " * MEGABYTE * 100) * 10)
    return Answer(body=packed, headers={"Content-Encoding": "gzip, gzip"})


def endless(sent: list[int]) -> Iterator[bytes]:
    for count in range(10 * 1024):
        sent.append(count)
        yield b" " * MEGABYTE


def test_a_gzip_bomb_is_refused_within_the_declared_memory(serve: Serve, caller: Caller) -> None:
    answer = bomb()
    server = serve(lambda seen: answer)
    tracemalloc.start()
    try:
        with pytest.raises(HttpFault, match="sent more than 8 MB in one answer; tried 1 time"):
            caller.read(server, declare(max_response_mb=8))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * MEGABYTE


def test_a_body_of_10_gb_is_refused_after_the_limit(serve: Serve, caller: Caller) -> None:
    sent: list[int] = []
    server = serve(lambda seen: Answer(body=endless(sent)))
    with pytest.raises(HttpFault, match="sent more than 64 MB in one answer"):
        caller.read(server)
    assert len(sent) < 100


def test_a_body_that_announces_10_gb_is_not_read(serve: Serve, caller: Caller) -> None:
    sent: list[int] = []
    server = serve(lambda seen: Answer(body=endless(sent), promise=10 * 1024 * MEGABYTE))
    with pytest.raises(HttpFault, match="sent more than 64 MB"):
        caller.read(server)
    assert len(sent) < 32


def test_a_body_below_the_limit_arrives_however_it_is_packed(serve: Serve, caller: Caller) -> None:
    rows = [{"id": number, "text": "ü" * 1000} for number in range(1000)]
    body = json.dumps({"data": rows}, ensure_ascii=False).encode()
    for headers, sent in (({}, body), ({"Content-Encoding": "gzip"}, gzip.compress(body))):
        server = serve(lambda seen, sent=sent, headers=headers: Answer(body=sent, headers=headers))
        assert caller.read(server) == rows


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "text/html; charset=utf-8"])
def test_utf8_is_read_as_utf8_whatever_the_type_says(
    kind: str, serve: Serve, caller: Caller
) -> None:
    body = '{"data": [{"id": "Größe 😀"}]}'.encode()
    server = serve(lambda seen: Answer(body=body, headers={"Content-Type": kind}))
    assert caller.read(server) == [{"id": "Größe 😀"}]
