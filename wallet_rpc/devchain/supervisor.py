"""A development chain that outlives its process: one that dies is started again, on the same folder.

The rule: while there is no process, a request is refused at once as one that may be repeated; none waits or is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self

from wallet_rpc.devchain.config import DevChainConfig
from wallet_rpc.devchain.process import ChainFailed, ChainProcess

_RETRY_SECONDS = 2.0


class ChainSupervisor:
    """The server's side of one chain, whichever process runs it."""

    def __init__(self, config: DevChainConfig, process: ChainProcess, notify: Callable[[str], None]) -> None:
        self._config = config
        self._process = process
        self._notify = notify
        self._watch = asyncio.create_task(self._restart_when_gone())

    @classmethod
    async def start(cls, config: DevChainConfig, *, notify: Callable[[str], None] = lambda _: None) -> Self:
        """Open the chain; `tell` gets a line when it is started again. Raises: ChainFailed."""
        return cls(config, await ChainProcess.start(config), notify)

    @property
    def process_id(self) -> int:
        """Of the process that runs the chain now."""
        return self._process.pid

    async def answer(self, body: bytes) -> bytes | None:
        """The JSON-RPC answer to a body; None for notifications only. Raises: Unavailable while there is no process."""
        return await self._process.answer(body)

    async def request(self, parsed: Any) -> Any:
        """As `answer`, for a request object or a batch as JSON values."""
        return await self._process.request(parsed)

    async def stop(self) -> None:
        """End the process; what was answered is kept."""
        self._watch.cancel()
        await asyncio.wait([self._watch])
        await self._process.stop()

    async def _restart_when_gone(self) -> None:
        kept = "empty, since nothing is kept" if self._config.folder is None else "with all that it answered"
        while True:
            await self._process.wait()
            await self._process.stop()
            self._notify(f"chain {self._config.chain_id} ended; starting it again, {kept}")
            await self._restart()

    async def _restart(self) -> None:
        while True:
            try:
                self._process = await ChainProcess.start(self._config)
            except ChainFailed as error:
                self._notify(f"chain {self._config.chain_id}: {error}")
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return
