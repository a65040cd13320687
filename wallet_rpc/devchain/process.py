"""A development chain in its own process, so that running contracts never blocks the server's event loop.

Requests go to the worker over its standard input, and responses come back over its standard output, in frames. The
worker answers every frame in order, sends the notifications of subscriptions in between, and announces each change of
the chain's time before the response to the request that made it. The worker ends when its input ends, also because this
process has died.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any, Self, TypeAlias

from wallet_rpc.devchain.chain_time import NextTime
from wallet_rpc.devchain.config import FRAME_HEADER, NOTIFICATION_BIT, READY, TIME, DevChainConfig
from wallet_rpc.errors import Unavailable
from wallet_rpc.primitives import UnixSeconds

_STOP_SECONDS = 5.0
_WORKER = "wallet_rpc.devchain.worker"
Worker: TypeAlias = asyncio.subprocess.Process
"""A process of the module `worker`, which waits for its configuration."""
Notify: TypeAlias = Callable[[int, bytes], None]
"""Receives a subscription's number and the JSON text of a notification's result."""


class ChainFailed(Exception):
    """The chain could not be opened; the message has the reason."""


class ChainProcess:
    """The parent's end of one chain."""

    def __init__(self, process: asyncio.subprocess.Process, notify: Notify) -> None:
        self._process = process
        self._notify = notify
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._last = READY
        self._reader: asyncio.Task[None] | None = None
        self.methods: frozenset[str] = frozenset()
        """The names of the chain's methods, once it is open."""
        self.moves = 0
        """The number of times that a control or a block moved the chain's time."""
        self._next_time = NextTime(0, 0)

    @classmethod
    async def start(
        cls, config: DevChainConfig, *, process: Worker | None = None, notify: Notify = lambda _, __: None
    ) -> Self:
        """Open a chain in a new process, or in one of `spawn_workers`. Raises: ChainFailed.

        `notify` is called with each notification of a subscription.
        """
        if process is None:
            process = await _spawn_worker()
        made = cls(process, notify)
        ready = made._expect(READY)
        made._reader = asyncio.create_task(made._read())
        made._write(READY, json.dumps(asdict(config), default=str).encode())
        try:
            response = json.loads(await ready)
        except Unavailable as error:
            await made.stop()
            raise ChainFailed("the chain's process ended before it was ready") from error
        except asyncio.CancelledError:
            process.kill()
            await made.stop()
            raise
        if "failed" in response:
            await made.stop()
            raise ChainFailed(response["failed"])
        made.methods = frozenset(response["methods"])
        return made

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    def now(self) -> UnixSeconds:
        """Return the time that the next block would have now. It counts every control that was answered."""
        return self._next_time.at(time.time())

    async def answer(self, body: bytes) -> bytes | None:
        """Return the JSON-RPC response to a body; None for notifications only.

        Raises: Unavailable when the process has ended.
        """
        if self._process.returncode is not None or self._reader is None or self._reader.done():
            raise _chain_stopped_error()
        self._last += 1
        waiting = self._expect(self._last)
        self._write(self._last, body)
        return await waiting or None

    async def request(self, parsed: Any) -> Any:
        """Send a request object or a batch as JSON values, and return the parsed response. Raises: as `answer`."""
        answer = await self.answer(json.dumps(parsed).encode())
        return None if answer is None else json.loads(answer)

    async def wait(self) -> None:
        """Wait until the process has ended."""
        await self._process.wait()

    async def stop(self) -> None:
        """Stop the process; the changes of all answered requests are stored."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        if self._reader is not None:
            await self._reader

    def _expect(self, number: int) -> asyncio.Future[bytes]:
        self._waiting[number] = waiting = asyncio.get_running_loop().create_future()
        return waiting

    def _write(self, number: int, body: bytes) -> None:
        if self._process.stdin is None or self._process.stdin.is_closing():
            raise _chain_stopped_error()
        self._process.stdin.write(FRAME_HEADER.pack(len(body), number) + body)

    def _follow(self, rule: NextTime) -> None:
        now = time.time()
        self.moves += rule.at(now) != self._next_time.at(now)
        self._next_time = rule

    async def _read(self) -> None:
        stream = self._process.stdout
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while stream is not None:
                length, number = FRAME_HEADER.unpack(await stream.readexactly(FRAME_HEADER.size))
                body = await stream.readexactly(length)
                if number == TIME:
                    self._follow(NextTime(**json.loads(body)))
                    continue
                if number & NOTIFICATION_BIT:
                    self._notify(number ^ NOTIFICATION_BIT, body)
                    continue
                waiting = self._waiting.pop(number, None)
                if waiting is not None and not waiting.done():  # the caller may have been cancelled
                    waiting.set_result(body)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(_chain_stopped_error())
        self._waiting.clear()


@asynccontextmanager
async def spawn_workers(count: int) -> AsyncIterator[tuple[Worker, ...]]:
    """Start processes that import the chain's libraries, and yield them; those that still run at the end are killed.

    The server imports its own libraries at the same time, which takes as long.
    """
    workers = [await _spawn_worker() for _ in range(count)]
    try:
        yield tuple(workers)
    finally:
        for worker in workers:
            if worker.returncode is None:
                with contextlib.suppress(ProcessLookupError):  # it ended since
                    worker.kill()
                await worker.wait()


async def _spawn_worker() -> Worker:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        _WORKER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )


def _chain_stopped_error() -> Unavailable:
    return Unavailable("the development chain has stopped", reason="chain_stopped")
