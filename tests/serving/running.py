"""The HTTP application in a thread of the test, on a real port."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import uvicorn
from starlette.types import ASGIApp

from serving import tokens
from serving.http_server import build_app


class RunningServer:
    """The application on a real port of the loopback."""

    def __init__(self, home: Path, wrap: Callable[[ASGIApp], ASGIApp] = lambda app: app) -> None:
        self.home = home
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(wrap(build_app(home)), log_level="error", ws="none")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))

    def __enter__(self) -> "RunningServer":
        self._socket.listen()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def client(self, agent: str | None = "support_agent", **headers: str) -> httpx.Client:
        """A client of one agent; it waits in the socket's backlog until the server is up."""
        token = {"authorization": f"Bearer {tokens.issue(self.home, agent)}"} if agent else {}
        return httpx.Client(base_url=self.url, headers={**token, **headers}, timeout=30)
