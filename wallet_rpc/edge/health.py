"""For machines that watch the server: is the process up, is every part it needs there, and what can it do.

The rule: an answer names parts and says ok or not; why is for the log.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from wallet_rpc.edge.guard import json_response
from wallet_rpc.edge.observe import log

Check: TypeAlias = Callable[[], Awaitable[object]]
"""Asks one part; raises when the part is not ready."""

HEALTH_PATH = "/health"
READY_PATH = "/ready"
CHECK_SECONDS = 2.0
"""How long one part may take to say that it is there."""
KEPT_SECONDS = 1.0
"""How long an answer of `GET /ready` is kept: anyone may ask, and each answer costs a request to every part."""


class Readiness:
    """The state of each part, asked for at most once in `KEPT_SECONDS` and never twice at once."""

    def __init__(self, checks: Mapping[str, Check], *, seconds: float, kept_seconds: float) -> None:
        self._checks = checks
        self._seconds = seconds
        self._kept_seconds = kept_seconds
        self._asking: asyncio.Task[dict[str, str]] | None = None
        self._kept_until = 0.0

    async def states(self) -> dict[str, str]:
        """The state of each part by name: `ok`, `timeout` or `unavailable`."""
        asking = self._asking
        if asking is None or (asking.done() and asyncio.get_running_loop().time() >= self._kept_until):
            self._asking = asking = asyncio.create_task(self._ask())
        return await asyncio.shield(asking)  # one caller that hangs up takes the answer from no other

    async def _ask(self) -> dict[str, str]:
        states = await asyncio.gather(*(_state(name, check, self._seconds) for name, check in self._checks.items()))
        self._kept_until = asyncio.get_running_loop().time() + self._kept_seconds
        return dict(zip(self._checks, states, strict=True))


def health_routes(
    checks: Mapping[str, Check], *, seconds: float = CHECK_SECONDS, kept_seconds: float = KEPT_SECONDS
) -> list[Route]:
    """`GET /health`: the process answers. `GET /ready`: every check passes within `seconds` (200), or not (503)."""
    readiness = Readiness(checks, seconds=seconds, kept_seconds=kept_seconds)

    async def health(_: Request) -> Response:
        return json_response(b'{"status":"ok"}')

    async def ready(_: Request) -> Response:
        parts = await readiness.states()
        is_ready = all(state == "ok" for state in parts.values())
        body = json.dumps({"status": "ok" if is_ready else "unavailable", "parts": parts}).encode()
        return json_response(body, 200 if is_ready else 503)

    return [Route(HEALTH_PATH, health, methods=["GET"]), Route(READY_PATH, ready, methods=["GET"])]


def document_route(document: Mapping[str, Any], path: str = "/openrpc.json") -> Route:
    """`GET` of a document, written once."""
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()

    async def answer(_: Request) -> Response:
        return Response(body, media_type="application/json")

    return Route(path, answer, methods=["GET"])


async def _state(name: str, check: Check, seconds: float) -> str:
    try:
        async with asyncio.timeout(seconds):
            await check()
    except TimeoutError:
        log.warning("not_ready", part=name, why="timeout")
        return "timeout"
    except Exception as raised:  # whatever a part raises, it is not ready
        log.warning("not_ready", part=name, why=type(raised).__name__)
        return "unavailable"
    return "ok"
