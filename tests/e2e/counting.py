"""Recording proxy in front of a real bundler or node: it forwards every request and records the writes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.stack.running import serve_app
from tests.support.thread_context import run_in_thread

_WRITES = ("eth_sendUserOperation", "eth_sendRawTransaction")
_HOLD_SECONDS = 0.5
"""Delay of the first write unless a second one arrives, so that other senders find it in progress."""


@dataclass
class Recorder:
    """Proxy that records the writes to its upstream."""

    upstream: str
    writes: list[Any] = field(default_factory=list)
    """Parameters of each write, in order of arrival."""
    _second: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        entries = json.loads(body)
        for entry in entries if isinstance(entries, list) else [entries]:
            if entry["method"] in _WRITES:
                self.writes.append(entry["params"])
                await self._delay_first_write()
        async with httpx2.AsyncClient(timeout=30) as http:
            answer = await http.post(self.upstream, content=body, headers={"content-type": "application/json"})
        return Response(answer.content, answer.status_code, media_type="application/json")

    async def _delay_first_write(self) -> None:
        if len(self.writes) > 1:
            self._second.set()
            return
        self._second.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(_HOLD_SECONDS):
                await self._second.wait()


@contextmanager
def serve_recorder(upstream: str) -> Iterator[tuple[str, Recorder]]:
    """Serve a recorder in front of `upstream`, and yield its URL and the recorder."""
    recorder = Recorder(upstream)
    app = Starlette(routes=[Route("/", recorder.answer, methods=["POST"])])
    with run_in_thread(serve_app(app)) as url:
        yield url, recorder
