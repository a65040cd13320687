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

from wallet_rpc.domain.access import READS, WRITES
from wallet_rpc.edge import caller
from wallet_rpc.edge.envelope import Answer, Reply, parse
from wallet_rpc.edge.http import Answerer
from wallet_rpc.edge.jsonrpc import Otherwise
from wallet_rpc.errors import ParseError, UnsupportedChain
from wallet_rpc.primitives import quantity, shown

Note: TypeAlias = Callable[[int, Mapping[str, Any]], Awaitable[None]]
"""Told of a request object, and of the chain that it is for, before it is handed on."""
MOST_NOTED = 1000
"""Entries of a body: the embedded chain runs none of a longer one."""

_chosen: ContextVar[str | None] = ContextVar("chosen_chain", default=None)


class ChainNamed:
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


def at_chain(chain_id: int, answerer: Answerer) -> Answerer:
    """`answerer` at a path that names the chain."""

    async def answer(body: bytes) -> Reply:
        token = _chosen.set(str(chain_id))
        try:
            return await answerer(body)
        finally:
            _chosen.reset(token)

    return answer


def by_chain(chains: Mapping[int, Otherwise], *, reads: frozenset[str], note: Note) -> Otherwise:
    """Answers with the chain that the request names, else with the first; `note` is told of it before the chain is.

    Raises: UnsupportedChain; Forbidden for session tokens, and for a key that may only read and asks beyond `reads`.
    """
    first = next(iter(chains), None)

    async def answer(request: dict[str, Any]) -> Answer | None:
        (READS if request["method"] in reads else WRITES).refuse_beyond(caller.current())
        named = _chosen.get()
        chosen = first if named is None else _number(named)
        if chosen is None or chosen not in chains:
            served = ", ".join(map(str, chains))
            raise UnsupportedChain(f"chainId: expected one of {served}, got {shown(named)}", field="chainId")
        await note(chosen, request)
        return await chains[chosen](request)

    return answer


def noted(chain_id: int, answerer: Answerer, note: Note) -> Answerer:
    """`answerer`, the chain itself; `note` is told of every request in a body before the chain is.

    A body that cannot be read, or with more entries than the chain takes, is the chain's to refuse.
    """

    async def answer(body: bytes) -> Reply:
        if not caller.current().is_open:
            await asyncio.gather(*(note(chain_id, request) for request in _requests(body)))
        return await answerer(body)

    return answer


def _requests(body: bytes) -> list[dict[str, Any]]:
    """The request objects of a body."""
    try:
        parsed = parse(body)
    except ParseError:
        return []
    entries = parsed if isinstance(parsed, list) else [parsed]
    if len(entries) > MOST_NOTED:
        return []
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("method"), str)]


def _number(text: str) -> int | None:
    try:
        return quantity(int(text) if text.isascii() and text.isdigit() else text, 32)
    except ValueError:
        return None
