"""A whole server in a thread of this process: real HTTP, real Redis, the real chain in its own process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import replace

from tests.pauses.watch import Watch
from tests.thread_context import run_in_thread
from wallet_rpc.config.settings import Settings
from wallet_rpc.dev_server import DevOptions, open_dev_server
from wallet_rpc.edge.listener import bind_socket, serve_in_background
from wallet_rpc.ports import Clock

PAGES = ("https://app.example",)
"""The origin of the pages of the tests; it is named, since only pages of this machine may call `dev` otherwise."""


def run_dev_server(
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
    return run_in_thread(_serve_dev(chosen, wanted, clock), loop_factory=None if watch is None else watch.loop)


@asynccontextmanager
async def _serve_dev(chosen: Settings, options: DevOptions, clock: Clock | None) -> AsyncIterator[str]:
    with bind_socket(chosen) as at:
        async with open_dev_server(chosen, options, clock=clock) as app, serve_in_background(app, at) as url:
            yield url
