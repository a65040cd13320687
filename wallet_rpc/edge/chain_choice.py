"""Selection of the chain for a request that is forwarded to a chain: `?chainId=`, `/chain/{id}`, or the first chain.

The wallet's own methods name their chain in their parameters and do not use this module.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qs

from wallet_rpc.domain.access import READ_ACCESS, WRITE_ACCESS
from wallet_rpc.edge import observe
from wallet_rpc.edge.envelope import Reply, ResponseObject, parse_body
from wallet_rpc.edge.jsonrpc import Fallback
from wallet_rpc.edge.request_context import current_caller, current_context
from wallet_rpc.edge.rpc_endpoint import Handler
from wallet_rpc.errors import ParseError, UnsupportedChain
from wallet_rpc.primitives import parse_quantity
from wallet_rpc.wire import parse_json

RequestRecorder: TypeAlias = Callable[[int, Mapping[str, Any]], Awaitable[None]]
"""Records a chain id and a request object before the request is forwarded."""
_MAX_LOGGED_BYTES = 4096
"""The maximum size of a request to an embedded chain, and of its response, that are read for the log."""
MAX_RECORDED_ENTRIES = 1000
"""The maximum number of recorded entries of a body; the embedded chain rejects a longer batch."""


def select_chain(query: bytes) -> str | None:
    """Return the chain that a query string selects, as text of the client; None without a selection."""
    named = parse_qs(query.decode("latin-1")).get("chainId") if b"chainId" in query else None
    return None if named is None else named[-1]


def bind_chain(chain_id: int, handler: Handler) -> Handler:
    """Wrap a handler for a path that names the chain."""

    async def answer(body: bytes) -> Reply:
        current_context().chain = str(chain_id)
        return await handler(body)

    return answer


def route_by_chain(chains: Mapping[int, Fallback], *, reads: frozenset[str], record: RequestRecorder) -> Fallback:
    """Build a fallback that records a request, then forwards it to the selected chain, by default the first one.

    `eth_chainId` is answered at once: a chain's id never changes. The fallback raises UnsupportedChain, and Forbidden
    for a session token or for a read-only key with a method not in `reads`.
    """
    first = next(iter(chains), None)

    async def answer(request: dict[str, Any]) -> ResponseObject | None:
        (READ_ACCESS if request["method"] in reads else WRITE_ACCESS).authorize(current_caller())
        text = current_context().chain
        chain_id = first if text is None else _parse_chain_id(text)
        if chain_id is None or chain_id not in chains:
            served = ", ".join(map(str, chains))
            raise UnsupportedChain(field="chainId", expected=f"one of {served}", given=text)
        if request["method"] == "eth_chainId" and not request["params"]:
            return {"jsonrpc": "2.0", "result": hex(chain_id), "id": request.get("id")}
        await record(chain_id, request)
        return await chains[chain_id](request)

    return answer


def record_requests(
    chain_id: int, handler: Handler, record: RequestRecorder, *, methods: frozenset[str] = frozenset()
) -> Handler:
    """Wrap the handler of an embedded chain so that every request of a body is recorded first.

    The chain itself rejects a body that is not JSON or has too many entries; no entry of such a body is recorded. The
    log names `methods`.
    """

    async def answer(body: bytes) -> Reply:
        if not current_caller().is_anonymous:
            await asyncio.gather(*(record(chain_id, request) for request in _requests(body)))
        reply = await handler(body)
        if len(body) <= _MAX_LOGGED_BYTES:
            _log_result(body, reply, methods)
        return reply

    return answer


def _log_result(body: bytes, reply: Reply, methods: frozenset[str]) -> None:
    """Record the method and the result of a single request for the log; a long result is none of an error."""
    match _requests(body):
        case [{"method": method}] if body.lstrip().startswith(b"{"):
            is_short = reply.text is not None and len(reply.text) <= _MAX_LOGGED_BYTES
            response = parse_json(reply.text) if is_short and reply.text is not None else None
            observe.record_response(method if method in methods else observe.OTHER, response)


def _requests(body: bytes) -> list[dict[str, Any]]:
    """Return the request objects of a body."""
    try:
        parsed = parse_body(body)
    except ParseError:
        return []
    entries = parsed if isinstance(parsed, list) else [parsed]
    if len(entries) > MAX_RECORDED_ENTRIES:
        return []
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("method"), str)]


def _parse_chain_id(text: str) -> int | None:
    try:
        return parse_quantity(int(text) if text.isascii() and text.isdigit() else text, 32)
    except ValueError:
        return None
