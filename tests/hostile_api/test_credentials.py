"""Each way of authenticating, and where credentials do not go."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from ingestion.errors import HttpFault, MissingSecret
from tests.hostile_api.conftest import TOKEN, Caller, declare
from tests.hostile_api.server import Answer, Script, Seen, Server, as_json

Serve = Callable[[Script], Server]
GOOD = as_json({"data": [{"id": 1}]})
AUTHS: dict[str, dict[str, Any]] = {
    "bearer": {"type": "bearer"},
    "basic": {"type": "basic"},
    "header": {"type": "api_key", "name": "X-Api-Key"},
    "query": {"type": "api_key", "name": "key", "location": "query"},
}
BASIC = base64.b64encode(b"me:hunter2").decode()


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's secrets."""
    for field, value in (
        ("USER", "me"),
        ("PASSWORD", "hunter2"),
        ("CLIENT_ID", "an-id"),
        ("CLIENT_SECRET", "a-secret"),
    ):
        monkeypatch.setenv(f"SOURCES__OWN__{field}", value)


def credential(seen: Seen) -> dict[str, str]:
    """Whatever of a request would let another in."""
    said = json.dumps([seen.headers, seen.query])
    return {name: said for name in (TOKEN, BASIC, "Bearer", "Basic") if name in said}


def test_each_credential_arrives_where_it_is_declared(serve: Serve, caller: Caller) -> None:
    server = serve(lambda seen: GOOD)
    for auth in AUTHS.values():
        caller.read(server, declare(auth=auth))
    bearer, basic, header, query = server.seen
    assert bearer.headers["authorization"] == f"Bearer {TOKEN}"
    assert basic.headers["authorization"] == f"Basic {BASIC}"
    assert header.headers["x-api-key"] == TOKEN
    assert query.query == {"key": TOKEN}


@pytest.mark.parametrize("field", ["USER", "PASSWORD"])
def test_a_missing_credential_names_its_variable(
    field: str, serve: Serve, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(f"SOURCES__OWN__{field}")
    with pytest.raises(MissingSecret, match=f"set SOURCES__OWN__{field}"):
        caller.read(serve(lambda seen: GOOD), declare(auth=AUTHS["basic"]))


@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_another_host_is_refused(
    auth: str, status: int, serve: Serve, caller: Caller
) -> None:
    elsewhere = serve(lambda seen: GOOD)
    server = serve(
        lambda seen: Answer(status=status, headers={"Location": f"{elsewhere.url}/x?key={TOKEN}"})
    )
    with pytest.raises(HttpFault, match="where we do not follow; name the host") as caught:
        caller.read(server, declare(auth=AUTHS[auth]))
    assert elsewhere.seen == []
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("auth", AUTHS)
def test_a_declared_host_gets_the_request_but_no_credential(
    auth: str, serve: Serve, caller: Caller
) -> None:
    elsewhere = serve(lambda seen: GOOD)
    server = serve(
        lambda seen: Answer(
            status=302,
            headers={"Location": f"{elsewhere.url}/x?page=2", "Set-Cookie": "session=mine"},
        )
    )
    spec = declare(auth=AUTHS[auth], redirect_hosts=["127.0.0.1"])
    assert caller.read(server, spec) == [{"id": 1}]
    (seen,) = elsewhere.seen
    assert credential(seen) == {} and "cookie" not in seen.headers
    assert seen.query == {"page": "2"}


@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize("hosts", [[], ["127.0.0.1"]])
def test_a_next_page_on_another_host_gets_no_credential(
    auth: str, hosts: list[str], serve: Serve, caller: Caller
) -> None:
    elsewhere = serve(lambda seen: GOOD)
    page = {"data": [{"id": 2}], "next": f"{elsewhere.url}/items?page=2"}
    server = serve(lambda seen: as_json(page))
    spec = declare(auth=AUTHS[auth], paginator={"type": "json_link"}, redirect_hosts=hosts)
    if hosts:
        assert caller.read(server, spec) == [{"id": 2}, {"id": 1}]
    else:
        with pytest.raises(HttpFault, match="where we do not follow"):
            caller.read(server, spec)
    assert [credential(seen) for seen in elsewhere.seen] == [{}] * len(hosts)


def test_a_redirect_on_the_same_host_keeps_the_credential(serve: Serve, caller: Caller) -> None:
    def script(seen: Seen) -> Answer:
        moved = Answer(status=302, headers={"Location": "/moved"})
        return moved if seen.path == "/items" else GOOD

    server = serve(script)
    assert caller.read(server, declare(auth=AUTHS["header"])) == [{"id": 1}]
    assert server.seen[1].headers["x-api-key"] == TOKEN


@pytest.mark.parametrize("location", ["/items", "http://[bad", "http://", "\udcff", "file:///etc"])
def test_a_redirect_to_nowhere_is_an_error(location: str, serve: Serve, caller: Caller) -> None:
    target = location.encode("utf-8", "surrogateescape").decode("latin-1")
    server = serve(lambda seen: Answer(status=302, headers={"Location": target}))
    with pytest.raises(HttpFault):
        caller.read(server)


def oauth(token: Server) -> dict[str, Any]:
    return {"type": "oauth2", "token_url": f"{token.url}/token", "scope": "read"}


def test_oauth2_gets_a_token_once_and_uses_it(serve: Serve, caller: Caller) -> None:
    tokens = serve(lambda seen: as_json({"access_token": TOKEN, "expires_in": 3600}))
    pages = iter([{"data": [{"id": 1}], "next_cursor": "x"}, {"data": [{"id": 2}]}])
    server = serve(lambda seen: as_json(next(pages)))
    spec = declare(auth=oauth(tokens), paginator={"type": "cursor"})
    assert len(caller.read(server, spec)) == 2
    assert [seen.headers["authorization"] for seen in server.seen] == [f"Bearer {TOKEN}"] * 2
    (asked,) = tokens.seen
    assert b"client_secret=a-secret" in asked.body and b"scope=read" in asked.body


def test_a_token_that_is_withdrawn_is_renewed_once(serve: Serve, caller: Caller) -> None:
    numbers = iter(range(9))
    tokens = serve(lambda seen: as_json({"access_token": f"token-{next(numbers)}"}))

    def script(seen: Seen) -> Answer:
        return Answer(status=401) if seen.headers["authorization"].endswith("0") else GOOD

    assert caller.read(serve(script), declare(auth=oauth(tokens))) == [{"id": 1}]
    refusing = serve(lambda seen: Answer(status=401))
    with pytest.raises(HttpFault, match="refused our credentials"):
        caller.read(refusing, declare(auth=oauth(tokens)))
    assert len(refusing.seen) == 2


@pytest.mark.parametrize(
    "answer", [as_json({}), as_json({"access_token": ""}), as_json([]), Answer(body=b"<html>")]
)
def test_an_answer_without_a_token_is_no_token(
    answer: Answer, serve: Serve, caller: Caller
) -> None:
    server = serve(lambda seen: GOOD)
    with pytest.raises(HttpFault) as caught:
        caller.read(server, declare(auth=oauth(serve(lambda seen: answer))))
    assert server.seen == []
    assert "a-secret" not in repr(caught.value)
