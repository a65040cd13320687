"""Removal of a delegation (EIP-7702): an authorization of the zero address, in the relayer's transaction."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from wallet_rpc.domain.authorization import Authorization, SignedAuthorization, delegate_of, designator
from wallet_rpc.domain.call_record import CallKind, CallRecord
from wallet_rpc.domain.call_state import CallState, Evidence
from wallet_rpc.domain.prepared import authorization_hash
from wallet_rpc.domain.receipt import EncodedReceipt
from wallet_rpc.errors import InvalidParams, StaleNonce, WalletError
from wallet_rpc.ports import ChainPorts, Ports, TransactionReceipt
from wallet_rpc.primitives import ZERO_ADDRESS, Address
from wallet_rpc.services.account_facts import AccountFacts
from wallet_rpc.services.call_failures import store_error
from wallet_rpc.services.call_records import DELIVERY_LEASE_SECONDS, new_lease
from wallet_rpc.services.delegation import (
    AUTHORIZATION_NONCE,
    EIP7702_AUTH,
    build_nonce_mismatch_error,
    build_not_external_error,
    relayer_of,
)
from wallet_rpc.services.delivery import encode_authorization
from wallet_rpc.services.submission import find_call, submit
from wallet_rpc.services.witnesses import Examination, build_receipt, has_depth
from wallet_rpc.tracing import current_traceparent

LAG_SECONDS = 60
"""Maximum time in seconds for which a node may show a used nonce without the receipt of the transaction."""


async def build_removal(chain: ChainPorts, facts: AccountFacts) -> Authorization:
    """Build the authorization that removes an account's delegation.

    Raises: UnsupportedCapability without a relayer; InvalidParams (nothing_to_remove) for an undelegated account.
    """
    relayer_of(chain)
    if not facts.is_external:
        raise build_not_external_error(facts)
    if facts.delegate is None:
        raise _nothing_to_remove(chain, facts.address)
    return Authorization(chain.chain_id, ZERO_ADDRESS, await chain.node.transaction_count(facts.address))


def _nothing_to_remove(chain: ChainPorts, account: Address) -> InvalidParams:
    return InvalidParams(
        f"{account} has no delegation to remove on chain {chain.chain_id:#x}",
        field=f"{EIP7702_AUTH}.delegation",
        reason="nothing_to_remove",
    )


async def send_removal(ports: Ports, chain: ChainPorts, authorization: SignedAuthorization) -> CallRecord:
    """Have the relayer send the removal of a delegation, and return its record.

    Raises: StaleNonce when the nonce is not the account's next one; InvalidParams (nothing_to_remove) when the
    transaction would have no effect; Unavailable.
    """
    authority = authorization.authority
    assert authority is not None  # noqa: S101  # checked by `attach_signature`
    name = authorization_hash(authority, authorization)
    earlier = await find_call(ports, chain, name)
    if earlier is not None and (earlier.is_retained or earlier.state.is_final):
        return earlier
    try:
        first_block = await _check_removal(chain, authority, authorization)
    except WalletError:
        if earlier is not None:
            return earlier
        raise
    now = ports.clock.now()
    record = CallRecord(
        kind=CallKind.DELEGATION,
        chain_id=chain.chain_id,
        hash=name,
        sender=authority,
        nonce=authorization.nonce,
        delegate=authorization.address,
        max_fee_per_gas=0,
        max_priority_fee_per_gas=0,
        sent_at=now,
        lease_until=now + DELIVERY_LEASE_SECONDS,
        lease=new_lease(ports),
        state=CallState.SUBMITTING,
        actor=ports.caller.actor,
        request_id=ports.request_id,
        traceparent=current_traceparent(),
        first_block=first_block,
    )
    return await submit(ports, chain, record, encode_authorization(authorization))


async def _check_removal(chain: ChainPorts, authority: Address, authorization: SignedAuthorization) -> int:
    """Check that the authorization has an effect and the relayer pays, and return the number of the latest block."""
    relayer = relayer_of(chain)
    actual, code, latest = await asyncio.gather(
        chain.node.transaction_count(authority), chain.node.code(authority), chain.node.block_number()
    )
    if delegate_of(code) is None:
        raise _nothing_to_remove(chain, authority)
    if authorization.nonce != actual:
        raise build_nonce_mismatch_error(authorization, actual)
    await relayer.check(authorization)
    return latest


async def examine_removal(ports: Ports, chain: ChainPorts, record: CallRecord) -> Examination:
    """Collect the evidence about an authorization that is not final. Raises: Unavailable.

    With the relayer's receipt, the account's code at that block decides, since a chain skips an authorization with a
    used nonce. Without it, another transaction may have carried the authorization, or the node may lag: the present
    code decides `LAG_SECONDS` after the nonce was first found used, unless the account has used further nonces.
    """
    count, receipt, latest = await asyncio.gather(
        chain.node.transaction_count(record.sender), _read_receipt(chain, record), chain.node.block_number()
    )
    if count <= record.nonce:
        is_missing = receipt is None and not await _has_transaction(chain, record)
        return Examination(change=_record_absence, is_missing=is_missing)
    if receipt is not None:
        is_applied = await _is_applied(chain, record, block=receipt.block_number)
        outcome = Evidence.SUCCESS_CONFIRMED if is_applied else Evidence.REVERT_CONFIRMED
        stored = build_receipt(receipt, succeeded=is_applied)
        is_final = has_depth(chain, receipt.block_number, latest)
        return Examination(change=lambda one: _include(one, stored, outcome if is_final else Evidence.IN_BLOCK))
    return await _examine_without_receipt(ports, chain, record, count)


async def _examine_without_receipt(ports: Ports, chain: ChainPorts, record: CallRecord, count: int) -> Examination:
    """Examine an authorization whose nonce is used, by the account's present code and its transaction count."""
    now = ports.clock.now()
    if record.nonce_used_at is None:
        return Examination(change=lambda one: replace(_record_absence(one), nonce_used_at=now))
    if now - record.nonce_used_at < LAG_SECONDS:
        return Examination(change=_record_absence)
    if await _is_applied(chain, record):
        return Examination(change=lambda one: one.after(Evidence.SUCCESS_CONFIRMED))
    if count > record.nonce + 1:
        return Examination(change=_record_absence)
    return Examination(change=lambda one: one.after(Evidence.NONCE_USED, error=_authorization_used_error(one)))


