"""Complete server in a thread of this process: real HTTP, real Redis, and the real chain in its own process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import replace

from tests.pauses.watch import Watch
from tests.support.thread_context import run_in_thread
from wallet_rpc.config.settings import Settings
from wallet_rpc.dev_server import DevOptions, open_dev_server
from wallet_rpc.edge.listener import bind_socket, serve_in_background
from wallet_rpc.ports import Clock

PAGES = ("https://app.example",)
"""Origin of the tests' web pages. It must be listed: by default, only local pages may call `dev`."""


def run_dev_server(
    options: DevOptions | None = None,
    *,
    clock: Clock | None = None,
    settings: Settings | None = None,
    watch: Watch | None = None,
) -> AbstractContextManager[str]:
    """Run an ephemeral server on a free local port, and yield its URL; `watch` measures its event loop's pauses."""
    chosen = replace(Settings() if settings is None else settings, host="127.0.0.1", port=0, patience_seconds=30.0)
    if chosen.cors_origins is None:
        chosen = replace(chosen, cors_origins=PAGES)
    if options is None:
        options = DevOptions(ephemeral=True)
    return run_in_thread(_serve_dev(chosen, options, clock), loop_factory=None if watch is None else watch.loop)


@asynccontextmanager
async def _serve_dev(chosen: Settings, options: DevOptions, clock: Clock | None) -> AsyncIterator[str]:
    with bind_socket(chosen) as listening:
        async with open_dev_server(chosen, options, clock=clock) as app, serve_in_background(app, listening) as url:
            yield url
