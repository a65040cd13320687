"""The single worker thread, for computations that would block the event loop for more than a few milliseconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")

_MAX_SHORT_BYTES = 4096
"""The maximum size of call data that is decoded in the event loop; more takes milliseconds."""

_THREAD = ThreadPoolExecutor(1, thread_name_prefix="compute")
"""The only worker thread. While it computes, the event loop waits up to 5 ms for the interpreter lock. Each further
thread would add the same wait.
"""


async def compute(work: Callable[[], _T]) -> _T:
    """Run `work` in the worker thread and return its result; the event loop keeps running."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, work)


async def compute_by_size(work: Callable[[], _T], *, size: int) -> _T:
    """Run `work` on `size` bytes of call data: a few at once, more in the worker thread."""
    return work() if size <= _MAX_SHORT_BYTES else await compute(work)
