"""Something asynchronous, open in a thread of its own while a test's block runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def run_in_thread(
    context: AbstractAsyncContextManager[T], *, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
) -> Iterator[T]:
    """The result of a context in a thread whose loop `loop_factory` makes. Errors of the thread are raised here."""
    ready, ended = threading.Event(), threading.Event()
    found: list[T] = []
    failed: list[BaseException] = []

    async def hold() -> None:
        async with context as given:
            found.append(given)
            ready.set()
            await asyncio.to_thread(ended.wait)

    def work() -> None:
        try:
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                runner.run(hold())
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