def _include(record: CallRecord, receipt: EncodedReceipt, outcome: Evidence) -> CallRecord:
    return record.after(Evidence.IN_BLOCK, receipt=receipt).after(outcome)


def _record_absence(record: CallRecord) -> CallRecord:
    return record.after(Evidence.NOT_IN_BLOCK, receipt=None)


def _authorization_used_error(record: CallRecord) -> dict[str, Any]:
    text = f"another transaction or authorization of {record.sender} used the nonce {record.nonce} first"
    return store_error(StaleNonce(f"{text}; prepare the removal again and sign anew", reason=AUTHORIZATION_NONCE))


async def _read_receipt(chain: ChainPorts, record: CallRecord) -> TransactionReceipt | None:
    if record.transaction is None or chain.relayer is None:
        return None
    return await chain.relayer.receipt(record.transaction)


async def _has_transaction(chain: ChainPorts, record: CallRecord) -> bool:
    """Return True if the node has the relayer's newest transaction; False without one."""
    if record.transaction is None or chain.relayer is None:
        return False
    return await chain.relayer.has_transaction(record.transaction)


async def _is_applied(chain: ChainPorts, record: CallRecord, *, block: int | None = None) -> bool:
    """Return True if the account has the code that the authorization gives it, at a block or at the latest one."""
    code = await chain.node.code(record.sender, block=block)
    return code == designator(ZERO_ADDRESS if record.delegate is None else record.delegate)
