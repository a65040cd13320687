"""Health and readiness checks for monitoring, and routes of the API documents.

A response names each dependency with its state. The cause of a failed check is only in the log.
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
"""Checks one dependency; raises when it is not ready."""

HEALTH_PATH = "/health"
READY_PATH = "/ready"
CHECK_SECONDS = 2.0
"""The maximum time for the check of one dependency."""
KEPT_SECONDS = 1.0
"""The time that a result of `GET /ready` is cached, since any client may request it and each check costs requests."""


class Readiness:
    """The state of each dependency, checked at most once in `kept_seconds` and never concurrently."""

    def __init__(self, checks: Mapping[str, Check], *, seconds: float, kept_seconds: float) -> None:
        self._checks = checks
        self._seconds = seconds
        self._kept_seconds = kept_seconds
        self._checking: asyncio.Task[dict[str, str]] | None = None
        self._kept_until = 0.0

    async def states(self) -> dict[str, str]:
        """Return the state of each dependency by name: `ok`, `timeout` or `unavailable`."""
        checking = self._checking
        if checking is None or (checking.done() and asyncio.get_running_loop().time() >= self._kept_until):
            self._checking = checking = asyncio.create_task(self._run_checks())
        return await asyncio.shield(checking)  # a client that disconnects does not cancel it for others

    async def _run_checks(self) -> dict[str, str]:
        states = await asyncio.gather(*(_run_check(name, check, self._seconds) for name, check in self._checks.items()))
        self._kept_until = asyncio.get_running_loop().time() + self._kept_seconds
        return dict(zip(self._checks, states, strict=True))


def health_routes(
    checks: Mapping[str, Check], *, seconds: float = CHECK_SECONDS, kept_seconds: float = KEPT_SECONDS
) -> list[Route]:
    """Build `GET /health` (always 200) and `GET /ready` (200 if every check passes within `seconds`, else 503)."""
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
    """Build the `GET` route of a document, which is serialized once."""
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()

    async def answer(_: Request) -> Response:
        return Response(body, media_type="application/json")

    return Route(path, answer, methods=["GET"])


async def _run_check(name: str, check: Check, seconds: float) -> str:
    try:
        async with asyncio.timeout(seconds):
            await check()
    except TimeoutError:
        log.warning("not_ready", part=name, why="timeout")
        return "timeout"
    except Exception as raised:  # any exception means that the dependency is not ready
        log.warning("not_ready", part=name, why=type(raised).__name__)
        return "unavailable"
    return "ok"
