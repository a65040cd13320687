"""A webhook of an operator: a real HTTP server that answers as told and remembers what it was sent."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

YES = b'{"approved": true}'


@dataclass
class Hook:
    """The next answer, and the bodies so far."""

    status: int = 200
    body: bytes = YES
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    asked: list[Any] = field(default_factory=list)
    url: str = ""


@contextmanager
def listening() -> Iterator[Hook]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            time.sleep(hook.delay_seconds)
            self.send_response(hook.status)
            for name, text in hook.headers.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(hook.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hook.url = f"http://127.0.0.1:{server.server_port}/approve"
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
