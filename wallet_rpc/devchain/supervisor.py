"""Supervisor of a development chain: restarts its process on the same folder when it dies.

While there is no process, every request fails immediately with a retryable error.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Self

from wallet_rpc.devchain.config import DevChainConfig
from wallet_rpc.devchain.fan_out import ChainFanOut
from wallet_rpc.devchain.process import ChainFailed, ChainProcess, Worker
from wallet_rpc.errors import MethodNotFound, Unavailable
from wallet_rpc.primitives import UnixSeconds

_RETRY_SECONDS = 2.0


class ChainSupervisor:
    """The server's end of one chain, across restarts of its process."""

    def __init__(self, config: DevChainConfig, report: Callable[[str], None]) -> None:
        self._config = config
        self._report = report
        self._process: ChainProcess
        self._watch: asyncio.Task[None]
        self.feed = ChainFanOut(self.request)
        """The notifications of the chain."""
        self._earlier_moves = 0

    @classmethod
    async def start(
        cls, config: DevChainConfig, *, notify: Callable[[str], None] = lambda _: None, process: Worker | None = None
    ) -> Self:
        """Open the chain; `notify` is called with a line when it is restarted. Raises: ChainFailed."""
        made = cls(config, notify)
        made._process = await ChainProcess.start(config, process=process, notify=made.feed.notify)
        made._watch = asyncio.create_task(made._restart_when_gone())
        return made

    @property
    def process_id(self) -> int:
        """The id of the process that runs the chain now."""
        return self._process.pid

    def now(self) -> UnixSeconds:
        """Return the time that the next block would have; without a process, by what the last one announced."""
        return self._process.now()

    @property
    def moves(self) -> int:
        """The number of times that the chain's time was moved, and its process restarted."""
        return self._earlier_moves + self._process.moves

    async def answer(self, body: bytes) -> bytes | None:
        """Return the JSON-RPC response to a body; None for notifications only.

        Raises: Unavailable while there is no process.
        """
        return await self._process.answer(body)

    async def forward(self, request: dict[str, Any]) -> Any:
        """Send one request object of a client. Raises: MethodNotFound, without asking the chain; and as `answer`."""
        if request["method"] not in self._process.methods:
            raise MethodNotFound.from_name(request["method"])
        return await self.request(request)

    async def request(self, parsed: Any) -> Any:
        """Send a request object or a batch as JSON values, and return the parsed response. Raises: as `answer`."""
        return await self._process.request(parsed)

    async def stop(self) -> None:
        """Stop the process; the changes of all answered requests are stored."""
        self._watch.cancel()
        await asyncio.wait([self._watch])
        await self._process.stop()

    async def _restart_when_gone(self) -> None:
        state = "empty, as it has no data folder" if self._config.folder is None else "with all stored state"
        while True:
            await self._process.wait()
            await self._process.stop()
            self._report(f"chain {self._config.chain_id} ended; restarting it {state}")
            await self._restart()

    async def _restart(self) -> None:
        while True:
            try:
                process = await ChainProcess.start(self._config, notify=self.feed.notify)
            except ChainFailed as error:
                self._report(f"chain {self._config.chain_id}: {error}")
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._earlier_moves = self.moves + 1
                self._process = process
                with contextlib.suppress(Unavailable):  # it ended again
                    await self.feed.resume()
                return
