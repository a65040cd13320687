"""Traces, the log of calls and the store of incidents of a server, while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from wallet_rpc import tracing
from wallet_rpc.adapters.otlp_export import export_traces
from wallet_rpc.adapters.redis_incidents import RedisIncidents
from wallet_rpc.edge.call_log import CallLog
from wallet_rpc.edge.observe import log_incident, pending_incidents, watch_incidents
from wallet_rpc.errors import Unavailable

_PAUSE_SECONDS = 1.0
"""Time between two writes of incidents, so that many of them cause few writes."""


@asynccontextmanager
async def observe_server(environ: Mapping[str, str], *, log_level: str) -> AsyncIterator[None]:
    """Export traces if the environment names a collector, and log calls at the level `debug`. Raises: SettingError."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(export_traces(environ))
        if log_level == "debug":
            stack.enter_context(tracing.watch_calls(CallLog()))
        yield


@asynccontextmanager
async def record_incidents(incidents: RedisIncidents) -> AsyncIterator[None]:
    """Store incidents while the block runs, also those of tasks that no code awaits."""
    loop, has_incidents = asyncio.get_running_loop(), asyncio.Event()
    loop.set_exception_handler(_handle_exception)
    recording = asyncio.create_task(_record(incidents, has_incidents))
    try:
        with watch_incidents(lambda: loop.call_soon_threadsafe(has_incidents.set)):
            yield
    finally:
        recording.cancel()
        loop.set_exception_handler(None)
        await _store_pending(incidents)


async def _record(incidents: RedisIncidents, has_incidents: asyncio.Event) -> None:
    while True:
        await has_incidents.wait()
        has_incidents.clear()
        if not await _store_pending(incidents):
            has_incidents.set()
        await asyncio.sleep(_PAUSE_SECONDS)


async def _store_pending(incidents: RedisIncidents) -> bool:
    """Store the incidents that wait; False if the store is unavailable, when they go on waiting."""
    with suppress(Unavailable):
        for each in list(pending_incidents):
            await incidents.add(each)
            with suppress(ValueError):  # newer ones have taken its place
                pending_incidents.remove(each)
        return True
    return False


def _handle_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an exception that no code handles as an incident, unless it is one of a connection."""
    raised = context.get("exception")
    if isinstance(raised, Exception) and not isinstance(raised, OSError):
        log_incident(raised, method="(background)")
    else:
        loop.default_exception_handler(context)
