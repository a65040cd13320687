"""A recorder in front of a real bundler or node: it hands every request on, and keeps what was to be sent."""

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
from tests.thread_context import run_in_thread

_WRITES = ("eth_sendUserOperation", "eth_sendRawTransaction")
_HOLD_SECONDS = 0.5
"""The time for which the first write is held, unless a second one arrives: other senders must find it in progress."""


@dataclass
class Recorder:
    """The requests that reached the upstream."""

    upstream: str
    writes: list[Any] = field(default_factory=list)
    """The parameters of each request that sends something, in the order in which they came."""
    _second: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        entries = json.loads(body)
        for entry in entries if isinstance(entries, list) else [entries]:
            if entry["method"] in _WRITES:
                self.writes.append(entry["params"])
                await self._hold()
        async with httpx2.AsyncClient(timeout=30) as http:
            answer = await http.post(self.upstream, content=body, headers={"content-type": "application/json"})
        return Response(answer.content, answer.status_code, media_type="application/json")

    async def _hold(self) -> None:
        if len(self.writes) > 1:
            self._second.set()
            return
        self._second.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(_HOLD_SECONDS):
                await self._second.wait()


@contextmanager
def serve_recorder(upstream: str) -> Iterator[tuple[str, Recorder]]:
    """The URL of a recorder, and the recorder."""
    recorder = Recorder(upstream)
    app = Starlette(routes=[Route("/", recorder.answer, methods=["POST"])])
    with run_in_thread(serve_app(app)) as url:
        yield url, recorder
