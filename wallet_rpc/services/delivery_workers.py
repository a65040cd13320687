"""Workers that deliver calls until they are final, on every replica of the server.

A worker takes calls that are due from the outbox, collects the evidence about each, and delivers it again if it can
still be included and no bundler has it. The time between two looks grows with the age of the call.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext, suppress
from typing import Protocol, TypeAlias

from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.call_record import CallKind, CallRecord
from wallet_rpc.domain.call_state import CallState, Evidence
from wallet_rpc.errors import Unavailable, WalletError
from wallet_rpc.ports import ChainPorts, Clock, Ports
from wallet_rpc.ports.calls import Outbox, OutboxEntry
from wallet_rpc.services.approvals import expire_waiting
from wallet_rpc.services.audit_log import log_call_sent
from wallet_rpc.services.call_progress import observe_call
from wallet_rpc.services.call_records import change_record, take_lease
from wallet_rpc.services.delivery import attempt
from wallet_rpc.services.session_rules import hold_call, settle_call

POLL_SECONDS = 0.5
"""Interval at which a worker looks for calls that are due."""
RESTORE_SECONDS = 300
"""Interval at which a replica looks for stored calls whose outbox entry is missing; also at its start."""
LONGEST_PAUSE_SECONDS = 30
"""Maximum time between two looks at a call in its first 20 minutes; then a fortieth of its age."""
LONGEST_LATE_PAUSE_SECONDS = 3600
"""Maximum time between two looks at a call."""
FAILED_LOOK_SECONDS = 5
"""Time until the next look at a call that could not be examined."""
CONCURRENT_CALLS = 16
"""Number of calls that a replica works on from which it takes no more."""
_JITTER = random.SystemRandom()
"""Source of random delays; unlike a generator with a seed, it differs in processes forked from one."""
FINALITY_CHECK_SECONDS = 600
"""Time after which a confirmed call is looked at again, to report a reorganization deeper than the confirmations."""


Turn: TypeAlias = Callable[[], AbstractAsyncContextManager[None]]
"""Returns a context that waits until the state may be used."""


class Reporter(Protocol):
    """The operator's log and traces, as far as the workers use them."""

    def resume(self, record: CallRecord) -> AbstractContextManager[object]:
        """Return the block of work on a call, for the request that sent it."""

    def deep_reorganization(self, record: CallRecord) -> None:
        """Report a call with a final status whose block was replaced."""

    def worker_failed(self, raised: Exception) -> None:
        """Report an exception: a bug, which stops no other work."""


