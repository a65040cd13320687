"""Methods of a chain that this server answers itself: the rest of a request or batch goes to the chain."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from wallet_rpc.edge.envelope import Reply, ResponseObject, build_reply, error_response, parse_body, response_id
from wallet_rpc.edge.jsonrpc import Fallback
from wallet_rpc.edge.rpc_endpoint import Handler
from wallet_rpc.errors import ParseError, WalletError
from wallet_rpc.wire import parse_json

Interceptor: TypeAlias = Callable[[int, Mapping[str, Any]], Awaitable[ResponseObject | None]]
"""Answers a request to a chain; returns None for one that goes to the chain. Raises: WalletError."""
Interceptors: TypeAlias = Mapping[str, Interceptor]
"""The interceptors by method."""


def intercept_requests(chains: Mapping[int, Fallback], interceptors: Interceptors) -> dict[int, Fallback]:
    """Wrap the fallbacks of chains."""
    return {chain_id: _wrap_fallback(chain_id, fallback, interceptors) for chain_id, fallback in chains.items()}


def _wrap_fallback(chain_id: int, fallback: Fallback, interceptors: Interceptors) -> Fallback:
    async def answer(request: dict[str, Any]) -> ResponseObject | None:
        interceptor = interceptors.get(request["method"])
        response = None if interceptor is None else await interceptor(chain_id, request)
        return await fallback(request) if response is None else response

    return answer


def intercept_bodies(chain_id: int, handler: Handler, interceptors: Interceptors) -> Handler:
    """Wrap the handler of an embedded chain as `intercept_requests` does."""
    names = tuple(name.encode() for name in interceptors)

    async def answer(body: bytes) -> Reply:
        if b"\\u" not in body and not any(name in body for name in names):  # a name may be written with escapes
            return await handler(body)
        try:
            parsed = parse_body(body)
        except ParseError:
            return await handler(body)
        rest, responses = [], []
        for entry in parsed if isinstance(parsed, list) else [parsed]:
            response = await _answer_entry(chain_id, entry, interceptors)
            if response is None:
                rest.append(entry)
            elif "id" in entry:
                responses.append(response)
        if not isinstance(parsed, list):
            return await handler(body) if rest else build_reply(responses[0] if responses else None)
        if not rest:
            return build_reply(responses or None)
        if len(rest) == len(parsed):
            return await handler(body)
        reply = await handler(json.dumps(rest).encode())
        forwarded = [] if reply.text is None else parse_json(reply.text)
        return build_reply([*responses, *(forwarded if isinstance(forwarded, list) else [forwarded])])

    return answer


async def _answer_entry(chain_id: int, entry: Any, interceptors: Interceptors) -> ResponseObject | None:
    """Return the response to an entry that is answered or rejected here; None for any other entry."""
    method = entry.get("method") if isinstance(entry, dict) else None
    interceptor = interceptors.get(method) if isinstance(method, str) else None
    if interceptor is None:
        return None
    try:
        return await interceptor(chain_id, entry)
    except WalletError as error:
        return error_response(error, response_id(entry))
