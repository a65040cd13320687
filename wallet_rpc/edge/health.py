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

CHECK_SECONDS = 2.0
"""How long one part may take to say that it is there."""


def health_routes(checks: Mapping[str, Check], *, seconds: float = CHECK_SECONDS) -> list[Route]:
    """`GET /health`: the process answers. `GET /ready`: every check passes within `seconds` (200), or not (503)."""

    async def health(_: Request) -> Response:
        return json_response(b'{"status":"ok"}')

    async def ready(_: Request) -> Response:
        states = await asyncio.gather(*(_state(name, check, seconds) for name, check in checks.items()))
        parts = dict(zip(checks, states, strict=True))
        is_ready = all(state == "ok" for state in states)
        body = json.dumps({"status": "ok" if is_ready else "unavailable", "parts": parts}).encode()
        return json_response(body, 200 if is_ready else 503)

    return [Route("/health", health, methods=["GET"]), Route("/ready", ready, methods=["GET"])]


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
