"""A whole server in a thread of this process: real HTTP, real Redis, the real chain in its own process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from wallet_rpc.dev import DevOptions, opened_dev
from wallet_rpc.listening import bound, listening
from wallet_rpc.ports import Clock
from wallet_rpc.settings import Settings


@contextmanager
def running(
    options: DevOptions | None = None, *, clock: Clock | None = None, settings: Settings | None = None
) -> Iterator[str]:
    """The URL of a server that keeps nothing, on a free port of this machine."""
    chosen = replace(Settings() if settings is None else settings, host="127.0.0.1", port=0)
    wanted = DevOptions(ephemeral=True) if options is None else options
    ready, ended = threading.Event(), threading.Event()
    found: list[str] = []
    failed: list[BaseException] = []

    async def serve() -> None:
        with bound(chosen) as at:
            async with opened_dev(chosen, wanted, clock=clock) as app, listening(app, at) as url:
                found.append(url)
                ready.set()
                await asyncio.to_thread(ended.wait)

    def work() -> None:
        try:
            asyncio.run(serve())
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
