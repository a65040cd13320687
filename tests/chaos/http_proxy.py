"""JSON-RPC proxy in front of a node or a bundler, which fails as its switch says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from tests.chaos.connections import listen, reset
from tests.chaos.lies import Liar
from tests.chaos.switch import SLOW_SECONDS, Behaviour, Moment, Switch

_GARBAGE = b"<html>it works!</html>"
_STATUSES = {Behaviour.ERROR_500: 500, Behaviour.ERROR_503: 503}
_UPSTREAM_SECONDS = 60.0


class HttpProxy:
    """Forwards JSON-RPC requests, single or in batches, to one upstream."""

    def __init__(self, upstream: str, port: int) -> None:
        self.switch = Switch()
        self.url = f"http://127.0.0.1:{port}"
        self._upstream = upstream
        self._port = port
        self._liar = Liar()
        self._http = httpx2.AsyncClient(timeout=_UPSTREAM_SECONDS)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Serve during the block."""
        async with self._http, listen(self._handle, self._port):
            yield

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (body := await _read_body(reader)) is not None:
            self.switch.requests += 1
            answer = await self._answer(body)
            if answer is None:
                return reset(writer)
            status, content = answer
            head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
            writer.write(head.encode() + content)
            await writer.drain()
            for method in _methods(body):
                await self.switch.reach(method, Moment.DONE)
        return None

    async def _answer(self, body: bytes) -> tuple[int, bytes] | None:
        """Return status and content; None to reset the connection."""
        parsed = json.loads(body)
        for method in _methods(body):
            await self.switch.reach(method, Moment.BEFORE)
        if self._breaks():
            return self._broken()
        try:
            response = await self._http.post(self._upstream, content=body, headers={"content-type": "application/json"})
        except httpx2.HTTPError:
            return None
        for method in _methods(body):
            await self.switch.reach(method, Moment.AFTER)
        if self._breaks():
            return self._broken()
        if self.switch.behaviour is Behaviour.SLOW:
            await asyncio.sleep(SLOW_SECONDS)
        if self.switch.behaviour is Behaviour.NULL or response.status_code == httpx2.codes.OK:
            return response.status_code, self._change(parsed, response.content)
        return response.status_code, response.content

    def _breaks(self) -> bool:
        return self.switch.behaviour in (Behaviour.CUT, Behaviour.GARBAGE, *_STATUSES)

    def _broken(self) -> tuple[int, bytes] | None:
        if self.switch.behaviour is Behaviour.CUT:
            return None
        return _STATUSES.get(self.switch.behaviour, 200), _GARBAGE

    def _change(self, requests: Any, content: bytes) -> bytes:
        """Return the answers to give instead of the true ones, matched to the requests by id."""
        answers = json.loads(content)
        by_id = {entry.get("id"): entry for entry in (requests if isinstance(requests, list) else [requests])}
        behaviour = self.switch.behaviour
        changed = [
            self._liar.change(behaviour, by_id.get(answer.get("id"), {}), answer)
            for answer in (answers if isinstance(answers, list) else [answers])
        ]
        return json.dumps(changed if isinstance(answers, list) else changed[0]).encode()


def _methods(body: bytes) -> list[str]:
    parsed = json.loads(body)
    return [entry["method"] for entry in (parsed if isinstance(parsed, list) else [parsed])]


async def _read_body(reader: asyncio.StreamReader) -> bytes | None:
    """Return the body of the next request; None at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return await reader.readexactly(int(value))
    return b"{}"
