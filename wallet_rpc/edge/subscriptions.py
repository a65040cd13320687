"""Subscriptions of one WebSocket: each reads events at its own position and sends them as notifications."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from starlette.types import Send
from uvicorn.protocols.utils import ClientDisconnected

from wallet_rpc.domain.event import EventFilter
from wallet_rpc.edge.chain_feed import ChainFeed
from wallet_rpc.edge.chain_subscriptions import ChainSubscriptions
from wallet_rpc.edge.closing import POLICY_VIOLATION, Closing
from wallet_rpc.edge.followers import CHECK_SECONDS, MESSAGES, Follower
from wallet_rpc.edge.request_context import current_caller
from wallet_rpc.errors import Forbidden, LimitExceeded, Unauthorized, WalletError
from wallet_rpc.services.event_counts import FollowerKind
from wallet_rpc.services.event_feed import Batch, EventFeed, EventReader

SUBSCRIPTIONS = 20
"""Maximum number of subscriptions of one connection."""
NOTIFICATION = "wallet_subscription"
"""The method of notifications."""


@dataclass(slots=True, eq=False)
class _Subscription:
    """One subscription: its reader, which `opened` closes, and the task that sends its events."""

    id: str
    event_filter: EventFilter
    reader: EventReader
    opened: ExitStack
    sending: asyncio.Task[None] | None = None


class Subscriptions:
    """The subscriptions of one connection."""

    def __init__(
        self, feed: EventFeed, follower: Follower, send: Send, closing: Closing, draw_bytes: Callable[[int], bytes]
    ) -> None:
        self._feed = feed
        self._draw_bytes = draw_bytes
        self._follower = follower
        self._send = send
        self._closing = closing
        self._all: dict[str, _Subscription] = {}
        self._of_chains = ChainSubscriptions(follower, send, closing)

    def open(self, event_filter: EventFilter, *, after: str | None) -> str:
        """Add a subscription that `start` starts, and return its id. Raises: LimitExceeded."""
        name = self._new_id()
        opened = ExitStack()
        organization, kind = current_caller().organization, FollowerKind.SUBSCRIPTION
        reader = opened.enter_context(self._feed.open_reader(organization, after=after, kind=kind))
        self._all[name] = _Subscription(name, event_filter, reader, opened)
        return name

    async def open_chain(self, feed: ChainFeed, params: list[Any]) -> str:
        """Add a subscription to a chain that `start` starts, and return its id.

        Raises: LimitExceeded, SubscriptionRejected, Unavailable.
        """
        name = self._new_id()
        await self._of_chains.open(name, feed, params)
        return name

    def start(self, name: str) -> None:
        """Send the notifications of a subscription from now on, unless it has ended."""
        self._of_chains.start(name)
        if name in self._all:
            one = self._all[name]
            one.sending = asyncio.create_task(self._send_events(one))

    async def end(self, name: str) -> bool:
        """End a subscription, after which it sends nothing; return False if there is none."""
        one = self._all.pop(name, None)
        if one is None:
            return await self._of_chains.end(name)
        one.opened.close()
        if one.sending is not None and one.sending is not asyncio.current_task():
            one.sending.cancel()
            await asyncio.wait({one.sending})
        return True

    async def close(self) -> None:
        """End all subscriptions."""
        for name in list(self._all):
            await self.end(name)
        await self._of_chains.close()

    def _new_id(self) -> str:
        """Return an id for one more subscription. Raises: LimitExceeded."""
        if len(self._all) + len(self._of_chains) >= SUBSCRIPTIONS:
            text = f"expected at most {SUBSCRIPTIONS} subscriptions of one connection; end one of them"
            raise LimitExceeded(text, reason="too_many_subscriptions", limit=SUBSCRIPTIONS)
        return f"0x{self._draw_bytes(8).hex()}"

    async def _send_events(self, one: _Subscription) -> None:
        clock = asyncio.get_running_loop().time
        next_check = clock() + CHECK_SECONDS
        try:
            batch = Batch()
            while batch.end is None:
                if clock() >= next_check:
                    await self._follower.authorize()
                    next_check = clock() + CHECK_SECONDS
                batch = await one.reader.read(wait_seconds=CHECK_SECONDS)
                await self._send_batch(one, batch)
        except WalletError as error:
            await self._notify(one, "error", _describe(error.reason, error.message, is_end=True))
            if isinstance(error, Unauthorized | Forbidden):
                self._closing.request(POLICY_VIOLATION)
        except ClientDisconnected:
            return
        await self.end(one.id)

    async def _send_batch(self, one: _Subscription, batch: Batch) -> None:
        if batch.gap is not None:
            text = _describe(batch.gap, MESSAGES[batch.gap], is_end=False, last=batch.resumed_at)
            await self._notify(one, "error", text)
        for each in batch.events:
            if await self._follower.sees(each.event, one.event_filter):
                one.reader.count_sent()
                await self._notify(one, "result", each.text)
        if batch.end is not None:
            await self._notify(one, "error", _describe(batch.end, MESSAGES[batch.end], is_end=True))

    async def _notify(self, one: _Subscription, member: str, text: str) -> None:
        params = f'{{"subscription":"{one.id}","{member}":{text}}}'
        notification = f'{{"jsonrpc":"2.0","method":"{NOTIFICATION}","params":{params}}}'
        await self._send({"type": "websocket.send", "text": notification})


class MessageSubscriber:
    """`chain_feed.ConnectionSubscriber` of one message: its subscriptions start once it is answered."""

    def __init__(self, subscriptions: Subscriptions) -> None:
        self._subscriptions = subscriptions
        self._new: list[str] = []

    async def subscribe(self, event_filter: EventFilter, *, after: str | None) -> str:
        """Add a subscription and return its id. Raises: LimitExceeded."""
        self._new.append(self._subscriptions.open(event_filter, after=after))
        return self._new[-1]

    async def follow(self, feed: ChainFeed, params: list[Any]) -> str:
        """Add a subscription to a chain and return its id. Raises: LimitExceeded, SubscriptionRejected, Unavailable."""
        self._new.append(await self._subscriptions.open_chain(feed, params))
        return self._new[-1]

    async def unsubscribe(self, subscription: str) -> bool:
        """End a subscription; return False for one that the connection does not have."""
        return await self._subscriptions.end(subscription)

    def start(self) -> None:
        """Start the subscriptions of the message."""
        for name in self._new:
            self._subscriptions.start(name)


def _describe(reason: str, message: str, *, is_end: bool, last: str | None = None) -> str:
    """Return the JSON text of an error of a subscription: events are missing, or it has ended."""
    facts: dict[str, Any] = {"reason": reason, "message": message, "isEnd": is_end}
    return json.dumps(facts if last is None else {**facts, "lastEventId": last})
