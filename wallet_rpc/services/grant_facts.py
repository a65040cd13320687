"""Reads of the values that warnings about a grant depend on: balances, and the code of allowed contracts.

Reads that start together share one POST. A value that the node does not return becomes part of a warning.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Sequence
from typing import TypeVar

from wallet_rpc.domain.account_code import IMPLEMENTATION_SLOT
from wallet_rpc.domain.forwarding import (
    find_forwarders,
    find_implementation,
    has_implementation_slot,
    parse_implementation,
)
from wallet_rpc.domain.grant_warnings import GrantFacts, WarningCode
from wallet_rpc.domain.permission import ContractAccess, Erc20TokenTransfer, GasLimit, NativeTokenTransfer, Permission
from wallet_rpc.domain.permit import decode_uint, encode_balance_of
from wallet_rpc.errors import ExecutionReverted, LimitExceeded, Unavailable
from wallet_rpc.ports import ChainPorts, Node
from wallet_rpc.primitives import Address

_T = TypeVar("_T")
NO_FACTS = GrantFacts()
"""The facts of a grant whose warnings depend on no read."""


async def read_grant_facts(
    chain: ChainPorts, account: Address, permissions: Sequence[Permission], codes: Collection[WarningCode]
) -> GrantFacts:
    """Read the values that warnings with these codes depend on; nothing is read for the others."""
    limited = permissions if WarningCode.LIMIT_ABOVE_BALANCE in codes else ()
    reached = permissions if WarningCode.TARGET_FORWARDS_CALLS in codes else ()
    has_native_limit = any(isinstance(each, NativeTokenTransfer | GasLimit) for each in limited)
    tokens = [each.data.address for each in limited if isinstance(each, Erc20TokenTransfer)]
    contracts = [each.data.address for each in reached if isinstance(each, ContractAccess)]
    if not (has_native_limit or tokens or contracts):
        return NO_FACTS
    reader = _FactReader(chain.node, account)
    natives, balances, forwarders = await asyncio.gather(
        asyncio.gather(*([reader.read_native()] if has_native_limit else [])),
        asyncio.gather(*map(reader.read_token, tokens)),
        asyncio.gather(*map(reader.read_forwarders, contracts)),
    )
    return GrantFacts(
        native=natives[0] if natives else None,
        tokens={token: balance for token, balance in zip(tokens, balances, strict=True) if balance is not None},
        forwarders=dict(zip(contracts, forwarders, strict=True)),
        unread=tuple(reader.unread),
    )


class _FactReader:
    """Reads of one grant's facts."""

    def __init__(self, node: Node, account: Address) -> None:
        self._node = node
        self._account = account
        self.unread: list[str] = []
        """Descriptions of the values that the node did not return."""

    async def read_native(self) -> int | None:
        """Read the account's balance in wei."""
        return await self._read(self._node.balance(self._account), "the account's balance")

    async def read_token(self, token: Address) -> int | None:
        """Read the account's balance of a token; None also for an address that is no token."""
        call = self._node.call(token, encode_balance_of(self._account))
        try:
            return_data = await self._read(call, f"the account's balance of {token}")
        except ExecutionReverted:
            return None
        return None if return_data is None else decode_uint(return_data)

    async def read_forwarders(self, contract: Address) -> tuple[str, ...]:
        """Read the functions by which a contract, or the one whose code it runs, forwards calls."""
        name = f"the code of {contract}"
        code = await self._read(self._node.code(contract), name)
        if not code:
            return ()
        implementation = find_implementation(code)
        if implementation is None and has_implementation_slot(code):
            word = await self._read(self._node.storage(contract, IMPLEMENTATION_SLOT), name)
            implementation = None if word is None else parse_implementation(word)
        inner = None if implementation is None else await self._read(self._node.code(implementation), name)
        return find_forwarders(code if inner is None else code + inner)

    async def _read(self, reading: Awaitable[_T], name: str) -> _T | None:
        """Await a read; None, with a note, if the node does not return the value."""
        try:
            return await reading
        except (Unavailable, LimitExceeded):
            self.unread.append(name)
            return None
