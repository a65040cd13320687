"""Start and end of the delivery workers, with the server that accepts the calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import replace

from wallet_rpc import tracing
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.prepared import format_call_id
from wallet_rpc.edge.drain import Drain, current_drain
from wallet_rpc.edge.observe import log, log_incident
from wallet_rpc.edge.request_context import LOCAL_CALLER, RequestContext, set_context
from wallet_rpc.ports import Clock, Ports
from wallet_rpc.services.delivery_workers import DeliveryWorkers, Turn
from wallet_rpc.time_limits import TimeLimit

HAND_OVER_SECONDS = 5.0
"""Maximum time for running attempts to end, within that of the drain; another replica goes on with the rest."""


class _LogReporter:
    """`delivery_workers.Reporter` that writes to the server's log, and continues the traces of requests."""

    def resume(self, record: CallRecord) -> AbstractContextManager[object]:
        """Give the lines of this task the request's id, and its spans the request's trace."""
        set_context(RequestContext(LOCAL_CALLER, record.request_id or ""))
        if tracing.tracer is None:
            return nullcontext()
        facts = {"wallet_rpc.call_id": format_call_id(record.chain_id, record.hash).hex0x()}
        return tracing.tracer.resume(record.traceparent, "deliver call", facts)

    def deep_reorganization(self, record: CallRecord) -> None:
        """Log a call with a final status whose block was replaced."""
        call_id = format_call_id(record.chain_id, record.hash).hex0x()
        log.error("deep_reorganization", call=call_id, state=record.state.value)

    def worker_failed(self, raised: Exception) -> None:
        """Log an exception as an incident."""
        log_incident(raised, method="(delivery)", event="delivery_worker_failed")


@asynccontextmanager
async def run_delivery(
    ports: Ports, store: RedisStore, clock: Clock | None = None, *, turn: Turn = nullcontext
) -> AsyncIterator[None]:
    """Deliver calls while the block runs; at its end, wait for the running attempts, also those of requests.

    `clock` is that of pauses between attempts, if it is not the server's.
    """

    def ports_of(organization: OrganizationId) -> Ports:
        return replace(ports, caller=LOCAL_CALLER, store=store.for_organization(organization))

    drain = current_drain()
    pauses = ports.clock if clock is None else clock
    workers = DeliveryWorkers(store.outbox, ports_of, pauses, _LogReporter(), turn=turn)
    running = asyncio.create_task(workers.run())
    stopping = asyncio.create_task(_stop_on_drain(workers, drain))
    try:
        yield
    finally:
        stopping.cancel()
        workers.stop()
        attempts = [asyncio.create_task(_finish(running, workers)), *ports.background]
        with suppress(TimeoutError), drain.background.limit(), TimeLimit.after(HAND_OVER_SECONDS):
            await asyncio.wait(attempts)
        for task in attempts:
            task.cancel()
        await asyncio.gather(stopping, *attempts, return_exceptions=True)


async def _finish(running: asyncio.Task[None], workers: DeliveryWorkers) -> None:
    """Wait for the loop of the workers, and then for the calls that it has taken."""
    try:
        await running
        await workers.finish_running()
    finally:
        running.cancel()


async def _stop_on_drain(workers: DeliveryWorkers, drain: Drain) -> None:
    """Have the workers take no more calls once the server is asked to end."""
    await drain.begun.wait()
    workers.stop()
