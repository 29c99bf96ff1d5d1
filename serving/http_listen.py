"""Listens for the HTTP surface: the socket, TLS, several processes, logs.

socket -> process 1..N, each with the application of its own: all state is in files

Run alone: ``python -m serving.http_listen --home data``.
"""

import argparse
import multiprocessing
import os
import signal
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from uvicorn.supervisors.multiprocess import Multiprocess

from serving.errors import ServingError
from serving.http_checks import LOOPBACK_HOSTS, Allowed
from serving.http_log import LogFormat, log_config
from serving.http_server import build_app

_EVERY_INTERFACE = ("0.0.0.0", "::", "")
# What is being answered when the server is to end has so long.
_GRACEFUL_S = 5


@dataclass(frozen=True, kw_only=True)
class Listening:
    """How one home is served; another host than the loopback must be named as allowed."""

    host: str = "127.0.0.1"
    port: int = 8765
    allowed_hosts: Sequence[str] = ()
    allowed_origins: Sequence[str] = ()
    workers: int = 1
    certificate: Path | None = None
    key: Path | None = None
    log_format: LogFormat = "text"
    log_requests: bool = False

    @property
    def allowed(self) -> Allowed:
        """Who may call."""
        own = [] if self.host in (*LOOPBACK_HOSTS, *_EVERY_INTERFACE) else [self.host.lower()]
        return Allowed.of([*own, *self.allowed_hosts], self.allowed_origins)


def serve(
    home: Path,
    listening: Listening | None = None,
    *,
    on_listening: Callable[[str], None] | None = None,
) -> None:
    """Serve until interrupted; ServingError where it must not or cannot begin.

    ``on_listening`` is told the address, whose port was chosen here where ``port`` is 0.
    """
    wanted = listening or Listening()
    _refuse_unsafe(wanted)
    with tempfile.TemporaryDirectory(prefix="grounded-serve-") as folder:
        config = _config(home, wanted, Path(folder))
        opened = config.bind_socket()
        opened.listen(config.backlog)
        if on_listening is not None:
            scheme = "https" if config.is_ssl else "http"
            on_listening(f"{scheme}://{wanted.host}:{opened.getsockname()[1]}")
        if wanted.workers > 1:
            Multiprocess(config, sockets=[opened]).run()
        else:
            uvicorn.Server(config).run(sockets=[opened])


def main(arguments: list[str] | None = None) -> None:
    """Serve one home on the loopback from the command line."""
    parser = argparse.ArgumentParser(prog="python -m serving.http_listen")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args(arguments)
    try:
        serve(
            given.home,
            Listening(port=given.port, workers=given.workers),
            on_listening=partial(print, flush=True),
        )
    except ServingError as error:
        parser.exit(2, f"{error}\n")


def _config(home: Path, wanted: Listening, shared_folder: Path) -> uvicorn.Config:
    return uvicorn.Config(
        partial(_app_of_a_process, home, wanted.allowed, shared_folder),
        factory=True,
        host=wanted.host,
        port=wanted.port,
        workers=wanted.workers,
        ssl_certfile=wanted.certificate,
        ssl_keyfile=wanted.key,
        ssl_context_factory=_only_tls_1_3 if wanted.certificate else None,
        log_config=log_config(wanted.log_format, requests=wanted.log_requests),
        # Ours tells the route's pattern; a path or a query may hold personal values.
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        # An agent thinks between two calls; a new connection costs it more than this costs us.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_GRACEFUL_S,
    )


def _app_of_a_process(home: Path, allowed: Allowed, shared_folder: Path) -> Starlette:
    """The application of one process of several, which ends with the one that started it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()
    return build_app(home, allowed=allowed, shared_folder=shared_folder)


def _end_after(parent: multiprocessing.process.BaseProcess) -> None:
    """End this process when the other has gone, however that happened: nobody would stop it."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(2 * _GRACEFUL_S)
    os.kill(os.getpid(), signal.SIGKILL)


def _only_tls_1_3(_: uvicorn.Config, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    context = default()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _refuse_unsafe(wanted: Listening) -> None:
    if wanted.host in _EVERY_INTERFACE and not wanted.allowed_hosts:
        raise ServingError(
            "serving on every interface needs the host names under which callers come: "
            "give at least one allowed host"
        )
    if (wanted.certificate is None) != (wanted.key is None):
        raise ServingError("TLS needs both: give a certificate and its key")
    if wanted.certificate is None or wanted.key is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(wanted.certificate, wanted.key)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None)
        raise ServingError(
            f"the certificate and key cannot be used ({reason}); give two PEM files that fit"
        ) from error


if __name__ == "__main__":
    main()
