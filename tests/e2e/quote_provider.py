"""A quote provider: a real HTTP server that prices as told and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.e2e.stacks import CHAINS

HERE = CHAINS[0]
QUOTE = {"fromAmount": "0x7", "minimumToAmount": "0x5", "expiry": "0x7fffffff"}
SECRET = "sk-2718281828"


@dataclass
class Provider:
    """The next answer, whole or as a result, and what was asked so far."""

    answer: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    url: str = ""

    def quotes(self, *calls: dict[str, Any], **more: Any) -> None:
        raw = {"rawCalls": True, "chainId": hex(HERE), "quote": QUOTE, "calls": list(calls)}
        self.answer = {"result": {**raw, **more}}

    def fails(self, code: int) -> None:
        self.answer = {"error": {"code": code, "message": f"at http://x/{SECRET}", "data": SECRET}}


@contextmanager
def providing() -> Iterator[Provider]:
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            provider.asked.append((body["method"], body["params"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"jsonrpc": "2.0", "id": body["id"], **provider.answer}).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    provider.url = f"http://127.0.0.1:{server.server_port}/{SECRET}"
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
