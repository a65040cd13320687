"""Owners of the account that requests sponsorship, proven by the account's code or by its factory data.

The responses of an unknown contract prove nothing. Two kinds of account count: the factory's proxy with a known
implementation, and an externally owned account that is delegated to a known implementation. The operation itself may
deploy the proxy or carry the delegation.
"""

from __future__ import annotations

from wallet_rpc.domain.account_code import (
    IMPLEMENTATION_SLOT,
    is_implementation,
    is_proxy,
    parse_factory_owner,
    parse_proxy_owner,
)
from wallet_rpc.domain.authorization import delegate_of
from wallet_rpc.domain.contracts import DELEGATES
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.domain.views import decode_address, encode_get_fallback_signer_data
from wallet_rpc.errors import ExecutionReverted, UnreadableAnswer
from wallet_rpc.ports import Node
from wallet_rpc.primitives import Address


async def owners_of(chain: Node, op: UserOperation) -> tuple[Address, ...]:
    """Return the addresses that count as owner of the operation's account; none when it is not a known account.

    Raises: Unavailable when the chain does not respond.
    """
    if op.authorization is not None:
        return (op.sender,) if op.authorization.address in DELEGATES else ()
    code = await chain.code(op.sender)
    if not code:
        owner = None if op.factory is None else parse_factory_owner(op.factory, op.sender)
        return () if owner is None else (owner,)
    delegate = delegate_of(code)
    if delegate is not None:
        return (op.sender,) if delegate in DELEGATES else ()
    if not is_proxy(code) or not is_implementation(await chain.storage(op.sender, IMPLEMENTATION_SLOT)):
        return ()
    owner = parse_proxy_owner(code)
    return await _current_owners(chain, op.sender) if owner is None else (owner,)


async def _current_owners(chain: Node, account: Address) -> tuple[Address, ...]:
    """Return the owners of a proxy created without an owner: its signer, and the account itself, as signers change."""
    try:
        return decode_address(await chain.call(account, encode_get_fallback_signer_data())), account
    except (ExecutionReverted, UnreadableAnswer):
        return ()
