"""A misbehaving HTTP server on loopback: a script decides what each request gets."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What to send. ``promise`` is a Content-Length that need not be true."""

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)
    promise: int | None = None
    hang: bool = False
    hang_up: bool = False


Script = Callable[[Seen], Answer]


def as_json(value: Any, **headers: str) -> Answer:
    """A healthy answer."""
    return Answer(body=json.dumps(value).encode(), headers=headers)


@dataclass
class Server:
    """A running server; ``seen`` are the requests so far."""

    url: str
    script: Script
    seen: list[Seen] = field(default_factory=list, repr=False)
    released: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(script: Script) -> Iterator[Server]:
    """Run a server on a free port until the end of the block."""
    server = Server("", script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length", 0))
            seen = Seen(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query, keep_blank_values=True)),
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(length),
            )
            server.seen.append(seen)
            try:
                self._reply(server.script(seen))
            except OSError:
                self.close_connection = True

        do_POST = do_GET

        def _reply(self, answer: Answer) -> None:
            if answer.hang:
                server.released.wait(60)
            if answer.hang or answer.hang_up:
                self.close_connection = True
                return
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            whole = isinstance(answer.body, bytes)
            if answer.promise is not None or whole:
                length = len(answer.body) if isinstance(answer.body, bytes) else 0
                self.send_header("Content-Length", str(answer.promise or length))
            self.close_connection = answer.promise is not None or not whole
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            for chunk in [answer.body] if isinstance(answer.body, bytes) else answer.body:
                self.wfile.write(chunk)

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    http = Quiet(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        http.shutdown()
        thread.join()
        http.server_close()
