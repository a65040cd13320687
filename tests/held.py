"""Something asynchronous, open in a thread of its own while a test's block runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def held(opening: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """What it gives. What is raised in the thread is raised here, also when it is put away."""
    ready, ended = threading.Event(), threading.Event()
    found: list[T] = []
    failed: list[BaseException] = []

    async def hold() -> None:
        async with opening as given:
            found.append(given)
            ready.set()
            await asyncio.to_thread(ended.wait)

    def work() -> None:
        try:
            asyncio.run(hold())
        except BaseException as error:  # told to the thread that waits
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        ready.wait()
        if failed:
            raise failed[0]
        yield found[0]
    finally:
        ended.set()
        thread.join()
    if failed:
        raise failed[0]
