"""Subscriptions of one WebSocket to embedded chains: each sends the chain's notifications, in their order."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Send
from uvicorn.protocols.utils import ClientDisconnected

from wallet_rpc.domain.access import WRITE_ACCESS
from wallet_rpc.edge.chain_feed import ChainFeed, StopFollowing
from wallet_rpc.edge.closing import POLICY_VIOLATION, Closing
from wallet_rpc.edge.followers import CHECK_SECONDS, Follower
from wallet_rpc.errors import Unavailable, WalletError

WAITING_BYTES = 16 << 20
"""Maximum sum of the results that wait for one client: about 10,000 blocks, as many as one request can mine."""
_NOTIFICATION = b'{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"%b","result":%b}}'


@dataclass(slots=True, eq=False)
class _ChainSubscription:
    """One subscription: the results that wait, how to end it, and the task that sends them."""

    waiting: deque[bytes] = field(default_factory=deque)
    arrival: asyncio.Event = field(default_factory=asyncio.Event)
    stop: StopFollowing | None = None
    sending: asyncio.Task[None] | None = None


class ChainSubscriptions:
    """The subscriptions of one connection to chains, by their ids."""

    def __init__(self, follower: Follower, send: Send, closing: Closing) -> None:
        self._follower = follower
        self._send = send
        self._closing = closing
        self._all: dict[str, _ChainSubscription] = {}
        self._waiting_bytes = 0

    def __len__(self) -> int:
        return len(self._all)

    async def open(self, name: str, feed: ChainFeed, params: list[Any]) -> None:
        """Add a subscription that `start` starts. Raises: as `ChainFeed.follow`."""
        one = self._all[name] = _ChainSubscription()
        try:
            one.stop = await feed.follow(params, lambda result: self._receive(one, result))
        finally:
            if one.stop is None:
                del self._all[name]

    def start(self, name: str) -> None:
        """Send the notifications of a subscription from now on, unless it is none of these or has ended."""
        if name in self._all:
            one = self._all[name]
            one.sending = asyncio.create_task(self._send_results(name.encode(), one))

    async def end(self, name: str) -> bool:
        """End a subscription, after which it sends nothing; return False if there is none."""
        one = self._all.get(name)
        if one is None or one.stop is None:
            return False
        del self._all[name]
        self._drop_waiting(one)
        if one.sending is not None:
            one.sending.cancel()
            await asyncio.wait({one.sending})
        await one.stop()
        return True

    async def close(self) -> None:
        """End all subscriptions."""
        for name in list(self._all):
            await self.end(name)

    def _receive(self, one: _ChainSubscription, result: bytes) -> None:
        """Add a result; if too many wait, close the connection, whose client reads too slowly."""
        if self._closing.requested.is_set():
            return
        one.waiting.append(result)
        one.arrival.set()
        self._waiting_bytes += len(result)
        if self._waiting_bytes > WAITING_BYTES:
            for each in self._all.values():
                self._drop_waiting(each)
            self._closing.request(POLICY_VIOLATION)

    def _drop_waiting(self, one: _ChainSubscription) -> None:
        self._waiting_bytes -= sum(map(len, one.waiting))
        one.waiting.clear()

    async def _send_results(self, name: bytes, one: _ChainSubscription) -> None:
        clock = asyncio.get_running_loop().time
        next_check = clock() + CHECK_SECONDS
        with suppress(ClientDisconnected):
            while not self._closing.requested.is_set():
                if clock() >= next_check:
                    await self._check_credential()
                    next_check = clock() + CHECK_SECONDS
                if one.waiting:
                    result = one.waiting.popleft()
                    self._waiting_bytes -= len(result)
                    text = (_NOTIFICATION % (name, result)).decode()
                    await self._send({"type": "websocket.send", "text": text})
                else:
                    one.arrival.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(CHECK_SECONDS):
                            await one.arrival.wait()

    async def _check_credential(self) -> None:
        """Close the connection if its credential has become invalid."""
        try:
            await self._follower.authorize(WRITE_ACCESS)
        except Unavailable:
            return  # it is checked again
        except WalletError:
            self._closing.request(POLICY_VIOLATION)
