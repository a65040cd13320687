"""Authorizations (EIP-7702) that travel with a user operation: whether one is due, and sending with or without it.

The rule: what an authorization was signed for is what the account is to run. Where it runs that already, by whichever
authorization, the operation is sent alone.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from wallet_rpc.domain.authorization import Authorization, SignedAuthorization, designator
from wallet_rpc.domain.contracts import DELEGATES
from wallet_rpc.domain.records import CallRecord
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import InvalidParams, Rejected
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address, Hash32
from wallet_rpc.services.accounts import AccountFacts
from wallet_rpc.services.delegation import AUTHORIZATION_NONCE, attach_signature, build_nonce_mismatch_error
from wallet_rpc.services.signed_calls import SignedDelegation
from wallet_rpc.services.submission import send_once


async def find_carried_authorization(
    chain: ChainPorts, facts: AccountFacts, delegation: SignedDelegation | None
) -> SignedAuthorization | None:
    """The authorization that an account's operation is sent with; None for one whose work is done already.

    Raises: Rejected when it is missing (retryable) or wrongly signed; StaleNonce as `_is_applicable` does;
    InvalidParams for another delegate than ours.
    """
    if delegation is None:
        if facts.needs_delegation:
            raise Rejected(
                f"params: {facts.address} is not delegated on chain {chain.chain_id:#x}; prepare the calls again, "
                "and sign and send both parts of the array",
                reason="authorization_missing",
                retryable=True,
            )
        return None
    if delegation.data.address not in DELEGATES:
        raise InvalidParams(
            f"params.data: a delegation to {delegation.data.address} was not prepared here",
            field="params.data",
            reason="delegation_not_supported",
        )
    made = attach_signature(
        delegation.data.to_authorization(chain.chain_id), delegation.signature.raw, by=facts.address
    )
    return made if await _is_applicable(chain, made, facts.address) else None


async def _is_applicable(chain: ChainPorts, authorization: Authorization, authority: Address) -> bool:
    """Whether the chain would still apply an authorization; False where an earlier one has delegated the account so.

    The operation that it was to go with does without it: its hash does not cover the authorization (EntryPoint v0.7).
    Raises: StaleNonce (authorization_nonce) for another nonce than the account's next, which the chain passes over.
    """
    actual, code = await asyncio.gather(chain.node.transaction_count(authority), chain.node.code(authority))
    if authorization.nonce == actual:
        return True
    if authorization.nonce < actual and code == designator(authorization.address):
        return False
    raise build_nonce_mismatch_error(authorization, actual)


async def send_with_authorization(
    ports: Ports, chain: ChainPorts, operation: UserOperation, operation_hash: Hash32
) -> CallRecord:
    """As `send_once`; again without its authorization where another one delegated the account so meanwhile."""
    try:
        return await send_once(ports, chain, operation, operation_hash)
    except Rejected as refusal:
        authorization = operation.authorization
        if refusal.reason != AUTHORIZATION_NONCE or authorization is None:
            raise
        if await _is_applicable(chain, authorization, operation.sender):
            raise
    return await send_once(ports, chain, replace(operation, authorization=None), operation_hash)
