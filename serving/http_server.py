"""The HTTP surface: the registry's tools, embeddings, MCP at ``/mcp``; one bearer token an agent.

request -> Host, Origin -> token -> body -> Gateway (in a thread) -> envelope

Run alone: ``python -m serving.http_listen --home data``.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from serving import embeddings, tokens
from serving.agent import Agent
from serving.caller import PURPOSE_HEADER, TRACE_HEADER, Caller
from serving.docs_page import docs_page
from serving.envelope import Answer, Data, Meta, Refusal
from serving.errors import AnswerError, InvalidArgument
from serving.following import following_metrics
from serving.gateway import Call, Gateway
from serving.http_checks import (
    MOST_BODY_BYTES,
    Allowed,
    BodyTooLarge,
    HostAndOriginCheck,
    envelope_response,
    json_response,
    plain_refusal,
    read_body,
)
from serving.http_log import AGENT, OUTCOME, RequestLog
from serving.mcp_server import SURFACE as MCP_SURFACE
from serving.mcp_server import Context, build_shared_server
from serving.metrics import SharedMetrics
from serving.openapi import openapi
from serving.threads import SLOW_TOOLS, Threads
from serving.tools import openai_functions
from serving.version import project_version

SURFACE = "http"
# The caller has gone; as web servers write it in their logs.
_GONE = 499

Endpoint = Callable[[Request], Awaitable[Response]]
Outcome = Answer | Refusal


def build_app(
    home: Path, *, allowed: Allowed | None = None, shared_folder: Path | None = None
) -> Starlette:
    """The application of one home; it answers loopback hosts and origins unless told otherwise.

    ``shared_folder`` is where processes that share one address tell each other their figures, and
    count an agent's calls together.
    """
    permitted = allowed or Allowed.of(())
    surface = _Surface(Gateway(home.resolve(), shared_folder=shared_folder), shared_folder)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        surface.threads = Threads()
        surface.mcp = _session_manager(surface, permitted)
        try:
            async with surface.mcp.run(), anyio.create_task_group() as tasks:
                tasks.start_soon(to_thread.run_sync, surface.gateway.warm)
                tasks.start_soon(surface.metrics.keep_told)
                yield
                tasks.cancel_scope.cancel()
        finally:
            surface.gateway.close()

    return Starlette(
        routes=_routes(surface),
        middleware=[
            Middleware(RequestLog),
            Middleware(HostAndOriginCheck, allowed=permitted),
        ],
        exception_handlers={HTTPException: _unknown_route, Exception: _failed},
        lifespan=lifespan,
    )


class _Surface:
    """The endpoints of one application."""

    def __init__(self, gateway: Gateway, shared_folder: Path | None) -> None:
        self.gateway = gateway
        self.metrics = SharedMetrics(gateway.metrics, shared_folder)
        self.threads: Threads
        self.mcp: StreamableHTTPSessionManager

    def post(self, tool: str) -> Endpoint:
        """The endpoint that takes a tool's arguments as its body."""

        async def endpoint(request: Request) -> Response:
            return await self._answer(request, tool, _json_body)

        return endpoint

    def get(self, tool: str, *, path_argument: str | None = None) -> Endpoint:
        """The endpoint that takes a tool's arguments from path and query."""

        async def arguments(request: Request) -> dict[str, Any]:
            given: dict[str, Any] = dict(request.query_params)
            return given | ({path_argument: request.path_params["name"]} if path_argument else {})

        async def endpoint(request: Request) -> Response:
            return await self._answer(request, tool, arguments)

        return endpoint

    async def any_tool(self, request: Request) -> Response:
        """Call the tool that the path names."""
        return await self._answer(request, request.path_params["name"], _json_body)

    async def tools(self, request: Request) -> Response:
        """The tools as OpenAI function definitions."""
        refused = await self.refused_token(request, "tools", SURFACE)
        return refused or JSONResponse(openai_functions())

    async def embeddings(self, request: Request) -> Response:
        """Vectors of texts, in OpenAI's format."""
        return await self._answer(request, "embeddings", _json_body)

    async def health(self, _: Request) -> Response:
        """The server runs."""
        return JSONResponse({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        """A snapshot answers."""
        age = await self.threads.run(self.gateway.snapshot_age_s)
        if age is None:
            return JSONResponse({"status": "no snapshot"}, 503)
        return JSONResponse({"status": "ready"})

    async def show_metrics(self, _: Request) -> Response:
        """Figures for Prometheus, of all processes that answer at this address."""
        age = await self.threads.run(self.gateway.snapshot_age_s)
        text = await self.threads.run(partial(self.metrics.render, age))
        text += await self.threads.run(partial(following_metrics, self.gateway.home))
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    async def openapi(self, _: Request) -> Response:
        """The OpenAPI description."""
        return JSONResponse(openapi(project_version()))

    async def docs(self, _: Request) -> Response:
        """The same for a person: one page without a script."""
        policy = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return HTMLResponse(docs_page(openapi(project_version())), headers=policy)

    async def answer_mcp(
        self, context: Context, tool: str, work: Callable[[Agent], Outcome]
    ) -> Outcome:
        """Answer one MCP call as the agent of its request's token."""
        assert context.request is not None
        scope: Scope = context.request.scope
        name: str = scope[AGENT]
        agent = Agent(self.gateway, name, surface=MCP_SURFACE)
        outcome = await self.threads.answer(partial(work, agent), tool=tool, agent=name)
        scope[OUTCOME] = outcome
        return outcome

    async def refused_token(self, request: Request, tool: str, surface: str) -> Response | None:
        """The refusal of a request without a valid token; otherwise its agent is in the scope."""
        try:
            request.scope[AGENT] = tokens.authenticate(self.gateway.home, bearer(request.headers))
        except AnswerError as error:
            return await self._refuse(request, error, tool, surface)
        return None

    async def _refuse(
        self, request: Request, error: AnswerError, tool: str, surface: str = SURFACE
    ) -> Response:
        agent = request.scope.get(AGENT)
        caller = _caller(request)
        work = partial(
            self.gateway.refuse, error, tool=tool, surface=surface, agent=agent, caller=caller
        )
        outcome = request.scope[OUTCOME] = await self.threads.run(work)
        return envelope_response(outcome, too_large=isinstance(error, BodyTooLarge))

    async def _answer(
        self,
        request: Request,
        tool: str,
        arguments_of: Callable[[Request], Awaitable[dict[str, Any]]],
    ) -> Response:
        refused = await self.refused_token(request, tool, SURFACE)
        if refused is not None:
            return refused
        try:
            arguments = await arguments_of(request)
        except AnswerError as error:
            return await self._refuse(request, error, tool)
        agent: str = request.scope[AGENT]
        work = partial(self._called, request, tool, arguments, agent)
        answer = self.threads.answer(work, tool=tool, agent=agent)
        return await (_while_connected(request, answer) if tool in SLOW_TOOLS else answer)

    def _called(
        self, request: Request, tool: str, arguments: dict[str, Any], agent: str
    ) -> Response:
        caller = _caller(request)
        if tool == "embeddings":
            return self._embedded(request, arguments, agent, caller)
        outcome = request.scope[OUTCOME] = self.gateway.call(
            tool, arguments, agent=agent, surface=SURFACE, caller=caller
        )
        return envelope_response(outcome)

    def _embedded(
        self, request: Request, body: dict[str, Any], agent: str, caller: Caller
    ) -> Response:
        made: dict[str, Any] = {}

        def work(call: Call) -> Answer:
            self.gateway.admit(call, agent)
            embedder = self.gateway.embedder()
            wanted = embeddings.parse_request(body, embedder)
            vectors = embedder.embed(wanted.texts)
            made.update(embeddings.response(wanted, vectors, embedder.model))
            meta = Meta(query_id=call.query_id, agent=agent, elapsed_ms=call.elapsed_ms())
            return Answer(data=Data(row_count=len(vectors)), meta=meta)

        # The texts may be personal in ways that no pattern finds: how many is enough.
        sent = body.get("input")
        told = {"inputs": len(sent) if isinstance(sent, list) else 1}
        call = Call("embeddings", told, agent, SURFACE, caller)
        outcome = request.scope[OUTCOME] = self.gateway.recorded(call, work)
        if not outcome.success:
            return envelope_response(outcome)
        return json_response(json.dumps(made), 200)


class _McpEndpoint:
    """MCP's streamable HTTP behind the same tokens."""

    def __init__(self, surface: _Surface) -> None:
        self._surface = surface

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Authenticate one request, then let the SDK answer it."""
        refused = await self._surface.refused_token(Request(scope), "mcp", MCP_SURFACE)
        if refused is not None:
            await refused(scope, receive, send)
        else:
            # The SDK compares headers with the body, and HTTP's own blanks are no part of either.
            scope["headers"] = [(name, value.strip(b" \t")) for name, value in scope["headers"]]
            await self._surface.mcp.handle_request(scope, receive, send)


def bearer(headers: Mapping[str, str]) -> str | None:
    """The token of an Authorization header, None where it holds none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _caller(request: Request) -> Caller:
    headers = request.headers
    return Caller.of(headers.get(TRACE_HEADER), headers.get(PURPOSE_HEADER))


def _session_manager(surface: _Surface, allowed: Allowed) -> StreamableHTTPSessionManager:
    return StreamableHTTPSessionManager(
        build_shared_server(surface.answer_mcp),
        # As events, so that progress can be told and a caller that goes away calls its work off;
        # a call that tells nothing on its way is answered in plain JSON all the same.
        json_response=False,
        # Any process answers any request, in the protocol before the newest too.
        stateless=True,
        security_settings=TransportSecuritySettings(
            allowed_hosts=allowed.with_any_port(allowed.hosts),
            allowed_origins=allowed.with_any_port(allowed.origins),
        ),
        max_request_body_size=MOST_BODY_BYTES,
    )


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
        Route("/docs", surface.docs),
        Route("/health", surface.health),
        Route("/ready", surface.ready),
        Route("/metrics", surface.show_metrics),
        Route("/mcp", _McpEndpoint(surface)),
    ]


async def _json_body(request: Request) -> dict[str, Any]:
    """The body as a JSON object; InvalidArgument where it is none."""
    raw = await read_body(request)
    try:
        body = json.loads(raw or b"{}", parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise InvalidArgument("the body is not JSON") from None
    if not isinstance(body, dict):
        raise InvalidArgument("the body is no JSON object")
    return body


async def _while_connected(request: Request, answer: Awaitable[Response]) -> Response:
    """The answer; where the caller goes away before it is there, its work is called off."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_call_off_when_gone, request, tasks.cancel_scope)
        response = await answer
        tasks.cancel_scope.cancel()
        return response
    return Response(status_code=_GONE)


async def _call_off_when_gone(request: Request, scope: anyio.CancelScope) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _unknown_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentence = "no such route; GET /openapi.json lists them"
    if error.status_code == 405:
        methods = (error.headers or {}).get("Allow", "")
        sentence = f"this route takes {methods}; GET /openapi.json tells more"
    response = plain_refusal(error.status_code, "INVALID_ARGUMENT", sentence)
    response.headers.update(error.headers or {})
    return response


async def _failed(_: Request, error: Exception) -> Response:
    return plain_refusal(500, "INTERNAL", "this call failed inside; try again, or report it")


def _no_constant(name: str) -> None:
    raise ValueError(name)
