"""Handing over exactly once what was signed, however often and by however many it is asked."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from wallet_rpc.domain.nonce import split_nonce
from wallet_rpc.domain.records import CallKind, CallRecord, CallState
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import AccountDeployed, InstallPending, OutcomeUnknown, StaleNonce, Unavailable, WalletError
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address, Hash32

WATCH_SECONDS = 0.05
"""How often a repeat looks whether the first sender is done."""
PATIENCE_SECONDS = 8
"""How long a repeat waits for the first sender; the official clients give up after ten seconds."""
ABANDONED_SECONDS = 30
"""After so long a sender that has not settled its claim is taken to be gone."""


async def is_sent(ports: Ports, chain: ChainPorts, operation_hash: Hash32) -> bool:
    """Whether this was handed over before; waits while another request is just doing that.

    A claim whose owner is gone is settled by asking the bundler, or the chain for an authorization. Raises: Unavailable
    while the outcome is not known.
    """
    waited = 0.0
    while (record := await ports.store.calls.get(chain.chain_id, operation_hash)) is not None:
        if record.state is not CallState.SENDING:
            return record.state is CallState.SENT
        if ports.clock.now() - record.sent_at >= ABANDONED_SECONDS:
            return await _settled_by_asking(ports, chain, record)
        if waited >= PATIENCE_SECONDS:
            raise Unavailable("this call is being sent; ask again", reason="sending")
        await ports.clock.sleep(WATCH_SECONDS)
        waited += WATCH_SECONDS
    return False


async def _settled_by_asking(ports: Ports, chain: ChainPorts, record: CallRecord) -> bool:
    if record.kind is CallKind.DELEGATION:
        known = await chain.chain.transaction_count(record.sender) > record.nonce
    else:
        known = await chain.bundler.lookup(record.hash) is not None
    await ports.store.calls.settle(replace(record, state=CallState.SENT if known else CallState.REFUSED))
    return known


async def send_once(ports: Ports, chain: ChainPorts, operation: UserOperation, operation_hash: Hash32) -> None:
    """Claim, hand over, settle. Someone else's claim is waited for; a refusal is recorded and raised.

    Raises: the bundler's refusal; StaleNonce when its nonce was used meanwhile.
    """
    record = CallRecord(
        chain_id=chain.chain_id,
        hash=operation_hash,
        sender=operation.sender,
        nonce=operation.nonce,
        max_fee_per_gas=operation.max_fee_per_gas,
        max_priority_fee_per_gas=operation.max_priority_fee_per_gas,
        sent_at=ports.clock.now(),
        state=CallState.SENDING,
    )
    if await ports.store.calls.claim(record) is not None:
        if await is_sent(ports, chain, operation_hash):
            return
        raise Unavailable("this call was being sent and was refused; ask again", reason="sending")
    try:
        await _hand_over(chain, operation, operation_hash)
    except OutcomeUnknown:
        raise  # the claim stays: whoever asks next asks the bundler
    except WalletError as error:
        refusal = await true_reason(chain, operation, error)
        told = {"code": refusal.code, "message": refusal.message, "reason": refusal.reason}
        await ports.store.calls.settle(replace(record, state=CallState.REFUSED, error=told))
        raise refusal from error
    await ports.store.calls.settle(replace(record, state=CallState.SENT))
    await _tell_paymaster(chain, operation, operation_hash)


async def _tell_paymaster(chain: ChainPorts, operation: UserOperation, operation_hash: Hash32) -> None:
    """It counts what it spends; when it cannot be told now, it finds out by itself."""
    if chain.paymaster is not None and operation.paymaster is not None:
        with suppress(Unavailable):
            await chain.paymaster.sent(operation, operation_hash)


async def _hand_over(chain: ChainPorts, operation: UserOperation, operation_hash: Hash32) -> None:
    """Send; when the bundler did not answer, the operation may have arrived all the same: ask, do not repeat."""
    try:
        await chain.bundler.send(operation)
    except OutcomeUnknown:
        if await chain.bundler.lookup(operation_hash) is None:
            raise


async def true_reason(chain: ChainPorts, operation: UserOperation, error: WalletError) -> WalletError:
    """A refusal as it helps the caller: what another operation did meanwhile is why, whatever the account said."""
    if isinstance(error, Unavailable):
        return error
    key, _ = split_nonce(operation.nonce)
    if await chain.chain.user_operation_nonce(operation.sender, key.key) > operation.nonce:
        return used_nonce(operation)
    if operation.factory is not None and await chain.chain.code(operation.sender):
        return AccountDeployed(
            "params.data.factory: the account was deployed by another call meanwhile; prepare the calls again",
            field="params.data.factory",
        )
    return error


def used_nonce(operation: UserOperation) -> StaleNonce:
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
    ports: Ports, chain: ChainPorts, *, account: Address, nonce: int, but: Hash32 | None = None
) -> None:
    """Raises: InstallPending while an operation other than `but` carries the session's installation to the chain."""
    record = await ports.store.calls.of_nonce(chain.chain_id, account, nonce)
    if record is None or record.hash == but:
        return
    if record.state is CallState.SENT and await chain.bundler.lookup(record.hash) is None:
        return  # the bundler dropped it: the grant is free again
    raise InstallPending(
        "the session is being installed by an earlier call; prepare again when that call is confirmed",
        pending=record.hash,
    )
