"""Proxy in front of a Redis, which counts commands and fails as its switch says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.chaos.connections import listen, reset
from tests.chaos.switch import SLOW_SECONDS, Behaviour, Moment, Switch

_IDLE = frozenset({"PING", "HELLO", "CLIENT", "INFO", "SELECT", "XREADGROUP", "XAUTOCLAIM", "AUTH", "CONFIG"})
"""Commands of connections, checks and idle workers: no step of a request."""
_CHUNK_BYTES = 65536


class RedisProxy:
    """Forwards the commands of each connection to one Redis."""

    def __init__(self, upstream_port: int, port: int) -> None:
        self.switch = Switch()
        self.url = f"redis://127.0.0.1:{port}"
        self._upstream_port = upstream_port
        self._port = port

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Serve during the block."""
        async with listen(self._handle, self._port):
            yield

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.switch.behaviour is Behaviour.CUT:
            return
        upstream = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        connection = _Connection(self.switch, (reader, writer), upstream)
        pumps = [asyncio.create_task(connection.forward_commands()), asyncio.create_task(connection.forward_replies())]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*pumps, return_exceptions=True)
            reset(upstream[1])


class _Connection:
    """One client's connection and its counterpart to the Redis."""

    def __init__(
        self,
        switch: Switch,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._switch = switch
        self._from_client, self._to_client = client
        self._from_redis, self._to_redis = upstream
        self._last = ""

    async def forward_commands(self) -> None:
        """Forward commands one after the other until the connection ends or is cut."""
        while True:
            name, command = await _read_command(self._from_client)
            self._switch.requests += 1
            if name not in _IDLE:
                await self._switch.reach(name, Moment.BEFORE)
            await self._switch.wait_while_frozen()
            if self._switch.behaviour is Behaviour.CUT:
                return
            self._last = name
            self._to_redis.write(command)
            await self._to_redis.drain()

    async def forward_replies(self) -> None:
        """Forward replies as they arrive, until the connection ends or is cut."""
        while chunk := await self._from_redis.read(_CHUNK_BYTES):
            if self._last not in _IDLE:
                await self._switch.reach(self._last, Moment.AFTER)
            await self._switch.wait_while_frozen()
            if self._switch.behaviour is Behaviour.CUT:
                return
            if self._switch.behaviour is Behaviour.SLOW:
                await asyncio.sleep(SLOW_SECONDS)
            self._to_client.write(b"?garbage\r\n" if self._switch.behaviour is Behaviour.GARBAGE else chunk)
            await self._to_client.drain()


async def _read_command(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """Return the name and the bytes of the next command. Raises: asyncio.IncompleteReadError at the end."""
    head = await reader.readuntil(b"\r\n")
    parts = [head]
    name = b""
    for number in range(int(head[1:])):
        length = await reader.readuntil(b"\r\n")
        value = await reader.readexactly(int(length[1:]) + 2)
        parts += [length, value]
        if number == 0:
            name = value[:-2]
    return name.decode().upper(), b"".join(parts)
