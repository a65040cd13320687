"""A development chain in its own process, so that running contracts never blocks the server's event loop.

Requests go to the worker over its standard input, and responses come back over its standard output, in frames. The
worker answers every frame in order. The worker ends when its input ends, also because this process has died.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from dataclasses import asdict
from typing import Any, Self

from wallet_rpc.devchain.config import FRAME_HEADER, READY, DevChainConfig
from wallet_rpc.errors import Unavailable

_STOP_SECONDS = 5.0
_WORKER = "wallet_rpc.devchain.worker"


class ChainFailed(Exception):
    """The chain could not be opened; the message has the reason."""


class ChainProcess:
    """The parent's end of one chain."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._last = READY
        self._reader: asyncio.Task[None] | None = None
        self.methods: frozenset[str] = frozenset()
        """The names of the chain's methods, once it is open."""

    @classmethod
    async def start(cls, config: DevChainConfig) -> Self:
        """Open a chain in a new process. Raises: ChainFailed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            _WORKER,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        made = cls(process)
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

    async def _read(self) -> None:
        stream = self._process.stdout
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while stream is not None:
                length, number = FRAME_HEADER.unpack(await stream.readexactly(FRAME_HEADER.size))
                body = await stream.readexactly(length)
                waiting = self._waiting.pop(number, None)
                if waiting is not None and not waiting.done():  # the caller may have been cancelled
                    waiting.set_result(body)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(_chain_stopped_error())
        self._waiting.clear()


def _chain_stopped_error() -> Unavailable:
    return Unavailable("the development chain has stopped", reason="chain_stopped")
