"""An API of whole pages, on loopback."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

API: dict[str, Any] = {
    "kind": "rest_api",
    "auth": {"type": "none"},
    "paginator": {"type": "single_page"},
    "tables": {
        "items": {
            "path": "/items",
            "primary_key": ["id"],
            "row": {"id": {"type": "integer", "required": True}, "price": {"type": "integer"}},
            "max_shrink_share": 1,
        }
    },
}


@contextmanager
def api(pages: list[str], asked: list[str] | None = None) -> Iterator[str]:
    """Serve one page of JSON text after the other, the last for ever; yields the address.

    What is requested goes to ``asked``.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if asked is not None:
                asked.append(self.path)
            body = (pages.pop(0) if len(pages) > 1 else pages[0]).encode("utf-8", "surrogatepass")
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
