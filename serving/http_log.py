"""What the HTTP server logs: a line a request where asked for, as text or as JSON.

A line tells the route's pattern and never the path, query, body or headers: these may hold personal
values. Who asked what is in the audit log, under the same ``query_id``.
"""

import json
import logging
import time
from datetime import UTC, datetime
from typing import Any, Literal

from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

# Where the endpoints leave in a request's scope what is told of it.
AGENT = "grounded.agent"
OUTCOME = "grounded.outcome"
LogFormat = Literal["text", "json"]
_TOLD = "told"


class RequestLog:
    """Logs each request once its answer has left; silent where the level is above INFO."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http" or not logger.isEnabledFor(logging.INFO):
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            told = _told(scope, status, round((time.perf_counter() - started) * 1_000, 3))
            line = " ".join(f"{name}={value}" for name, value in told.items())
            logger.info("%s", line, extra={_TOLD: told})


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and a request's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; of an exception its type alone, because its message may hold a value."""
        told: dict[str, Any] = getattr(record, _TOLD, {})
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            **(told or {"message": record.getMessage()}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error_type"] = record.exc_info[0].__name__
        return json.dumps(line, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """One line for a person, with no traceback: an exception's message may hold a value."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        time_of_day = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        kind = record.exc_info[0] if record.exc_info else None
        error = f" ({kind.__name__})" if kind is not None else ""
        return f"{time_of_day} {record.levelname} {record.getMessage()}{error}"


def log_config(form: LogFormat, *, requests: bool) -> dict[str, Any]:
    """The logging of a server process, for ``logging.config.dictConfig``; to stderr."""
    formatter = {"json": JsonFormatter, "text": TextFormatter}[form]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {__name__: {"level": "INFO" if requests else "WARNING"}},
    }


def _told(scope: Scope, status: int, elapsed_ms: float) -> dict[str, Any]:
    """What one line says of a request."""
    told: dict[str, Any] = {
        "method": scope["method"] if scope["method"] in _METHODS else "other",
        "route": _route(scope),
        "status": status,
        "elapsed_ms": elapsed_ms,
    }
    outcome = scope.get(OUTCOME)
    if AGENT in scope:
        told["agent"] = scope[AGENT]
    if outcome is not None:
        told["query_id"] = outcome.meta.query_id
        told["verdict"] = "answered" if outcome.success else outcome.error.code
    return told


_METHODS = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"})


def _route(scope: Scope) -> str:
    """The pattern of the route that answered, `-` where there was none."""
    app, endpoint = scope.get("app"), scope.get("endpoint")
    routes = app.routes if app is not None and endpoint is not None else []
    return next(
        (one.path for one in routes if isinstance(one, Route) and one.endpoint is endpoint), "-"
    )
