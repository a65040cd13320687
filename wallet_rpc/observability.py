"""Traces, the log of calls and the store of incidents of a server, while it runs."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from wallet_rpc import tracing
from wallet_rpc.adapters.otlp_export import export_traces
from wallet_rpc.adapters.redis_incidents import RedisIncidents
from wallet_rpc.domain.incident import Incident
from wallet_rpc.edge.call_log import CallLog
from wallet_rpc.edge.observe import MAX_PENDING_INCIDENTS, log_incident, watch_incidents
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
    loop = asyncio.get_running_loop()
    recorder = _Recorder(incidents)
    loop.set_exception_handler(_handle_exception)
    recording = asyncio.create_task(recorder.run())
    try:
        with watch_incidents(lambda incident: loop.call_soon_threadsafe(recorder.add, incident)):
            yield
    finally:
        recording.cancel()
        loop.set_exception_handler(None)
        await asyncio.sleep(0)  # incidents of other threads, and of this one, are added
        await recorder.store_waiting()


class _Recorder:
    """Incidents that wait for the store."""

    def __init__(self, incidents: RedisIncidents) -> None:
        self._incidents = incidents
        self._waiting: deque[Incident] = deque(maxlen=MAX_PENDING_INCIDENTS)
        self._has_waiting = asyncio.Event()

    def add(self, incident: Incident) -> None:
        """Add an incident."""
        self._waiting.append(incident)
        self._has_waiting.set()

    async def run(self) -> None:
        """Store incidents until the task is cancelled."""
        while True:
            await self._has_waiting.wait()
            self._has_waiting.clear()
            await self.store_waiting()
            if self._waiting:
                self._has_waiting.set()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def store_waiting(self) -> None:
        """Store the incidents that wait; they go on waiting while the store is unavailable."""
        with suppress(Unavailable):
            for each in list(self._waiting):
                await self._incidents.add(each)
                with suppress(ValueError):  # newer ones have taken its place
                    self._waiting.remove(each)


def _handle_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an exception that no code handles as an incident, unless it is one of a connection."""
    raised = context.get("exception")
    if isinstance(raised, Exception) and not isinstance(raised, OSError):
        log_incident(raised, method="(background)")
    else:
        loop.default_exception_handler(context)
