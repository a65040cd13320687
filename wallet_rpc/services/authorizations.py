"""Authorizations (EIP-7702) of user operations: check a signed one, and if it is still needed.

If the account is already delegated to the signed delegate, the operation is sent without its authorization.
"""

from __future__ import annotations

import asyncio

from wallet_rpc.domain.authorization import Authorization, SignedAuthorization, designator
from wallet_rpc.domain.contracts import DELEGATES
from wallet_rpc.errors import InvalidParams, Rejected
from wallet_rpc.ports import ChainPorts
from wallet_rpc.primitives import Address
from wallet_rpc.services.account_facts import AccountFacts
from wallet_rpc.services.delegation import attach_signature, build_nonce_mismatch_error
from wallet_rpc.services.signed_calls import SignedDelegation


async def find_carried_authorization(
    chain: ChainPorts, facts: AccountFacts, delegation: SignedDelegation | None
) -> SignedAuthorization | None:
    """Return the authorization to send with an account's operation; None when the account needs none.

    Raises: Rejected when it is missing (retryable) or has an invalid signature; StaleNonce as `is_applicable`;
    InvalidParams for an unsupported delegate.
    """
    if delegation is None:
        if facts.needs_delegation:
            raise Rejected(
                f"params: {facts.address} is not delegated on chain {chain.chain_id:#x}; prepare the calls again, "
                "and sign and send both items of the array",
                reason="authorization_missing",
                retryable=True,
            )
        return None
    if delegation.data.address not in DELEGATES:
        raise InvalidParams(
            f"expected a delegation that wallet_prepareCalls returned, got one to {delegation.data.address}",
            field="params.data",
            reason="delegation_not_supported",
        )
    authorization = attach_signature(
        delegation.data.to_authorization(chain.chain_id), delegation.signature.raw, by=facts.address
    )
    return authorization if await is_applicable(chain, authorization, facts.address) else None


async def is_applicable(chain: ChainPorts, authorization: Authorization, authority: Address) -> bool:
    """Return True when the chain would still apply an authorization; False if the account has its delegate already.

    In the second case the operation is valid without the authorization, because its hash does not cover it (EntryPoint
    v0.7). Raises: StaleNonce (authorization_nonce) when the nonce is not the account's next one: the chain would skip
    the authorization.
    """
    actual, code = await asyncio.gather(chain.node.transaction_count(authority), chain.node.code(authority))
    if authorization.nonce == actual:
        return True
    if authorization.nonce < actual and code == designator(authorization.address):
        return False
    raise build_nonce_mismatch_error(authorization, actual)
