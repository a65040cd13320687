"""Fan-out of a chain's notifications to the connections that subscribed.

Equal subscriptions of all connections are one subscription in the chain's process, so that each block is searched and
written once for all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from wallet_rpc.edge.chain_feed import Deliver, StopFollowing, SubscriptionRejected
from wallet_rpc.edge.chain_following import SUBSCRIBE, UNSUBSCRIBE
from wallet_rpc.errors import Unavailable

Request: TypeAlias = Callable[[dict[str, Any]], Awaitable[Any]]
"""Sends a request object to the chain and returns the response object. Raises: Unavailable."""


@dataclass(slots=True, eq=False)
class _Source:
    """One subscription in the chain's process, and the connections that it is for."""

    number: int
    params: list[Any]
    receivers: list[Deliver] = field(default_factory=list)


class ChainFanOut:
    """The subscriptions of one chain. They outlive the chain's process: `resume` begins them in the next one."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._numbers = itertools.count(1)
        self._by_number: dict[int, _Source] = {}
        self._by_params: dict[str, _Source] = {}
        self._lock = asyncio.Lock()
        self._ending: set[asyncio.Task[None]] = set()

    async def follow(self, params: list[Any], deliver: Deliver) -> StopFollowing:
        """Call `deliver` with the JSON text of each result from now on, until the returned function is called.

        Raises: SubscriptionRejected with the chain's error; Unavailable.
        """
        async with self._lock:
            key = json.dumps(params, sort_keys=True)
            source = self._by_params.get(key)
            if source is None:
                source = await self._open(params)
                self._by_number[source.number] = self._by_params[key] = source
            source.receivers.append(deliver)

        async def stop() -> None:
            if deliver in source.receivers:
                source.receivers.remove(deliver)
                await self._end_unused(key, source)

        return stop

    def notify(self, number: int, result: bytes) -> None:
        """Hand a notification of the chain's process to the connections that it is for."""
        source = self._by_number.get(number)
        for deliver in () if source is None else tuple(source.receivers):
            deliver(result)

    async def resume(self) -> None:
        """Begin all subscriptions in a new process of the chain."""
        async with self._lock:
            for source in self._by_number.values():
                await self._begin(source)

    async def _open(self, params: list[Any]) -> _Source:
        source = _Source(next(self._numbers), params)
        try:
            await self._begin(source)
        except asyncio.CancelledError:  # the chain may begin it yet
            ending = asyncio.create_task(self._end(source))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            raise
        return source

    async def _begin(self, source: _Source) -> None:
        request = _request(SUBSCRIBE, [*source.params, source.number])
        response = await self._request(request)
        if "error" in response:
            raise SubscriptionRejected(response["error"])

    async def _end_unused(self, key: str, source: _Source) -> None:
        async with self._lock:
            if source.receivers or self._by_number.pop(source.number, None) is None:
                return
            del self._by_params[key]
            await self._end(source)

    async def _end(self, source: _Source) -> None:
        with contextlib.suppress(Unavailable):  # it ended with the process
            await self._request(_request(UNSUBSCRIBE, [source.number]))


def _request(method: str, params: list[Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
