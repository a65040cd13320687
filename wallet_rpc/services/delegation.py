"""Delegations of externally owned accounts (EIP-7702): which one a call needs, whether one is rightly signed, and how
the removal of one is sent, which no user operation can carry.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from wallet_rpc.domain.authorization import Authorization, SignedAuthorization, delegate_of, designator
from wallet_rpc.domain.capabilities import Capabilities, Delegation
from wallet_rpc.domain.contracts import DELEGATES, SEMI_MODULAR_ACCOUNT_7702
from wallet_rpc.domain.prepared import authorization_hash
from wallet_rpc.domain.records import CallKind, CallRecord, CallState
from wallet_rpc.errors import InvalidParams, OutcomeUnknown, Rejected, StaleNonce, UnsupportedCapability, WalletError
from wallet_rpc.ports import ChainPorts, Ports, Relayer
from wallet_rpc.primitives import ZERO_ADDRESS, Address
from wallet_rpc.services.accounts import AccountFacts
from wallet_rpc.services.submission import find_sent, record_rejection, wait_for_sent

EIP7702_AUTH = "params.capabilities.eip7702Auth"
"""Where a caller says what to delegate to."""
AUTHORIZATION_NONCE = "authorization_nonce"
"""The reason of an authorization that came too late, of a bundler's refusal too."""


def explicit_delegation(capabilities: Capabilities, account: Address) -> Delegation | None:
    """The delegation that the caller names. Raises: InvalidParams for one that we do not know or of another account."""
    asked = capabilities.eip7702_auth
    if not isinstance(asked, Delegation):
        return None
    if asked.account is not None and asked.account != account:
        raise InvalidParams(
            f"{EIP7702_AUTH}.account: expected the account that calls, {account}, got {asked.account}",
            field=f"{EIP7702_AUTH}.account",
            reason="delegation_of_another",
        )
    if asked.delegate not in DELEGATES | {ZERO_ADDRESS}:
        known = ", ".join(["'ModularAccountV2'", *map(str, sorted(DELEGATES)), str(ZERO_ADDRESS)])
        raise InvalidParams(
            f"{EIP7702_AUTH}.delegation: expected one of {known}, got {asked.delegate}",
            field=f"{EIP7702_AUTH}.delegation",
            reason="delegation_not_supported",
        )
    return asked


async def needed_authorization(
    chain: ChainPorts, facts: AccountFacts, requested_delegation: Delegation | None
) -> Authorization | None:
    """The authorization without which the account cannot act, or not as asked; None when it can.

    Raises: InvalidParams (not_externally_owned) when a contract account is to be delegated; (delegation_not_enabled)
    when there is nothing on this chain to delegate to.
    """
    if not facts.is_external:
        if requested_delegation is not None:
            raise _not_external(facts)
        return None
    is_named = requested_delegation is not None and not isinstance(requested_delegation.delegation, str)
    target = SEMI_MODULAR_ACCOUNT_7702 if requested_delegation is None else requested_delegation.delegate
    if facts.delegate == target or (not is_named and not facts.needs_delegation):
        return None
    nonce, code = await asyncio.gather(chain.node.transaction_count(facts.address), chain.node.code(target))
    if not code:
        raise InvalidParams(
            f"EIP-7702 is not enabled on chain {chain.chain_id:#x}. You must call wallet_requestAccount to create a "
            "smart contract account address to use on this network.",
            field="params.from",
            reason="delegation_not_enabled",
        )
    return Authorization(chain.chain_id, target, nonce)


async def build_removal(chain: ChainPorts, facts: AccountFacts) -> Authorization:
    """The authorization that takes an account's delegation away.

    Raises: UnsupportedCapability without a relayer; InvalidParams where there is nothing to take away.
    """
    relayer_of(chain)
    if not facts.is_external:
        raise _not_external(facts)
    if facts.delegate is None:
        raise _nothing_to_remove(chain, facts.address)
    return Authorization(chain.chain_id, ZERO_ADDRESS, await chain.node.transaction_count(facts.address))


