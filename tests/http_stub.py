"""A server of somebody else's, on this machine: it answers what a test says, over real HTTP."""

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
    """What a posted body is answered with."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that did not wait for its answer is none of the test's."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serve_stub(answer: Callable[[bytes], Answer]) -> Iterator[str]:
    """The URL, without a path, of a server that hands each posted body to `answer`, in threads."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answered = answer(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(answered.status)
            for name, text in answered.headers.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(answered.body)

        def log_message(self, *_: object, **__: object) -> None:
            """Say nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
