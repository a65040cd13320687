"""Asynchronous context manager that is open in its own thread while a test's block runs."""

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
    """Enter `context` in a new thread, whose event loop comes from `loop_factory`, and yield the result.

    Errors of the thread are raised here.
    """
    ready, ended = threading.Event(), threading.Event()
    results: list[T] = []
    errors: list[BaseException] = []

    async def run_context() -> None:
        async with context as result:
            results.append(result)
            ready.set()
            await asyncio.to_thread(ended.wait)

    def work() -> None:
        try:
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                runner.run(run_context())
        except BaseException as error:  # raised again in the waiting thread
            errors.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        ready.wait()
        if errors:
            raise errors[0]
        yield results[0]
    finally:
        ended.set()
        thread.join()
    if errors:
        raise errors[0]
