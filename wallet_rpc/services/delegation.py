"""Delegations of externally owned accounts (EIP-7702).

Find the delegation that a call needs, and verify signed authorizations.
"""

from __future__ import annotations

import asyncio

from wallet_rpc.domain.authorization import Authorization, SignedAuthorization
from wallet_rpc.domain.capabilities import Capabilities, Delegation
from wallet_rpc.domain.contracts import DELEGATES, SEMI_MODULAR_ACCOUNT_7702
from wallet_rpc.errors import InvalidParams, Rejected, StaleNonce, UnsupportedCapability
from wallet_rpc.ports import ChainPorts, Relayer
from wallet_rpc.primitives import ZERO_ADDRESS, Address
from wallet_rpc.services.account_facts import AccountFacts

EIP7702_AUTH = "params.capabilities.eip7702Auth"
"""The path of the requested delegation in a request."""
AUTHORIZATION_NONCE = "authorization_nonce"
"""The reason of errors about an authorization with a used nonce, also of the bundler's errors."""


def explicit_delegation(capabilities: Capabilities, account: Address) -> Delegation | None:
    """Return the delegation that the caller requests; None if it names none.

    Raises: InvalidParams for an unsupported delegate, and for an account other than the calling one.
    """
    requested = capabilities.eip7702_auth
    if not isinstance(requested, Delegation):
        return None
    if requested.account is not None and requested.account != account:
        raise InvalidParams(
            f"expected the calling account {account}, got {requested.account}",
            field=f"{EIP7702_AUTH}.account",
            reason="delegation_of_another",
        )
    if requested.delegate not in DELEGATES | {ZERO_ADDRESS}:
        supported = ", ".join(["'ModularAccountV2'", *map(str, sorted(DELEGATES)), str(ZERO_ADDRESS)])
        raise InvalidParams(
            f"expected one of {supported}, got {requested.delegate}",
            field=f"{EIP7702_AUTH}.delegation",
            reason="delegation_not_supported",
        )
    return requested


async def needed_authorization(
    chain: ChainPorts, facts: AccountFacts, requested_delegation: Delegation | None
) -> Authorization | None:
    """Return the authorization that the account must sign before it can call as requested; None if it needs none.

    Raises: InvalidParams (not_externally_owned) for the delegation of a contract account; (delegation_not_enabled) when
    the delegate has no code on this chain.
    """
    if not facts.is_external:
        if requested_delegation is not None:
            raise build_not_external_error(facts)
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
            verbatim=True,
            reason="delegation_not_enabled",
        )
    return Authorization(chain.chain_id, target, nonce)


def build_not_external_error(facts: AccountFacts) -> InvalidParams:
    """Build the error of a delegation for a smart contract account."""
    return InvalidParams(
        f"expected an externally owned account, got {facts.address}, which is a smart contract account",
        field=EIP7702_AUTH,
        reason="not_externally_owned",
    )


def relayer_of(chain: ChainPorts) -> Relayer:
    """Return the relayer, which pays for authorizations without a user operation.

    Raises: UnsupportedCapability when the chain has none.
    """
    if chain.relayer is None:
        raise UnsupportedCapability(
            f"{EIP7702_AUTH}: a delegation on chain {chain.chain_id:#x} cannot be removed here, because no relayer is "
            "configured for the chain",
            capability="eip7702Auth.delegation",
        )
    return chain.relayer


def attach_signature(
    authorization: Authorization, signature: bytes, *, by: Address | None = None
) -> SignedAuthorization:
    """Return the signed authorization. Raises: Rejected for an invalid signature, or a signer other than `by`."""
    try:
        signed = authorization.add_signature(signature)
    except ValueError:
        raise _build_signature_error() from None
    if signed.authority is None or by not in (None, signed.authority):
        raise _build_signature_error()
    return signed


def _build_signature_error() -> Rejected:
    return Rejected("EIP-7702 authorization signature is invalid", reason="authorization_invalid")


def build_nonce_mismatch_error(authorization: Authorization, actual: int) -> StaleNonce:
    """Build the error of an authorization that the chain would skip, because the account's next nonce is `actual`."""
    return StaleNonce(
        f"EIP-7702 nonce mismatch. Expected: {actual}, Actual: {authorization.nonce}", reason=AUTHORIZATION_NONCE
    )
