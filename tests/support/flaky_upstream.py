"""Upstream over real HTTP with switchable faults: it freezes, resets connections, is slow, lies, or works."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support.http_stub import Answer, open_stub

Work = Callable[[bytes], Answer]


@dataclass
class FlakyUpstream:
    """Upstream that answers with `work` unless a fault is set, and records the method of each request."""

    work: Work
    methods: list[str] = field(default_factory=list)
    frozen: frozenset[str] | None = None
    """Methods that get no response; an empty set: no request gets one."""
    delay_seconds: float = 0.0
    resets: bool = False
    lie: Work | None = None
    """Response instead of that of `work`."""
    url: str = ""
    _thawed: threading.Event = field(default_factory=threading.Event)

    def freeze(self, *methods: str) -> None:
        self._thawed.clear()
        self.frozen = frozenset(methods)

    def recover(self) -> None:
        """End every fault; requests that wait get their response."""
        self.frozen, self.delay_seconds, self.resets, self.lie = None, 0.0, False, None
        self._thawed.set()

    def count(self, method: str) -> int:
        return self.methods.count(method)

    def handle(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer | None:
        """Return the response; None resets the connection."""
        parsed = json.loads(body)
        entries = parsed if isinstance(parsed, list) else [parsed]
        self.methods += [entry["method"] for entry in entries]
        if self.resets:
            linger = struct.pack("ii", 1, 0)  # on close, send RST
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            return None
        if self.frozen is not None and (not self.frozen or self.frozen & {entry["method"] for entry in entries}):
            self._thawed.wait()
        time.sleep(self.delay_seconds)
        return (self.work if self.lie is None else self.lie)(body)


def answer_result(result: Any) -> Work:
    """Return a function that answers each request, or each of a batch, with `result`."""

    def work(body: bytes) -> Answer:
        parsed = json.loads(body)
        many = [{"jsonrpc": "2.0", "id": entry["id"], "result": result} for entry in parsed if isinstance(parsed, list)]
        return Answer(json.dumps(many or {"jsonrpc": "2.0", "id": parsed["id"], "result": result}).encode())

    return work


def answer_always(body: bytes, status: int = 200) -> Work:
    """Return a function that answers every request with the same body."""
    return lambda _: Answer(body, status)


@contextmanager
def serve_upstream(work: Work) -> Iterator[FlakyUpstream]:
    """Serve an upstream on a free port until the block ends."""
    upstream = FlakyUpstream(work)
    with open_stub(upstream.handle) as url:
        upstream.url = url
        try:
            yield upstream
        finally:
            upstream.recover()
