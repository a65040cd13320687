"""Computing beside the event loop, for work that takes the processor for more than a few milliseconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_THREAD = ThreadPoolExecutor(1, thread_name_prefix="compute")
"""One thread: while it computes, Python gives the loop its turn every 5 ms; each further thread would add as much."""


async def compute(work: Callable[[], T]) -> T:
    """What the work gives; the loop goes on meanwhile."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, work)
