"""One connection to a Redis server that all requests of this process share: the commands of a tick are one write.

Redis answers the commands of a connection in their order, so a reply belongs to the oldest command without one.
redis-py opens the connection: authentication, TLS, the search for a Sentinel's master. From then on hiredis encodes the
commands and parses the replies here, because redis-py needs several times the CPU for a command (specs/redis.md).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import hiredis
from redis import exceptions
from redis.asyncio.connection import AbstractConnection

from wallet_rpc.tracing import Peer, are_calls_watched, watch_call

Decoder: TypeAlias = Callable[..., Any]
"""Decodes a reply."""

_RUN_SCRIPT = "EVALSHA"
_CLOSED = "Redis closed the connection, or was silent for too long"


class PipelinedServer:
    """A Redis server, over one connection that is opened on first use and again after its end."""

    def __init__(
        self,
        connection: Callable[[], AbstractConnection],
        decoders: Mapping[Any, Decoder],
        *,
        silence_seconds: float,
    ) -> None:
        """Create the client.

        `connection` builds a connection that is not open yet. `decoders` are redis-py's response callbacks, by command.
        """
        self._build = connection
        self._decoders = decoders
        self._silence_seconds = silence_seconds
        self._current: _PipelinedConnection | None = None
        self._opening = asyncio.Lock()

    def execute_command(self, *command: str | int | bytes) -> Awaitable[Any]:
        """Send one command, and return its future reply.

        Raises, when it is awaited: the error reply; ConnectionError without a reply, when the command may have been
        executed.
        """
        connection = self._current
        if connection is None or not connection.is_usable or are_calls_watched():
            return self._execute_watched(command)
        return connection.send(command, self._decoders.get(command[0]))

    async def _execute_watched(self, command: Sequence[str | int | bytes]) -> Any:
        connection = await self._open()
        script = command[1] if command[0] == _RUN_SCRIPT else ""
        with watch_call(connection.peer, str(command[0]), str(script)):
            return await connection.send(command, self._decoders.get(command[0]))

    async def execute_asking(self, *command: str | int | bytes) -> Any:
        """Run one command on a key of a slot that is being moved to this server. Raises: as `execute_command`."""
        connection = await self._open()
        _, reply = await asyncio.gather(connection.send(("ASKING",)), connection.send(command))
        return reply

    @property
    def waiting_commands(self) -> int:
        """The number of commands without a reply."""
        return 0 if self._current is None else self._current.waiting_commands

    async def _open(self) -> _PipelinedConnection:
        async with self._opening:
            if self._current is None or not self._current.is_usable:
                self._current = await _open(self._build(), silence_seconds=self._silence_seconds)
            return self._current

    def close(self) -> None:
        """Close the connection; the next command opens another."""
        if self._current is not None:
            self._current.close()


class _PipelinedConnection(asyncio.Protocol):
    """Open connection; it closes itself when the server is silent for too long while commands wait."""

    def __init__(self, writer: asyncio.StreamWriter, replies: hiredis.Reader, *, silence_seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._writer = writer  # kept, since it closes the transport when it is deleted
        self._transport = cast("asyncio.Transport", writer.transport)
        self._replies = replies
        self.peer = _peer_of(writer)
        self._silence_seconds = silence_seconds
        self._silent_since = 0.0
        """Loop time of the last reply, or of the first command after it if none waited then."""
        self._alarm: asyncio.TimerHandle | None = None
        self._unsent: list[bytes] = []
        self._waiting: deque[tuple[asyncio.Future[Any], Decoder | None]] = deque()

    @property
    def is_usable(self) -> bool:
        """True while commands can be sent."""
        return not self._transport.is_closing()

    @property
    def waiting_commands(self) -> int:
        """The number of commands without a reply."""
        return len(self._waiting)

    def send(self, command: Sequence[str | int | bytes], decode: Decoder | None = None) -> asyncio.Future[Any]:
        """Send a command at the end of this tick, after those that were sent before; return its future reply.

        The exception is the error reply, or ConnectionError: Redis may have executed the command. A cancelled
        command's reply is dropped.
        """
        if not self._unsent:
            self._loop.call_soon(self._write)
        if not self._waiting:
            self._silent_since = self._loop.time()
            if self._alarm is None:
                self._alarm = self._loop.call_later(self._silence_seconds, self._check_silence)
        name = command[0]
        if isinstance(name, str) and " " in name:  # a subcommand
            command = (*name.split(" "), *command[1:])
        self._unsent.append(hiredis.pack_command(command))  # type: ignore[arg-type]  # its stub is for one part
        reply = self._loop.create_future()
        self._waiting.append((reply, decode))
        return reply

    def _write(self) -> None:
        if self.is_usable:
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def _check_silence(self) -> None:
        self._alarm = None
        left = self._silent_since + self._silence_seconds - self._loop.time()
        if self._waiting and left <= 0:
            self.close()
        elif self._waiting:
            self._alarm = self._loop.call_later(left, self._check_silence)

    def data_received(self, data: bytes) -> None:
        """Give each complete reply to the oldest command without one."""
        self._silent_since = self._loop.time()
        self._replies.feed(data)
        try:
            while (reply := self._replies.gets()) is not False:
                future, decode = self._waiting.popleft()
                if not future.done():
                    _complete(future, reply, decode)
        except (exceptions.InvalidResponse, IndexError):  # not a reply, or to no command
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Fail the commands without a reply."""
        while self._waiting:
            future, _ = self._waiting.popleft()
            if not future.done():
                future.set_exception(exceptions.ConnectionError(_CLOSED))
        if self._alarm is not None:
            self._alarm.cancel()

    def close(self) -> None:
        """Close the connection at once."""
        self._transport.abort()


def _complete(future: asyncio.Future[Any], reply: Any, decode: Decoder | None) -> None:
    """Set the result of a command's future, or its exception for an error reply or one that is not as expected."""
    if isinstance(reply, Exception):
        future.set_exception(reply)
        return
    try:
        future.set_result(reply if decode is None else decode(reply))
    except Exception as error:  # redis-py's decoder may raise any; else it would end the commands of all requests
        future.set_exception(error)


def _peer_of(writer: asyncio.StreamWriter) -> Peer:
    """Return the server at the other end; its host is a path if it is reached over a Unix socket."""
    match writer.get_extra_info("peername"):
        case (str(host), int(port), *_):
            return Peer("redis", host, port)
        case path:
            return Peer("redis", str(path or ""))


async def _open(connection: AbstractConnection, *, silence_seconds: float) -> _PipelinedConnection:
    """Open a connection by redis-py, and take over its transport. Raises: RedisError or OSError."""
    try:
        await connection.connect()  # type: ignore[no-untyped-call]  # redis-py
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    parts = cast("Any", connection)  # redis-py has no public way to hand over an open connection
    writer: asyncio.StreamWriter = parts._writer
    replies = hiredis.Reader(protocolError=exceptions.InvalidResponse, replyError=parts._parser.parse_error)
    pipelined = _PipelinedConnection(writer, replies, silence_seconds=silence_seconds)
    writer.transport.set_protocol(pipelined)
    parts._reader = parts._writer = None
    return pipelined
