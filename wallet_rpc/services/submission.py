"""Idempotent submission: a signed operation reaches the bundler once, under retries and concurrent requests."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.gas import replacement_fee
from wallet_rpc.domain.nonce import split_nonce
from wallet_rpc.domain.records import CallKind, CallRecord, CallState
from wallet_rpc.domain.user_operation import UserOperation, user_operation_hash
from wallet_rpc.errors import (
    AccountDeployed,
    AlreadyKnown,
    InstallPending,
    OutcomeUnknown,
    StaleNonce,
    Unavailable,
    WalletError,
)
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address, Hash32

POLL_SECONDS = 0.05
"""Interval in seconds at which a repeated request checks if the first sender is done."""
SENDER_WAIT_SECONDS = 8
"""Maximum wait in seconds of a repeated request for the first sender; the official clients give up after ten."""
ABANDONED_SECONDS = 30
"""Age in seconds from which an unsettled claim counts as abandoned by its sender."""


async def find_sent(ports: Ports, chain: ChainPorts, name: Hash32) -> CallRecord | None:
    """Return the record of an earlier submission; None if there is none. Wait while another request is submitting.

    An abandoned claim is settled by the bundler's state, or for an authorization by the chain's. Raises: Unavailable
    while the outcome is unknown.
    """
    waited = 0.0
    while (record := await ports.store.calls.get(chain.chain_id, name)) is not None:
        if record.state is not CallState.SENDING:
            return record if record.state is CallState.SENT else None
        if is_abandoned(ports, record):
            return await _settle_abandoned(ports, chain, record)
        if waited >= SENDER_WAIT_SECONDS:
            raise Unavailable("another request is still sending this call; try again", reason="sending")
        await ports.clock.sleep(POLL_SECONDS)
        waited += POLL_SECONDS
    return None


def is_abandoned(ports: Ports, record: CallRecord) -> bool:
    """Return True when the claim is so old that its sender will no longer settle it."""
    return record.state is CallState.SENDING and ports.clock.now() - record.sent_at >= ABANDONED_SECONDS


async def _settle_abandoned(ports: Ports, chain: ChainPorts, record: CallRecord) -> CallRecord | None:
    if record.kind is CallKind.DELEGATION:
        is_accepted = await chain.node.transaction_count(record.sender) > record.nonce
    else:
        is_accepted = await _is_known(chain, record.hash)
    settled = replace(record, state=CallState.SENT if is_accepted else CallState.REFUSED)
    await ports.store.calls.settle(settled)
    return settled if is_accepted else None


async def _is_known(chain: ChainPorts, operation_hash: Hash32) -> bool:
    """Return True when the operation is in a block or pending at the bundler. Raises: Unavailable."""
    receipt, pending = await asyncio.gather(chain.bundler.receipt(operation_hash), chain.bundler.lookup(operation_hash))
    return receipt is not None or pending is not None


def _claim(ports: Ports, chain: ChainPorts, operation: UserOperation, operation_hash: Hash32) -> CallRecord:
    return CallRecord(
        chain_id=chain.chain_id,
        hash=operation_hash,
        sender=operation.sender,
        nonce=operation.nonce,
        max_fee_per_gas=operation.max_fee_per_gas,
        max_priority_fee_per_gas=operation.max_priority_fee_per_gas,
        sent_at=ports.clock.now(),
        state=CallState.SENDING,
    )


async def send_once(ports: Ports, chain: ChainPorts, operation: UserOperation, operation_hash: Hash32) -> CallRecord:
    """Claim the operation, submit it and settle the claim; wait for the outcome of another request's claim.

    Raises: the bundler's error, which is also recorded; StaleNonce when the nonce was used since the preparation;
    OutcomeUnknown.
    """
    claim = _claim(ports, chain, operation, operation_hash)
    if await ports.store.calls.claim(claim) is not None:
        return await wait_for_sent(ports, chain, operation_hash)
    try:
        await _submit(chain, operation, operation_hash)
    except OutcomeUnknown:
        raise  # the claim stays; the next request settles it by the bundler's state
    except WalletError as error:
        rejection = await find_root_cause(chain, operation, error)
        await record_rejection(ports, claim, rejection)
        raise rejection from error
    return await _settle_sent(ports, chain, operation, claim)


async def record_rejection(ports: Ports, claim: CallRecord, rejection: WalletError) -> None:
    """Settle a claim as rejected, with the error that the caller receives."""
    error = {"code": rejection.code, "message": rejection.message, "reason": rejection.reason}
    await ports.store.calls.settle(replace(claim, state=CallState.REFUSED, error=error))


async def wait_for_sent(ports: Ports, chain: ChainPorts, name: Hash32) -> CallRecord:
    """Return the record of a call that another request is sending. Raises: Unavailable when that request failed."""
    record = await find_sent(ports, chain, name)
    if record is None:
        raise Unavailable("another request sent this call and was rejected; try again", reason="sending")
    return record


async def recover_sent(
    ports: Ports, chain: ChainPorts, operation: UserOperation, operation_hash: Hash32
) -> CallRecord | None:
    """Record this operation as sent if chain or bundler know it although no record says so; None if they do not.

    In that case the bundler's response was lost, or the operation was sent elsewhere. It used its nonce itself.
    """
    if not await _is_known(chain, operation_hash):
        return None
    return await _settle_sent(ports, chain, operation, _claim(ports, chain, operation, operation_hash))


async def _settle_sent(ports: Ports, chain: ChainPorts, operation: UserOperation, claim: CallRecord) -> CallRecord:
    sent = replace(claim, state=CallState.SENT)
    await ports.store.calls.settle(sent)
    await _notify_paymaster(chain, operation, claim.hash)
    return sent


async def _notify_paymaster(chain: ChainPorts, operation: UserOperation, operation_hash: Hash32) -> None:
    """Report a sent operation to its paymaster, which counts its spending.

    If the paymaster is unavailable now, it finds the outcome later without the report.
    """
    if chain.paymaster is not None and operation.paymaster is not None:
        with suppress(Unavailable):
            await chain.paymaster.report_sent(operation, operation_hash)


async def _submit(chain: ChainPorts, operation: UserOperation, operation_hash: Hash32) -> None:
    """Send the operation to the bundler; if there is no response, look the operation up instead of sending it again.

    Raises: the bundler's error; OutcomeUnknown when the lookup does not find the operation, or fails too.
    """
    try:
        with suppress(AlreadyKnown):
            await chain.bundler.send(operation)
    except OutcomeUnknown:
        with suppress(Unavailable):
            if await _is_known(chain, operation_hash):
                return
        raise


async def find_root_cause(chain: ChainPorts, operation: UserOperation, error: WalletError) -> WalletError:
    """Return the root cause of a rejection: a nonce used or an account deployed by another operation, else `error`."""
    if isinstance(error, Unavailable):
        return error
    key, _ = split_nonce(operation.nonce)
    if await chain.node.user_operation_nonce(operation.sender, key.key) > operation.nonce:
        return build_nonce_used_error(operation)
    if operation.factory is not None and await chain.node.code(operation.sender):
        return AccountDeployed(
            "the account was deployed by another call since the preparation; prepare the calls again",
            field="params.data.factory",
        )
    return error


def build_nonce_used_error(operation: UserOperation) -> StaleNonce:
    """Build the error of an operation whose nonce is used already."""
    key, sequence = split_nonce(operation.nonce)
    cause = "another call installed the session first" if key.is_deferred else "another call used it first"
    return StaleNonce(
        f"{operation.nonce:#x} is already used ({cause}); prepare the calls again and sign anew",
        field="params.data.nonce",
        entityId=key.entity_id,
        sequence=sequence,
    )


async def refuse_while_installing(
    ports: Ports, chain: ChainPorts, *, account: Address, nonce: int, by: UserOperation | None = None
) -> None:
    """Raise InstallPending while another operation is installing the session, unless `by` outbids that operation."""
    record = await ports.store.calls.find_by_nonce(chain.chain_id, account, nonce)
    if record is None or (by is not None and (_is_recorded(chain, by, record) or _outbids(by, record))):
        return
    if record.state is CallState.SENT and await chain.bundler.lookup(record.hash) is None:
        return  # the bundler dropped the operation, so the grant can be used again
    raise InstallPending(
        "the session is being installed by an earlier call; prepare again when that call is confirmed",
        pending=record.hash,
    )


def _is_recorded(chain: ChainPorts, operation: UserOperation, record: CallRecord) -> bool:
    """Return True when the record belongs to the same operation, sent by a concurrent duplicate request."""
    return record.hash == user_operation_hash(operation, chain.chain_id, ENTRY_POINT)


def _outbids(operation: UserOperation, record: CallRecord) -> bool:
    """Return True when a bundler would accept the operation as a replacement of the recorded one."""
    return operation.max_fee_per_gas >= replacement_fee(
        record.max_fee_per_gas
    ) and operation.max_priority_fee_per_gas >= replacement_fee(record.max_priority_fee_per_gas)
