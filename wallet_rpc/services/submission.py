"""Handing over exactly once what was signed, however often and by however many it is asked."""

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
"""How often a repeat looks whether the first sender is done."""
SENDER_WAIT_SECONDS = 8
"""How long a repeat waits for the first sender; the official clients give up after ten seconds."""
ABANDONED_SECONDS = 30
"""After so long a sender that has not settled its claim is taken to be gone."""


async def find_sent(ports: Ports, chain: ChainPorts, name: Hash32) -> CallRecord | None:
    """The record of what was handed over before; waits while another request is just doing that.

    A claim whose owner is gone is settled by asking the bundler, or the chain for an authorization. Raises: Unavailable
    while the outcome is not known.
    """
    waited = 0.0
    while (record := await ports.store.calls.get(chain.chain_id, name)) is not None:
        if record.state is not CallState.SENDING:
            return record if record.state is CallState.SENT else None
        if is_abandoned(ports, record):
            return await _settle_abandoned(ports, chain, record)
        if waited >= SENDER_WAIT_SECONDS:
            raise Unavailable("this call is being sent; ask again", reason="sending")
        await ports.clock.sleep(POLL_SECONDS)
        waited += POLL_SECONDS
    return None


def is_abandoned(ports: Ports, record: CallRecord) -> bool:
    """Whether nobody will settle this claim."""
    return record.state is CallState.SENDING and ports.clock.now() - record.sent_at >= ABANDONED_SECONDS


async def _settle_abandoned(ports: Ports, chain: ChainPorts, record: CallRecord) -> CallRecord | None:
    if record.kind is CallKind.DELEGATION:
        is_taken = await chain.node.transaction_count(record.sender) > record.nonce
    else:
        is_taken = await _is_known(chain, record.hash)
    settled = replace(record, state=CallState.SENT if is_taken else CallState.REFUSED)
    await ports.store.calls.settle(settled)
    return settled if is_taken else None


async def _is_known(chain: ChainPorts, operation_hash: Hash32) -> bool:
    """Whether the operation is in a block or waits at the bundler. Raises: Unavailable."""
    receipt, waiting = await asyncio.gather(chain.bundler.receipt(operation_hash), chain.bundler.lookup(operation_hash))
    return receipt is not None or waiting is not None


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
    """Claim, hand over, settle. Someone else's claim is waited for; a refusal is recorded and raised.

    Raises: the bundler's refusal; StaleNonce when its nonce was used meanwhile; OutcomeUnknown.
    """
    claim = _claim(ports, chain, operation, operation_hash)
    if await ports.store.calls.claim(claim) is not None:
        return await wait_for_sent(ports, chain, operation_hash)
    try:
        await _submit(chain, operation, operation_hash)
    except OutcomeUnknown:
        raise  # the claim stays: whoever asks next asks the bundler
    except WalletError as error:
        refusal = await find_root_cause(chain, operation, error)
        await record_rejection(ports, claim, refusal)
        raise refusal from error
    return await _settle_sent(ports, chain, operation, claim)


async def record_rejection(ports: Ports, claim: CallRecord, refusal: WalletError) -> None:
    """Settle a claim by the refusal that the caller sees."""
    told = {"code": refusal.code, "message": refusal.message, "reason": refusal.reason}
    await ports.store.calls.settle(replace(claim, state=CallState.REFUSED, error=told))


async def wait_for_sent(ports: Ports, chain: ChainPorts, name: Hash32) -> CallRecord:
    """What another request, which claimed it, has handed over. Raises: Unavailable when it was refused."""
    found = await find_sent(ports, chain, name)
    if found is None:
        raise Unavailable("this call was being sent and was refused; ask again", reason="sending")
    return found


async def recover_sent(
    ports: Ports, chain: ChainPorts, operation: UserOperation, operation_hash: Hash32
) -> CallRecord | None:
    """The record of exactly this operation where chain or bundler have it although no record says so; else None.

    Its answer was lost, or someone sent it elsewhere: what used its nonce is then the operation itself.
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
    """It counts what it spends; when it cannot be told now, it finds out by itself."""
    if chain.paymaster is not None and operation.paymaster is not None:
        with suppress(Unavailable):
            await chain.paymaster.report_sent(operation, operation_hash)


async def _submit(chain: ChainPorts, operation: UserOperation, operation_hash: Hash32) -> None:
    """Send; when the bundler did not answer, the operation may have arrived all the same: ask, do not repeat.

    Raises: the bundler's refusal; OutcomeUnknown, also when it does not answer the question either.
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
    """A refusal as it helps the caller: what another operation did meanwhile is why, whatever the account said."""
    if isinstance(error, Unavailable):
        return error
    key, _ = split_nonce(operation.nonce)
    if await chain.node.user_operation_nonce(operation.sender, key.key) > operation.nonce:
        return build_nonce_used_error(operation)
    if operation.factory is not None and await chain.node.code(operation.sender):
        return AccountDeployed(
            "params.data.factory: the account was deployed by another call meanwhile; prepare the calls again",
            field="params.data.factory",
        )
    return error


def build_nonce_used_error(operation: UserOperation) -> StaleNonce:
    """The error of an operation that came too late for its nonce."""
    key, sequence = split_nonce(operation.nonce)
    why = "the session was installed by another call meanwhile" if key.is_deferred else "another call used it first"
    return StaleNonce(
        f"params.data.nonce: {operation.nonce:#x} is used up ({why}); prepare the calls again and sign anew",
        field="params.data.nonce",
        entityId=key.entity_id,
        sequence=sequence,
    )


async def refuse_while_installing(
    ports: Ports, chain: ChainPorts, *, account: Address, nonce: int, by: UserOperation | None = None
) -> None:
    """Raises: InstallPending while another operation that `by` does not outbid carries the session to the chain."""
    record = await ports.store.calls.find_by_nonce(chain.chain_id, account, nonce)
    if record is None or (by is not None and (_is_recorded(chain, by, record) or _outbids(by, record))):
        return
    if record.state is CallState.SENT and await chain.bundler.lookup(record.hash) is None:
        return  # the bundler dropped it: the grant is free again
    raise InstallPending(
        "the session is being installed by an earlier call; prepare again when that call is confirmed",
        pending=record.hash,
    )


def _is_recorded(chain: ChainPorts, operation: UserOperation, record: CallRecord) -> bool:
    """True when the record is of the same operation, which an equal concurrent request sends."""
    return record.hash == user_operation_hash(operation, chain.chain_id, ENTRY_POINT)


def _outbids(operation: UserOperation, record: CallRecord) -> bool:
    """Whether a bundler would take it in the place of what was sent."""
    return operation.max_fee_per_gas >= replacement_fee(
        record.max_fee_per_gas
    ) and operation.max_priority_fee_per_gas >= replacement_fee(record.max_priority_fee_per_gas)