class DeliveryWorkers:
    """The workers of one replica."""

    def __init__(
        self,
        outbox: Outbox,
        ports_of: Callable[[OrganizationId], Ports],
        clock: Clock,
        reporter: Reporter,
        *,
        turn: Turn = nullcontext,
    ) -> None:
        """Create the workers; `ports_of` returns the ports of an organisation without a caller.

        `turn` returns the context in which a call may be worked on.
        """
        self._outbox = outbox
        self._ports_of = ports_of
        self._clock = clock
        self._reporter = reporter
        self._turn = turn
        self._running: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    async def run(self) -> None:
        """Work until `stop`. An unavailable store or node only delays the work."""
        restoring = asyncio.create_task(self._restore_again_and_again())
        try:
            await self._take_until_stopped()
        finally:
            restoring.cancel()

    async def _restore_again_and_again(self) -> None:
        while True:
            await self.restore()
            await asyncio.sleep(RESTORE_SECONDS * (0.75 + _JITTER.random() / 2))

    async def restore(self) -> None:
        """Restore missing entries of the outbox, as far as the store is available."""
        try:
            with suppress(Unavailable):
                await self._outbox.restore(now=self._clock.now())
        except Exception as raised:
            self._reporter.worker_failed(raised)

    async def _take_until_stopped(self) -> None:
        while not self._is_stopping:
            taken = 0
            try:
                if len(self._running) < CONCURRENT_CALLS:
                    with suppress(Unavailable):
                        taken = await self._start_ready()
            except Exception as raised:
                self._reporter.worker_failed(raised)
            if taken == 0:
                await asyncio.sleep(POLL_SECONDS * (0.5 + _JITTER.random()))  # spreads the replicas' load

    async def run_once(self) -> int:
        """Work on the calls that are due now, and return their number. Raises: Unavailable without the store."""
        taken = await self._start_ready()
        await self.finish_running()
        return taken

    def stop(self) -> None:
        """Take no more calls. Other replicas go on with the calls of the outbox."""
        self._is_stopping = True

    async def finish_running(self) -> None:
        """Wait for the calls that are being worked on; if cancelled, leave them to other workers."""
        try:
            await asyncio.gather(*self._running)
        finally:
            for task in self._running:
                task.cancel()

    async def _start_ready(self) -> int:
        taken = await self._outbox.take(now=self._clock.now())
        for entry in taken:
            task = asyncio.create_task(self._work_on(entry))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return len(taken)

    async def _work_on(self, entry: OutboxEntry) -> None:
        next_at: int | None = self._clock.now() + FAILED_LOOK_SECONDS
        try:
            with suppress(WalletError):  # the node is unavailable
                async with self._turn():
                    next_at = await self._advance(entry)
        except Exception as raised:
            self._reporter.worker_failed(raised)
        with suppress(WalletError):  # the store is unavailable: the outbox hands the entry out again
            await self._outbox.finish(entry, next_at=next_at)

    async def _advance(self, entry: OutboxEntry) -> int | None:
        """Work on a call, and return when it is due again; None if it needs no further work."""
        ports = self._ports_of(entry.organization)
        record = await ports.store.calls.get(entry.chain_id, entry.operation_hash)
        chain = ports.chains.get(entry.chain_id)
        if record is None:
            return None
        if chain is None:  # another replica may have the chain
            return self._clock.now() + LONGEST_PAUSE_SECONDS
        with self._reporter.resume(record):
            await ports.store.calls.append_events(entry.chain_id, entry.operation_hash)
            return await self._look_at(ports, chain, record)

    async def _look_at(self, ports: Ports, chain: ChainPorts, record: CallRecord) -> int | None:
        """Work on a stored call, and return when it is due again; None if it needs no further work."""
        if record.state.is_final:
            await settle_call(ports, record)  # again, if the process that ended the call did not
            return await self._check_finality(chain, record)
        if not record.is_retained:
            return None
        record = await self._deliver(ports, chain, record)
        await log_call_sent(ports, record)
        if not record.state.is_final:
            is_waiting = record.is_waiting
            return ports.look_at(record.chain_id, record.waits_until) if is_waiting else self._next_look(ports, record)
        await settle_call(ports, record)
        return await self._check_finality(chain, record)

    async def _deliver(self, ports: Ports, chain: ChainPorts, record: CallRecord) -> CallRecord:
        """Examine a call and, if no bundler has it, deliver it; return its record."""
        if record.is_waiting:
            return await expire_waiting(ports, record)
        if record.lease_until > ports.clock.now():
            return record
        if record.state is CallState.SUBMITTING:
            record = await change_record(ports, record, lambda one: one.after(Evidence.LEASE_EXPIRED))
        progress = await observe_call(ports, chain, record)
        if not progress.examination.is_missing:
            if not progress.record.state.is_final:
                await hold_call(ports, progress.record)  # counts it against rules that another organisation set since
            return progress.record
        signed = await ports.store.calls.signed(record.chain_id, record.hash)
        leased = await take_lease(ports, progress.record)
        if signed is None or leased is None:
            return progress.record
        stored, _ = await attempt(ports, chain, leased, signed)
        return stored

    def _next_look(self, ports: Ports, record: CallRecord) -> int:
        now, age = self._clock.now(), ports.clock.now() - record.sent_at
        pause = max(min(max(age // 4, 2), LONGEST_PAUSE_SECONDS), min(age // 40, LONGEST_LATE_PAUSE_SECONDS))
        jittered = pause * (0.75 + _JITTER.random() / 2)
        return max(record.lease_until, now + max(int(jittered), 1))

    async def _check_finality(self, chain: ChainPorts, record: CallRecord) -> int | None:
        """Report a confirmed call whose block was replaced since; its status stays as it is."""
        receipt = record.read_receipt()
        if receipt is None or record.kind is not CallKind.USER_OPERATION:
            return None
        check_at = record.final_at + FINALITY_CHECK_SECONDS
        if self._clock.now() < check_at:
            return check_at
        found = await chain.node.read_operation(record.hash, transaction=receipt.transaction_hash)
        if found is None or found.block_hash != receipt.block_hash:
            self._reporter.deep_reorganization(record)
        return None
