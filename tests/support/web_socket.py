"""Client of JSON-RPC over a WebSocket: replies by their id, and notifications in their order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.constants import LONGEST_SECONDS


@dataclass
class SocketClient:
    """An open connection, whose messages a task collects."""

    connection: ClientConnection
    replies: dict[Any, Any] = field(default_factory=dict)
    notifications: list[dict[str, Any]] = field(default_factory=list)
    """The params of the notifications."""
    close_code: int | None = None
    _arrival: asyncio.Event = field(default_factory=asyncio.Event)
    _next_id: int = 1

    async def collect(self) -> None:
        try:
            async for text in self.connection:
                message = json.loads(text)
                if message.get("method") in {"wallet_subscription", "eth_subscription"}:
                    self.notifications.append(message["params"])
                else:
                    self.replies[message["id"]] = message
                self._arrival.set()
        except ConnectionClosed:
            pass
        self.close_code = self.connection.close_code
        self._arrival.set()

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LONGEST_SECONDS):
            while not condition():
                assert self.close_code is None or condition(), (self.close_code, self.replies)
                self._arrival.clear()
                await self._arrival.wait()

    async def ask(self, method: str, *params: Any) -> Any:
        """Send a request and return the response."""
        number, self._next_id = self._next_id, self._next_id + 1
        body = {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}
        await self.connection.send(json.dumps(body))
        await self.wait_for(lambda: number in self.replies)
        return self.replies[number]

    async def result(self, method: str, *params: Any) -> Any:
        return (await self.ask(method, *params))["result"]

    def types(self, subscription: str) -> list[str]:
        """Return the types of the events of a subscription."""
        return [result["type"] for result in self.results(subscription)]

    def results(self, subscription: str) -> list[dict[str, Any]]:
        """Return the results that a subscription has sent."""
        found = [each for each in self.notifications if each["subscription"] == subscription]
        return [each["result"] for each in found if "result" in each]

    def errors(self, subscription: str) -> list[str]:
        """Return the reasons of the errors of a subscription."""
        found = [each for each in self.notifications if each["subscription"] == subscription]
        return [each["error"]["reason"] for each in found if "error" in each]


@asynccontextmanager
async def open_socket(url: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[SocketClient]:
    """Connect to a JSON-RPC URL over a WebSocket."""
    async with connect(url.replace("http", "ws", 1), additional_headers=headers) as connection:
        client = SocketClient(connection)
        collecting = asyncio.create_task(client.collect())
        try:
            yield client
        finally:
            await connection.close()
            await collecting
