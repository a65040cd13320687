"""A whole server in a thread of this process: real HTTP, real Redis, the real chain in its own process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import replace

from tests.pauses.watch import Watch
from tests.thread_context import held
from wallet_rpc.config.settings import Settings
from wallet_rpc.dev_server import DevOptions, opened_dev
from wallet_rpc.edge.listener import bound, listening
from wallet_rpc.ports import Clock

PAGES = ("https://app.example",)
"""The origin of the pages of the tests; it is named, since only pages of this machine may call `dev` otherwise."""


def running(
    options: DevOptions | None = None,
    *,
    clock: Clock | None = None,
    settings: Settings | None = None,
    watch: Watch | None = None,
) -> AbstractContextManager[str]:
    """The URL of a server that keeps nothing, on a free port of this machine; a watch sees its loop pause."""
    chosen = replace(Settings() if settings is None else settings, host="127.0.0.1", port=0)
    chosen = chosen if chosen.cors_origins is not None else replace(chosen, cors_origins=PAGES)
    wanted = DevOptions(ephemeral=True) if options is None else options
    return held(_served(chosen, wanted, clock), loop_factory=None if watch is None else watch.loop)


@asynccontextmanager
async def _served(chosen: Settings, wanted: DevOptions, clock: Clock | None) -> AsyncIterator[str]:
    with bound(chosen) as at:
        async with opened_dev(chosen, wanted, clock=clock) as app, listening(app, at) as url:
            yield url
