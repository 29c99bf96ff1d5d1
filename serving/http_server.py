"""The HTTP surface: the registry's tools, embeddings, MCP at ``/mcp``; one bearer token an agent.

request -> Host, Origin, size -> token -> Gateway (in a thread) -> envelope
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import anyio
import uvicorn
from anyio import to_thread
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from serving import embeddings, tokens
from serving.agent import Agent
from serving.envelope import Answer, Data, Meta, Refusal
from serving.errors import AnswerError, InvalidArgument, ServingError
from serving.gateway import Call, Gateway
from serving.http_checks import (
    LOOPBACK_HOSTS,
    MOST_BODY_BYTES,
    STATUSES,
    Allowed,
    BodyTooLarge,
    HostAndOriginCheck,
    json_response,
    plain_refusal,
    read_body,
)
from serving.mcp_server import SURFACE as MCP_SURFACE
from serving.mcp_server import build_shared_server
from serving.openapi import openapi
from serving.tools import openai_functions

SURFACE = "http"
_AGENT = "grounded.agent"
_EVERY_INTERFACE = ("0.0.0.0", "::", "")
# Calls wait in threads, most of them for a worker process or a file.
_THREADS = 64

T = TypeVar("T")
Endpoint = Callable[[Request], Awaitable[Response]]


def build_app(home: Path, *, allowed: Allowed | None = None) -> Starlette:
    """The application of one home; it answers loopback hosts and origins unless told otherwise."""
    permitted = allowed or Allowed.of(())
    surface = _Surface(Gateway(home.resolve()))
    security = TransportSecuritySettings(
        allowed_hosts=permitted.with_any_port(permitted.hosts),
        allowed_origins=permitted.with_any_port(permitted.origins),
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        surface.threads = anyio.CapacityLimiter(_THREADS)
        surface.mcp = StreamableHTTPSessionManager(
            build_shared_server(surface.agent_of),
            json_response=True,
            stateless=True,
            security_settings=security,
            max_request_body_size=MOST_BODY_BYTES,
        )
        try:
            async with surface.mcp.run(), anyio.create_task_group() as tasks:
                tasks.start_soon(to_thread.run_sync, surface.gateway.warm)
                yield
        finally:
            surface.gateway.close()

    return Starlette(
        routes=_routes(surface),
        middleware=[Middleware(HostAndOriginCheck, allowed=permitted)],
        exception_handlers={HTTPException: _unknown_route, Exception: _failed},
        lifespan=lifespan,
    )


def serve(
    home: Path,
    host: str = "127.0.0.1",
    port: int = 8765,
    *,
    allowed_hosts: Sequence[str] = (),
    allowed_origins: Sequence[str] = (),
    on_listening: Callable[[str], None] | None = None,
) -> None:
    """Serve until interrupted; another host than the loopback must be named as allowed.

    ``on_listening`` is told the address, whose port was chosen here where ``port`` is 0.
    """
    if host in _EVERY_INTERFACE and not allowed_hosts:
        raise ServingError(
            "serving on every interface needs the host names under which callers come: "
            "give at least one allowed host"
        )
    own = [] if host in (*LOOPBACK_HOSTS, *_EVERY_INTERFACE) else [host.lower()]
    allowed = Allowed.of([*own, *allowed_hosts], allowed_origins)
    config = uvicorn.Config(
        build_app(home, allowed=allowed),
        host=host,
        port=port,
        # A query string may hold personal values.
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    listening = config.bind_socket()
    listening.listen()
    if on_listening is not None:
        on_listening(f"http://{host}:{listening.getsockname()[1]}")
    uvicorn.Server(config).run(sockets=[listening])


class _Surface:
    """The endpoints of one application."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.threads: anyio.CapacityLimiter | None = None
        self.mcp: StreamableHTTPSessionManager | None = None

    def agent_of(self, context: Any) -> Agent:
        """The agent that this MCP request's token stands for."""
        name: str = context.request.scope[_AGENT]
        return Agent(self.gateway, name, surface=MCP_SURFACE)

    def post(self, tool: str) -> Endpoint:
        """The endpoint that takes a tool's arguments as its body."""

        async def endpoint(request: Request) -> Response:
            return await self._answer(request, tool, await self._body(request))

        return endpoint

    def get(self, tool: str, *, path_argument: str | None = None) -> Endpoint:
        """The endpoint that takes a tool's arguments from path and query."""

        async def endpoint(request: Request) -> Response:
            arguments: dict[str, Any] = dict(request.query_params)
            if path_argument is not None:
                arguments[path_argument] = request.path_params["name"]
            return await self._answer(request, tool, arguments)

        return endpoint

    async def any_tool(self, request: Request) -> Response:
        """Call the tool that the path names."""
        return await self._answer(request, request.path_params["name"], await self._body(request))

    async def tools(self, request: Request) -> Response:
        """The tools as OpenAI function definitions."""
        refused = await self._in_thread(partial(self._refused_token, request, "tools", SURFACE))
        return refused or JSONResponse(openai_functions())

    async def embeddings(self, request: Request) -> Response:
        """Vectors of texts, in OpenAI's format."""
        body = await self._body(request)
        return await self._in_thread(partial(self._embed, request, body))

    async def health(self, _: Request) -> Response:
        """The server runs."""
        return JSONResponse({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        """A snapshot answers."""
        age = await self._in_thread(self.gateway.snapshot_age_s)
        if age is None:
            return JSONResponse({"status": "no snapshot"}, 503)
        return JSONResponse({"status": "ready"})

    async def metrics(self, _: Request) -> Response:
        """Figures for Prometheus."""
        age = await self._in_thread(self.gateway.snapshot_age_s)
        text = self.gateway.metrics.render(age)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    async def openapi(self, _: Request) -> Response:
        """The OpenAPI page."""
        return JSONResponse(openapi(_version()))

    async def _answer(
        self, request: Request, tool: str, arguments: Mapping[str, Any] | AnswerError
    ) -> Response:
        return await self._in_thread(partial(self._call, request, tool, arguments))

    def _call(
        self, request: Request, tool: str, arguments: Mapping[str, Any] | AnswerError
    ) -> Response:
        try:
            agent = tokens.authenticate(self.gateway.home, bearer(request.headers))
        except AnswerError as error:
            return _response(self.gateway.refuse(error, tool=tool, surface=SURFACE))
        if isinstance(arguments, AnswerError):
            refused = self.gateway.refuse(arguments, tool=tool, surface=SURFACE, agent=agent)
            return _response(refused, too_large=isinstance(arguments, BodyTooLarge))
        return _response(self.gateway.call(tool, arguments, agent=agent, surface=SURFACE))

    def _refused_token(self, request: Request, tool: str, surface: str) -> Response | None:
        """The refusal of a request without a valid token; otherwise its agent is in the scope."""
        try:
            agent = tokens.authenticate(self.gateway.home, bearer(request.headers))
        except AnswerError as error:
            return _response(self.gateway.refuse(error, tool=tool, surface=surface))
        request.scope[_AGENT] = agent
        return None

    def _embed(self, request: Request, body: Mapping[str, Any] | AnswerError) -> Response:
        refused = self._refused_token(request, "embeddings", SURFACE)
        if refused is not None:
            return refused
        agent: str = request.scope[_AGENT]
        made: dict[str, Any] = {}

        def work(call: Call) -> Answer:
            self.gateway.admit(call, agent)
            if isinstance(body, AnswerError):
                raise body
            embedder = self.gateway.embedder()
            wanted = embeddings.parse_request(dict(body), embedder)
            vectors = embedder.embed(wanted.texts)
            made.update(embeddings.response(wanted, vectors, embedder.model))
            meta = Meta(query_id=call.query_id, agent=agent, elapsed_ms=call.elapsed_ms())
            return Answer(data=Data(row_count=len(vectors)), meta=meta)

        # The texts may be personal in ways that no pattern finds: how many is enough.
        sent = body.get("input") if isinstance(body, Mapping) else None
        told = {"inputs": len(sent) if isinstance(sent, list) else 1}
        outcome = self.gateway.recorded(Call("embeddings", told, agent, SURFACE), work)
        if outcome.success:
            return json_response(json.dumps(made), 200)
        return _response(outcome, too_large=isinstance(body, BodyTooLarge))

    async def _body(self, request: Request) -> dict[str, Any] | AnswerError:
        """The body as a JSON object, or why it is none, for a caller whose token is valid."""
        try:
            body = json.loads(await read_body(request) or b"{}", parse_constant=_no_constant)
        except AnswerError as error:
            return error
        except (ValueError, RecursionError):
            return InvalidArgument("the body is not JSON")
        return body if isinstance(body, dict) else InvalidArgument("the body is no JSON object")

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await to_thread.run_sync(work, limiter=self.threads)


class _McpEndpoint:
    """MCP's streamable HTTP behind the same tokens."""

    def __init__(self, surface: _Surface) -> None:
        self._surface = surface

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Authenticate one request, then let the SDK answer it."""
        request = Request(scope, receive)
        refused = await to_thread.run_sync(
            partial(self._surface._refused_token, request, "mcp", MCP_SURFACE),
            limiter=self._surface.threads,
        )
        if refused is not None:
            await refused(scope, receive, send)
        elif self._surface.mcp is not None:
            await self._surface.mcp.handle_request(scope, receive, send)


def bearer(headers: Mapping[str, str]) -> str | None:
    """The token of an Authorization header, None where it holds none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _routes(surface: _Surface) -> list[Route]:
    return [
        Route("/v1/sql", surface.post("execute_sql"), methods=["POST"]),
        Route("/v1/lookup", surface.post("lookup"), methods=["POST"]),
        Route("/v1/search", surface.post("search"), methods=["POST"]),
        Route("/v1/embeddings", surface.embeddings, methods=["POST"]),
        Route("/v1/tables", surface.get("list_tables")),
        Route("/v1/tables/{name}", surface.get("describe_table", path_argument="table")),
        Route("/v1/freshness", surface.get("check_freshness")),
        Route("/v1/lineage/{name}", surface.get("get_lineage", path_argument="table")),
        Route("/v1/tools", surface.tools),
        Route("/v1/tools/{name}", surface.any_tool, methods=["POST"]),
        Route("/openapi.json", surface.openapi),
        Route("/health", surface.health),
        Route("/ready", surface.ready),
        Route("/metrics", surface.metrics),
        Route("/mcp", _McpEndpoint(surface)),
    ]


def _response(outcome: Answer | Refusal, *, too_large: bool = False) -> Response:
    if outcome.success:
        return json_response(outcome.model_dump_json(), 200)
    code = outcome.error.code
    extra = {}
    if code == "UNAUTHENTICATED":
        extra["www-authenticate"] = "Bearer"
    if "retry_after_s" in outcome.error.details:
        extra["retry-after"] = str(int(float(outcome.error.details["retry_after_s"])) + 1)
    status = 413 if too_large else STATUSES[code]
    return json_response(outcome.model_dump_json(), status, extra)


async def _unknown_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    return plain_refusal(status, "INVALID_ARGUMENT", "no such route; GET /openapi.json lists them")


async def _failed(_: Request, error: Exception) -> Response:
    return plain_refusal(500, "INTERNAL", "this call failed inside; try again, or report it")


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _version() -> str:
    try:
        return version("grounded")
    except PackageNotFoundError:
        return "0"
