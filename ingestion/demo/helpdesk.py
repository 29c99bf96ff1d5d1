"""The helpdesk's HTTP API, a process of its own: `python -m ingestion.demo.helpdesk --home DIR`.

GET /tickets, GET /comments   updated_since, limit, cursor -> {"data", "next_cursor", "total"}
GET /tickets/7, /comments/7   -> {"data"}, or 404
GET /health                   open

It prints its process id and port once it listens, and goes on in the background.
"""

import argparse
import json
import os
import secrets
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ingestion.demo.helpdesk_store import RESOURCES, one, page, stamp
from ingestion.demo.state import Layout, listener, load

REQUESTS_PER_SECOND = 50.0
BURST = 20
DEFAULT_LIMIT = 100
MAX_LIMIT = 200
BEGINNING = stamp(datetime(1970, 1, 1, tzinfo=UTC))

Handler = Callable[[Request], Awaitable[Response]]


class TokenBucket:
    """Allows `rate` requests a second and `burst` at once."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._then = float(burst), 0.0

    def take(self, now: float) -> bool:
        """Whether one more request is allowed at `now`, in seconds of a monotonic clock."""
        self._tokens = min(self._burst, self._tokens + (now - self._then) * self._rate)
        self._then = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def build_app(store: Path, token: str) -> Starlette:
    """The API over one SQLite file."""
    bucket = TokenBucket(REQUESTS_PER_SECOND, BURST)
    routes = [Route("/health", _health)]
    for resource in RESOURCES:
        endpoint = _guarded(_listing(store, resource), token, bucket)
        routes.append(Route(f"/{resource}", endpoint))
        single = _guarded(_single(store, resource), token, bucket)
        routes.append(Route(f"/{resource}/{{key:int}}", single))
    return Starlette(routes=routes)


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _guarded(handler: Handler, token: str, bucket: TokenBucket) -> Handler:
    expected = f"Bearer {token}".encode()

    async def guarded(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode()
        if not secrets.compare_digest(given, expected):
            said = "send the header 'Authorization: Bearer <token>'"
            return _refusal(401, "unauthenticated", said, {"WWW-Authenticate": "Bearer"})
        if not bucket.take(time.monotonic()):
            said = f"more than {REQUESTS_PER_SECOND:.0f} requests a second; wait, then repeat"
            return _refusal(429, "rate_limited", said, {"Retry-After": "1"})
        return await handler(request)

    return guarded


def _listing(store: Path, resource: str) -> Handler:
    async def listing(request: Request) -> Response:
        query = request.query_params
        try:
            since = _instant(query.get("updated_since"))
            limit = _limit(query.get("limit"))
            with closing(sqlite3.connect(store, timeout=5)) as database:
                found = page(
                    database, resource, since=since, cursor=query.get("cursor"), limit=limit
                )
        except ValueError as error:
            return _refusal(400, "invalid_argument", str(error), {})
        data = ",".join(found.documents)
        more = json.dumps(found.next_cursor)
        body = f'{{"data":[{data}],"next_cursor":{more},"total":{found.total}}}'
        return Response(body.encode(), media_type="application/json")

    return listing


def _single(store: Path, resource: str) -> Handler:
    async def single(request: Request) -> Response:
        with closing(sqlite3.connect(store, timeout=5)) as database:
            document = one(database, resource, request.path_params["key"])
        if document is None:
            return _refusal(404, "not_found", "there is no such row", {})
        return Response(f'{{"data":{document}}}'.encode(), media_type="application/json")

    return single


def _refusal(status: int, code: str, message: str, headers: dict[str, str]) -> JSONResponse:
    body = {"error": {"code": code, "message": message}}
    return JSONResponse(body, status_code=status, headers=headers)


def _instant(given: str | None) -> str:
    if not given:
        return BEGINNING
    try:
        # A plus sign that the client did not escape arrives as a space.
        moment = datetime.fromisoformat(given.replace(" ", "+") if "T" in given else given)
    except ValueError:
        raise ValueError("updated_since must be an ISO 8601 instant") from None
    return stamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _limit(given: str | None) -> int:
    if given is None:
        return DEFAULT_LIMIT
    if not given.isascii() or not given.isdigit() or not 1 <= int(given) <= MAX_LIMIT:
        raise ValueError(f"limit must be a whole number from 1 to {MAX_LIMIT}")
    return int(given)


def _detach(log: Path) -> bool:
    """Go on in a new session with output to the log; False in the process that should end."""
    if os.fork() > 0:
        return False
    os.setsid()
    with log.open("ab") as output, Path(os.devnull).open("rb") as nothing:
        for target, source in ((0, nothing), (1, output), (2, output)):
            os.dup2(source.fileno(), target)
    return True


def main(arguments: list[str] | None = None) -> int:
    """Serve on the recorded port, or on a free one if that is taken."""
    parser = argparse.ArgumentParser(prog="python -m ingestion.demo.helpdesk")
    parser.add_argument("--home", type=Path, required=True)
    layout = Layout.of(parser.parse_args(arguments).home)
    state = load(layout)
    if state is None:
        parser.error(f"{layout.state} does not exist; start the demo with 'grounded demo up'")
    try:
        bound = listener(state.helpdesk_port)
    except OSError:
        bound = listener(0)
    bound.listen(128)
    reader, writer = os.pipe()
    if not _detach(layout.helpdesk_log):
        os.close(writer)
        with os.fdopen(reader) as answer:
            sys.stdout.write(f"{answer.read()} {bound.getsockname()[1]}\n")
        return 0
    os.close(reader)
    with os.fdopen(writer, "w") as answer:
        answer.write(str(os.getpid()))
    app = build_app(layout.helpdesk, state.helpdesk_token)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    uvicorn.Server(config).run(sockets=[bound])
    return 0


if __name__ == "__main__":
    sys.exit(main())
