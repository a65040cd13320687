"""`eth_subscribe` and `eth_unsubscribe`: notifications of an embedded chain, over the WebSocket of the request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wallet_rpc.edge.chain_feed import ChainFeed, ConnectionSubscriber, SubscriptionRejected
from wallet_rpc.edge.envelope import ResponseObject
from wallet_rpc.edge.request_context import current_context
from wallet_rpc.errors import InvalidParams, MethodNotFound
from wallet_rpc.operations.subscribe import websocket_required_error

SUBSCRIBE, UNSUBSCRIBE = "eth_subscribe", "eth_unsubscribe"
"""The methods of subscriptions to a chain."""
_MAX_PARAMS = 2


class ChainFollowing:
    """Answers the methods of subscriptions; a chain without a feed has none."""

    def __init__(self, feeds: Mapping[int, ChainFeed]) -> None:
        self._feeds = feeds

    async def subscribe(self, chain_id: int, request: Mapping[str, Any]) -> ResponseObject:
        """Answer `eth_subscribe`. Raises: InvalidParams, InvalidRequest, LimitExceeded, MethodNotFound, Unavailable."""
        feed, subscriber = self._find_feed(chain_id), _find_subscriber()
        params = _read_params(request, _MAX_PARAMS)
        try:
            name = await subscriber.follow(feed, [*params, *[None] * (_MAX_PARAMS - len(params))])
        except SubscriptionRejected as rejection:
            return {"jsonrpc": "2.0", "error": rejection.error, "id": request.get("id")}
        return {"jsonrpc": "2.0", "result": name, "id": request.get("id")}

    async def unsubscribe(self, chain_id: int, request: Mapping[str, Any]) -> ResponseObject:
        """Answer `eth_unsubscribe`: false for a subscription that the connection does not have."""
        self._find_feed(chain_id)
        subscriber = _find_subscriber()
        [name] = _read_params(request, 1)
        has_ended = isinstance(name, str) and await subscriber.unsubscribe(name)
        return {"jsonrpc": "2.0", "result": has_ended, "id": request.get("id")}

    def _find_feed(self, chain_id: int) -> ChainFeed:
        if chain_id not in self._feeds:
            text = "this server forwards requests to its nodes over HTTP, without notifications"
            advice = "poll with eth_getLogs, use wallet_subscribe, or connect to a WebSocket of the node itself"
            raise MethodNotFound(f"{text}; {advice}", reason="no_chain_notifications")
        return self._feeds[chain_id]


def _find_subscriber() -> ConnectionSubscriber:
    """Return the connection of the request. Raises: InvalidRequest for one that cannot receive notifications."""
    subscriber = current_context().subscriber
    if subscriber is None:
        raise websocket_required_error()
    return subscriber


def _read_params(request: Mapping[str, Any], most: int) -> list[Any]:
    params = request.get("params")
    if not isinstance(params, list) or not 1 <= len(params) <= most:
        expected = "an array of one value" if most == 1 else f"an array of 1 to {most} values"
        given = len(params) if isinstance(params, list) else "no array"
        raise InvalidParams(field="params", expected=expected, given=given)
    return params
