"""Lock of state that many tasks may use at once, or one task alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager


class ReadWriteLock:
    """Lock for any number of tasks that share the state, or for one that has it alone.

    A task that waits to have the state alone comes before those that come to share it later.
    """

    def __init__(self) -> None:
        self._sharing = 0
        self._turn = asyncio.Lock()
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._is_unused = asyncio.Event()
        self._is_unused.set()

    def share(self) -> AbstractAsyncContextManager[None]:
        """Share the state with others during the block."""
        return Shared(self.acquire_shared, self.release_shared)

    async def acquire_shared(self) -> None:
        """Share the state with others until `release_shared`."""
        while not self._is_open.is_set():
            await self._is_open.wait()
        if self._sharing == 0:
            self._is_unused.clear()
        self._sharing += 1

    def release_shared(self) -> None:
        """End what `acquire_shared` began."""
        self._sharing -= 1
        if self._sharing == 0:
            self._is_unused.set()

    async def acquire_alone(self) -> None:
        """Wait until no other task uses the state, and have it alone until `release_alone`."""
        await self._turn.acquire()
        self._is_open.clear()
        try:
            await self._is_unused.wait()
        except BaseException:
            self.release_alone()
            raise

    def release_alone(self) -> None:
        """Let others use the state again; any task may call this."""
        self._is_open.set()
        self._turn.release()

    @asynccontextmanager
    async def own(self) -> AsyncIterator[None]:
        """Have the state alone during the block."""
        await self.acquire_alone()
        try:
            yield
        finally:
            self.release_alone()


class Shared(AbstractAsyncContextManager[None]):
    """Block between two functions; the block of a generator would take several times as long."""

    __slots__ = ("_begin", "_end")

    def __init__(self, begin: Callable[[], Awaitable[None]], end: Callable[[], None]) -> None:
        self._begin = begin
        self._end = end

    async def __aenter__(self) -> None:
        await self._begin()

    async def __aexit__(self, *_: object) -> None:
        self._end()
