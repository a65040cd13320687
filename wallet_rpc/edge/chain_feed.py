"""Interfaces of subscriptions to a chain: the chain's notifications, and the connection that receives them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

from wallet_rpc.ports.events import Subscriber

Deliver: TypeAlias = Callable[[bytes], None]
"""Receives the JSON text of a notification's result."""
StopFollowing: TypeAlias = Callable[[], Awaitable[None]]
"""Ends a subscription."""


class SubscriptionRejected(Exception):
    """The chain rejected a subscription; `error` is the error of its response."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error


class ChainFeed(Protocol):
    """The notifications of one chain."""

    async def follow(self, params: list[Any], deliver: Deliver) -> StopFollowing:
        """Subscribe with both params of `eth_subscribe`. Raises: SubscriptionRejected, Unavailable."""


class ConnectionSubscriber(Subscriber, Protocol):
    """A connection that receives notifications about events and of chains."""

    async def follow(self, feed: ChainFeed, params: list[Any]) -> str:
        """Begin a subscription to a chain and return its id.

        Raises: LimitExceeded when the connection has too many; as `ChainFeed.follow`.
        """
