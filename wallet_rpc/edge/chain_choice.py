"""Which chain a request for a chain's own method means: `?chainId=`, the path `/chain/{id}`, or the first one.

The wallet's methods say their chain themselves and never look here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, TypeAlias
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

from wallet_rpc.domain.access import READ_ACCESS, WRITE_ACCESS
from wallet_rpc.edge import caller
from wallet_rpc.edge.envelope import Reply, ResponseObject, parse_body
from wallet_rpc.edge.http import Handler
from wallet_rpc.edge.jsonrpc import Fallback
from wallet_rpc.errors import ParseError, UnsupportedChain
from wallet_rpc.primitives import parse_quantity, preview

RequestRecorder: TypeAlias = Callable[[int, Mapping[str, Any]], Awaitable[None]]
"""Told of a request object, and of the chain that it is for, before it is handed on."""
MAX_RECORDED_ENTRIES = 1000
"""Entries of a body: the embedded chain runs none of a longer one."""

_chosen: ContextVar[str | None] = ContextVar("chosen_chain", default=None)


class ChainMiddleware:
    """Middleware that notes the chain of the query string."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        query = scope.get("query_string", b"")
        named = parse_qs(query.decode("latin-1")).get("chainId") if b"chainId" in query else None
        token = _chosen.set(None if named is None else named[-1])
        try:
            await self._app(scope, receive, send)
        finally:
            _chosen.reset(token)


def bind_chain(chain_id: int, handler: Handler) -> Handler:
    """`answerer` at a path that names the chain."""

    async def answer(body: bytes) -> Reply:
        token = _chosen.set(str(chain_id))
        try:
            return await handler(body)
        finally:
            _chosen.reset(token)

    return answer


def route_by_chain(chains: Mapping[int, Fallback], *, reads: frozenset[str], record: RequestRecorder) -> Fallback:
    """Answers with the chain that the request names, else with the first; `note` is told of it before the chain is.

    Raises: UnsupportedChain; Forbidden for session tokens, and for a key that may only read and asks beyond `reads`.
    """
    first = next(iter(chains), None)

    async def answer(request: dict[str, Any]) -> ResponseObject | None:
        (READ_ACCESS if request["method"] in reads else WRITE_ACCESS).authorize(caller.current_caller())
        named = _chosen.get()
        chosen = first if named is None else _number(named)
        if chosen is None or chosen not in chains:
            served = ", ".join(map(str, chains))
            raise UnsupportedChain(f"chainId: expected one of {served}, got {preview(named)}", field="chainId")
        await record(chosen, request)
        return await chains[chosen](request)

    return answer


def record_requests(chain_id: int, handler: Handler, record: RequestRecorder) -> Handler:
    """`answerer`, the chain itself; `note` is told of every request in a body before the chain is.

    A body that cannot be read, or with more entries than the chain takes, is the chain's to refuse.
    """

    async def answer(body: bytes) -> Reply:
        if not caller.current_caller().is_anonymous:
            await asyncio.gather(*(record(chain_id, request) for request in _requests(body)))
        return await handler(body)

    return answer


def _requests(body: bytes) -> list[dict[str, Any]]:
    """The request objects of a body."""
    try:
        parsed = parse_body(body)
    except ParseError:
        return []
    entries = parsed if isinstance(parsed, list) else [parsed]
    if len(entries) > MAX_RECORDED_ENTRIES:
        return []
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("method"), str)]


def _number(text: str) -> int | None:
    try:
        return parse_quantity(int(text) if text.isascii() and text.isdigit() else text, 32)
    except ValueError:
        return None
