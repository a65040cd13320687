"""Stub of an external HTTP server: it answers each POST, over real HTTP, with a response from the test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass(frozen=True)
class Answer:
    """HTTP response to a posted body."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect before the response."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serve_stub(answer: Callable[[bytes], Answer]) -> Iterator[str]:
    """Serve `answer`, which maps a posted body to a response, in threads; yield the URL without a path."""
    with open_stub(lambda _, body: answer(body)) as url:
        yield url


@contextmanager
def open_stub(handle: Callable[[BaseHTTPRequestHandler, bytes], Answer | None]) -> Iterator[str]:
    """Serve `handle` as `serve_stub` does; it also gets the connection's handler, and None closes the connection."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            response = handle(self, self.rfile.read(int(self.headers["content-length"])))
            if response is None:
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(response.status)
            for name, text in response.headers.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(response.body)

        def log_message(self, *_: object, **__: object) -> None:
            """Write no access log."""

    server = _Server(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
