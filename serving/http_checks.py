"""What each HTTP request must pass before anything else: its Host, its Origin, its size."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.envelope import Answer, ErrorBody, Meta, Refusal
from serving.errors import ErrorCode, InvalidArgument

MOST_BODY_BYTES = 1_000_000
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")

STATUSES: dict[ErrorCode, int] = {
    "READONLY_VIOLATION": 403,
    "POLICY_DENIED": 403,
    "UNKNOWN_TABLE": 404,
    "INVALID_SQL": 400,
    "INVALID_ARGUMENT": 400,
    "TIMEOUT": 504,
    "BUDGET_EXCEEDED": 422,
    "RATE_LIMITED": 429,
    "STALE_DATA": 409,
    "NO_SNAPSHOT": 503,
    "UNAUTHENTICATED": 401,
    "CANCELLED": 499,
    "INTERNAL": 500,
}
# A pinned snapshot that has expired.
GONE = 410
_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


class BodyTooLarge(InvalidArgument):
    """The request's body is larger than this server reads; told as 413."""


@dataclass(frozen=True)
class Allowed:
    """Hosts and origins that may call, each with any port: a page elsewhere may not reach us."""

    hosts: tuple[str, ...]
    origins: tuple[str, ...]

    @classmethod
    def of(cls, hosts: Sequence[str], origins: Sequence[str] = ()) -> "Allowed":
        """These hosts beside the loopback, and these origins beside the loopback's."""
        return cls(
            hosts=(*LOOPBACK_HOSTS, *hosts),
            origins=(*(f"http://{host}" for host in LOOPBACK_HOSTS), *origins),
        )

    def permits_host(self, host: str | None) -> bool:
        """Whether a Host header is one of ours."""
        return host is not None and _without_port(host.lower()) in self.hosts

    def permits_origin(self, origin: str | None) -> bool:
        """Whether an Origin header is one of ours; programs send none."""
        return origin is None or _without_port(origin.lower()) in self.origins

    def with_any_port(self, names: Sequence[str]) -> list[str]:
        """The same names as the MCP SDK writes them."""
        return [form for name in names for form in (name, f"{name}:*")]


class HostAndOriginCheck:
    """Refuses a request whose Host or Origin is not allowed, whatever its path."""

    def __init__(self, app: ASGIApp, allowed: Allowed) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 421 or 403."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if not self._allowed.permits_host(headers.get("host")):
                refused = plain_refusal(421, "INVALID_ARGUMENT", "this Host is not served here")
                await refused(scope, receive, send)
                return
            if not self._allowed.permits_origin(headers.get("origin")):
                refused = plain_refusal(403, "POLICY_DENIED", "this Origin may not call")
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def read_body(request: Request) -> bytes:
    """The whole body; BodyTooLarge as soon as it is larger than allowed."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > MOST_BODY_BYTES:
        raise _too_large()
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BODY_BYTES:
            raise _too_large()
    return bytes(body)


def envelope_response(outcome: Answer | Refusal, *, too_large: bool = False) -> Response:
    """An envelope with the status and the headers of its code."""
    body = outcome.model_dump_json()
    if outcome.success:
        return json_response(body, 200)
    code, details = outcome.error.code, outcome.error.details
    extra = {"www-authenticate": "Bearer"} if code == "UNAUTHENTICATED" else {}
    if "retry_after_s" in details:
        extra["retry-after"] = str(int(float(details["retry_after_s"])) + 1)
    return json_response(body, 413 if too_large else _status(outcome.error), extra)


def plain_refusal(status: int, code: ErrorCode, message: str) -> Response:
    """A refusal that is about the request and no call."""
    refusal = Refusal(error=ErrorBody(code=code, message=message), meta=Meta(query_id=""))
    return json_response(refusal.model_dump_json(), status)


def json_response(body: str, status: int, extra: dict[str, str] | None = None) -> Response:
    """JSON that nobody may keep or sniff."""
    headers = {**_HEADERS, **(extra or {})}
    return Response(body, status, headers=headers, media_type="application/json")


def _status(error: ErrorBody) -> int:
    """A snapshot that has expired does not come back, so trying again is no use."""
    is_gone = error.code == "NO_SNAPSHOT" and not error.retryable
    return GONE if is_gone else STATUSES[error.code]


def _without_port(name: str) -> str:
    head, colon, port = name.rpartition(":")
    return head if colon and port.isdecimal() else name


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"the body may be {MOST_BODY_BYTES} bytes")
