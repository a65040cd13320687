"""Health and readiness for monitoring, and routes of the API documents.

Readiness shows the marks that probes keep, so that a request to it causes no other request and responds at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from wallet_rpc.edge.drain import current_drain
from wallet_rpc.edge.guard import JsonResponse
from wallet_rpc.worker_threads import compute

States: TypeAlias = Callable[[], Mapping[str, str]]
"""Returns the state of each dependency by name: `ok`, or the kind of its failure."""

HEALTH_PATH = "/health"
READY_PATH = "/ready"
OPENRPC_PATH = "/openrpc.json"
OPENAPI_PATH = "/openapi.json"


def health_routes(states: States) -> list[Route]:
    """Build `GET /health` (always 200) and `GET /ready` (200 if every dependency is ok, else 503).

    A server that is shutting down is not ready.
    """

    async def health(_: Request) -> Response:
        return JsonResponse(b'{"status":"ok"}')

    async def ready(_: Request) -> Response:
        if current_drain().is_draining:
            return JsonResponse(b'{"status":"draining","parts":{}}', 503)
        parts = states()
        is_ready = all(state == "ok" for state in parts.values())
        body = json.dumps({"status": "ok" if is_ready else "unavailable", "parts": parts}).encode()
        return JsonResponse(body, 200 if is_ready else 503)

    return [Route(HEALTH_PATH, health, methods=["GET"]), Route(READY_PATH, ready, methods=["GET"])]


def document_route(document: Callable[[], Mapping[str, Any]], path: str = OPENRPC_PATH) -> Route:
    """Build the `GET` route of a document, which is built and serialized once, by the first request."""

    @cache
    def render() -> bytes:
        return json.dumps(document(), ensure_ascii=False, separators=(",", ":")).encode()

    async def answer(_: Request) -> Response:
        return Response(await compute(render), media_type="application/json")

    return Route(path, answer, methods=["GET"])
