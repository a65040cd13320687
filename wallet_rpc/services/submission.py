"""Submission: store a signed call, make the first attempt to deliver it, and return its record.

A call is acknowledged once it is stored. The same signed call, however often and to whichever replica it is sent, has
one record; workers deliver it until its state is final (services/delivery_workers.py, specs/calls.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.call_state import CallState, Evidence
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.gas import replacement_fee
from wallet_rpc.domain.user_operation import UserOperation, user_operation_hash
from wallet_rpc.errors import InstallPending, WalletError
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address, Hash32
from wallet_rpc.services.approvals import announce_waiting, begin_waiting
from wallet_rpc.services.call_failures import rebuild_error
from wallet_rpc.services.call_records import DELIVERY_LEASE_SECONDS, new_lease
from wallet_rpc.services.delivery import AttemptResult, attempt, encode_operation
from wallet_rpc.services.session_rules import count_call, reserve_call, settle_call
from wallet_rpc.time_budget import remaining_seconds, unlimited_context
from wallet_rpc.tracing import current_traceparent

_T = TypeVar("_T")

FIRST_ATTEMPT_SECONDS = 2.0
"""Time for which a request waits for the first attempt; the attempt goes on without it."""
RETRY_SECONDS = 2
"""Time until a worker repeats a first attempt that did not succeed."""


async def find_call(ports: Ports, chain: ChainPorts, name: Hash32) -> CallRecord | None:
    """Return the record of a call that this server delivers or delivered; None if it has none.

    Raises: the refusal of a call that was rejected, which is never sent again.
    """
    record = await ports.store.calls.get(chain.chain_id, name)
    if record is not None and record.state is CallState.REJECTED:
        raise rebuild_error(record)
    return record


def build_call(ports: Ports, chain: ChainPorts, operation: UserOperation, *, first_block: int) -> CallRecord:
    """Build the record of a new call that the caller sends, whose first attempt begins at once."""
    now = ports.clock.now()
    return CallRecord(
        chain_id=chain.chain_id,
        hash=user_operation_hash(operation, chain.chain_id, ENTRY_POINT),
        sender=operation.sender,
        nonce=operation.nonce,
        max_fee_per_gas=operation.max_fee_per_gas,
        max_priority_fee_per_gas=operation.max_priority_fee_per_gas,
        sent_at=now,
        call_data=operation.call_data,
        lease_until=now + DELIVERY_LEASE_SECONDS,
        lease=new_lease(ports),
        state=CallState.SUBMITTING,
        actor=ports.caller.actor,
        request_id=ports.request_id,
        traceparent=current_traceparent(),
        first_block=first_block,
    )


async def recover_call(
    ports: Ports, chain: ChainPorts, operation: UserOperation, operation_hash: Hash32
) -> CallRecord | None:
    """Record an operation that a bundler has although no record says so, since it was sent elsewhere; else None.

    It used its nonce itself. Its signature was not checked here, but by the bundler.
    """
    receipt, pending, latest = await asyncio.gather(
        chain.bundler.receipt(operation_hash), chain.bundler.lookup(operation_hash), chain.node.block_number()
    )
    if receipt is None and pending is None:
        return None
    first_block = latest if receipt is None else receipt.block_number
    call = build_call(ports, chain, operation, first_block=first_block)
    submitted = replace(call, state=CallState.SUBMITTED, lease_until=call.sent_at)
    stored = await ports.store.calls.claim(submitted, encode_operation(operation))
    await count_call(ports, submitted)
    return submitted if stored is None else stored


async def submit(ports: Ports, chain: ChainPorts, call: CallRecord, signed: str) -> CallRecord:
    """Store a new call, in the state submitting and with a lease, and make the first attempt to deliver it.

    Return the record after the attempt, or after `FIRST_ATTEMPT_SECONDS` without its outcome. If the call is stored
    already, return that record at once; so is one that waits for an approval. Raises: RuleDenied; the refusal of a call
    that was rejected; Unavailable if it was not stored.
    """
    wait = await reserve_call(ports, call)
    if wait is not None:
        call = begin_waiting(ports, call, wait)
        await ports.store.approvals.add(call)
    earlier = await ports.store.calls.claim(call, signed)
    if earlier is not None:
        await settle_call(ports, earlier)
        if earlier.state is CallState.REJECTED:
            raise rebuild_error(earlier)
        return earlier
    if call.is_waiting:
        await announce_waiting(ports, call)
        return call
    return await deliver_first(ports, chain, call, signed)


async def deliver_first(ports: Ports, chain: ChainPorts, call: CallRecord, signed: str) -> CallRecord:
    """Make the first attempt to deliver a stored call that this process has leased, and return its record.

    Return the call after `FIRST_ATTEMPT_SECONDS` without its outcome. Raises: the refusal of a call that was rejected.
    """
    first = run_in_background(ports, _attempt_first(ports, chain, call, signed))
    await asyncio.wait({first}, timeout=remaining_seconds(FIRST_ATTEMPT_SECONDS))
    if not first.done():
        return call
    record, result = first.result()
    if record.state is CallState.REJECTED and result.error is not None:
        raise result.error
    return record


async def _attempt_first(
    ports: Ports, chain: ChainPorts, call: CallRecord, signed: str
) -> tuple[CallRecord, AttemptResult]:
    try:
        record, result = await attempt(ports, chain, call, signed)
        if result.outcome in {Evidence.NOT_RECEIVED, Evidence.UNANSWERED}:
            await ports.store.calls.schedule(record, at=ports.clock.now() + RETRY_SECONDS)
    except WalletError as error:  # the store failed: the call is stored, and a worker goes on when the lease has ended
        return call, AttemptResult(Evidence.UNANSWERED, error)
    return record, result


def run_in_background(ports: Ports, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
    """Start work that outlives its request; the server waits for it before it ends."""
    task = asyncio.create_task(work, context=unlimited_context())
    ports.background.add(task)
    task.add_done_callback(ports.background.discard)
    return task


async def find_by_nonce(ports: Ports, chain: ChainPorts, account: Address, nonce: int) -> CallRecord | None:
    """Return the account's newest call with this nonce that is pending or in a block."""
    records = await ports.store.calls.list_by_nonce(chain.chain_id, account, nonce)
    return next((one for one in records if not one.state.is_not_sent), None)


async def refuse_while_installing(
    ports: Ports, chain: ChainPorts, *, account: Address, nonce: int, by: UserOperation | None = None
) -> None:
    """Raise InstallPending while an operation is installing the session, unless `by` outbids that operation.

    The caller finds out if the operation is `by` itself: then its record is the answer.
    """
    record = await find_by_nonce(ports, chain, account, nonce)
    if record is None or record.state.is_final:
        return
    if by is not None and _outbids(by, record):
        return
    if not record.is_retained and await chain.bundler.lookup(record.hash) is None:
        return  # sent by a server before 0.2.0, and dropped by the bundler: no server delivers it again
    text = "the session is being installed by an earlier call; prepare again when that call is confirmed"
    if record.is_waiting:
        text = (
            "the call that installs the session waits for an approval; prepare again when it was approved or rejected, "
            "or with a maxFeePerGas that is a tenth higher, to take its place"
        )
    raise InstallPending(text, pending=record.hash)


def _outbids(operation: UserOperation, record: CallRecord) -> bool:
    """Return True when a bundler would accept the operation as a replacement of the recorded one."""
    return operation.max_fee_per_gas >= replacement_fee(
        record.max_fee_per_gas
    ) and operation.max_priority_fee_per_gas >= replacement_fee(record.max_priority_fee_per_gas)