def _nothing_to_remove(chain: ChainPorts, account: Address) -> InvalidParams:
    return InvalidParams(
        f"{EIP7702_AUTH}.delegation: {account} is not delegated on chain {chain.chain_id:#x}",
        field=f"{EIP7702_AUTH}.delegation",
        reason="nothing_to_remove",
    )


def _not_external(facts: AccountFacts) -> InvalidParams:
    return InvalidParams(
        f"{EIP7702_AUTH}: {facts.address} is a smart contract account; only externally owned accounts are delegated",
        field=EIP7702_AUTH,
        reason="not_externally_owned",
    )


def relayer_of(chain: ChainPorts) -> Relayer:
    """Who pays for an authorization that travels alone. Raises: UnsupportedCapability when nobody does."""
    if chain.relayer is None:
        raise UnsupportedCapability(
            f"{EIP7702_AUTH}: chain {chain.chain_id:#x} has no relayer here, without which no delegation can be "
            "removed",
            capability="eip7702Auth.delegation",
        )
    return chain.relayer


def attach_signature(
    authorization: Authorization, signature: bytes, *, by: Address | None = None
) -> SignedAuthorization:
    """With its signature. Raises: Rejected when it is none, or not `by` the account that is to be delegated."""
    try:
        made = authorization.add_signature(signature)
    except ValueError:
        raise _build_signature_error() from None
    if made.authority is None or by not in (None, made.authority):
        raise _build_signature_error()
    return made


def _build_signature_error() -> Rejected:
    return Rejected("EIP-7702 authorization signature is invalid", reason="authorization_invalid")


def build_nonce_mismatch_error(authorization: Authorization, actual: int) -> StaleNonce:
    """The error of an authorization that the chain passes over, since the account's next nonce is `actual`."""
    return StaleNonce(
        f"EIP-7702 nonce mismatch. Expected: {actual}, Actual: {authorization.nonce}", reason=AUTHORIZATION_NONCE
    )


async def send_removal(ports: Ports, chain: ChainPorts, authorization: SignedAuthorization) -> CallRecord:
    """Have the relayer send the removal of a delegation, once; the record of it.

    Raises: StaleNonce for another nonce than the account's next; InvalidParams (nothing_to_remove) where the relayer
    would pay for nothing; Unavailable; OutcomeUnknown.
    """
    relayer, authority = relayer_of(chain), authorization.authority
    assert authority is not None  # noqa: S101  # `signed` has looked
    name = authorization_hash(authority, authorization)
    found = await find_sent(ports, chain, name)
    if found is not None:
        return found
    actual, code = await asyncio.gather(chain.node.transaction_count(authority), chain.node.code(authority))
    if delegate_of(code) is None:
        raise _nothing_to_remove(chain, authority)
    if authorization.nonce != actual:
        raise build_nonce_mismatch_error(authorization, actual)
    record = CallRecord(
        kind=CallKind.DELEGATION,
        chain_id=chain.chain_id,
        hash=name,
        sender=authority,
        nonce=authorization.nonce,
        delegate=authorization.address,
        max_fee_per_gas=0,
        max_priority_fee_per_gas=0,
        sent_at=ports.clock.now(),
        state=CallState.SENDING,
    )
    if await ports.store.calls.claim(record) is not None:
        return await wait_for_sent(ports, chain, name)
    try:
        transaction = await relayer.send(authorization)
    except OutcomeUnknown:
        raise  # the claim stays: whoever asks next asks the chain
    except WalletError as error:
        await record_rejection(ports, record, error)
        raise
    sent = replace(record, state=CallState.SENT, transaction=transaction)
    await ports.store.calls.settle(sent)
    return sent


async def is_applied(chain: ChainPorts, record: CallRecord) -> bool | None:
    """Whether an authorization took effect, as the account stands now; None while its nonce is not used.

    A chain passes over an authorization that came too late. When the account has gone on since, which of the two
    happened can no longer be seen, and the transaction is believed.
    """
    count, code = await asyncio.gather(chain.node.transaction_count(record.sender), chain.node.code(record.sender))
    if count <= record.nonce:
        return None
    delegate = ZERO_ADDRESS if record.delegate is None else record.delegate
    return code == designator(delegate) or count > record.nonce + 1
