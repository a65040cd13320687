"""Amounts that a session's calls in flight take from its limits once they are executed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.call_spending import find_spending
from wallet_rpc.domain.contracts import NATIVE_TOKEN_LIMIT_MODULE
from wallet_rpc.domain.gas import max_cost
from wallet_rpc.domain.module_views import decode_words, encode_special_paymasters
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address
from wallet_rpc.services.delivery import decode_operation

MAX_OPEN_CALLS = 500
"""The maximum number of calls in flight that are read; a session's newest ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCall:
    """A call that is not final, and its operation while the server stores it."""

    record: CallRecord
    operation: UserOperation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """Amounts that calls in flight take: wei as value, wei for gas, and units of each token."""

    native: int = 0
    gas: int = 0
    tokens: Mapping[Address, int] = field(default_factory=lambda: MappingProxyType({}))
    calls: int = 0
    """Number of the calls."""


async def read_open_calls(ports: Ports, reference: SessionReference) -> tuple[WaitingCall, ...]:
    """Return the newest calls of a session that are not final, newest first."""
    calls = ports.store.calls
    members = await ports.store.stops.open_calls(session=reference)
    names = [name for _, name in members[-MAX_OPEN_CALLS:]]
    records = await asyncio.gather(*(calls.get(reference.chain_id, name) for name in names))
    signed = await asyncio.gather(*(calls.signed(reference.chain_id, name) for name in names))
    found = [
        WaitingCall(record=record, operation=None if text is None else decode_operation(text))
        for record, text in zip(records, signed, strict=True)
        if record is not None and not record.state.is_final
    ]
    return tuple(sorted(found, key=lambda call: call.record.sent_at, reverse=True))


async def read_reserved(chain: ChainPorts, account: Address, calls: Sequence[WaitingCall]) -> Reserved:
    """Add up the amounts of the calls whose nonce is not used; the chain has charged the others, or never will."""
    if not calls:
        return Reserved()
    waiting, special = await asyncio.gather(
        _select_waiting(chain, account, calls), _find_special_paymasters(chain, account, calls)
    )
    native = gas = 0
    spent: dict[Address, int] = {}
    for call in waiting:
        spending = find_spending(account, call.record.call_data)
        native += spending.native
        for token, units in spending.tokens.items():
            spent[token] = spent.get(token, 0) + units
        operation = call.operation
        if operation is not None and (operation.paymaster is None or operation.paymaster.address in special):
            gas += max_cost(operation)
    return Reserved(native=native, gas=gas, tokens=spent, calls=len(waiting))


async def _select_waiting(chain: ChainPorts, account: Address, calls: Sequence[WaitingCall]) -> list[WaitingCall]:
    """Return the calls whose nonce is not used yet; of several with one nonce only the newest, the first given."""
    keys = sorted({call.record.nonce >> 64 for call in calls})
    nonces = await asyncio.gather(*(chain.node.user_operation_nonce(account, key) for key in keys))
    next_nonces = dict(zip(keys, nonces, strict=True))
    newest: dict[int, WaitingCall] = {}
    for call in calls:
        if call.record.nonce >= next_nonces[call.record.nonce >> 64]:
            newest.setdefault(call.record.nonce, call)
    return list(newest.values())


async def _find_special_paymasters(
    chain: ChainPorts, account: Address, calls: Sequence[WaitingCall]
) -> frozenset[Address]:
    """Return the paymasters of the calls whose gas counts against the account's limit."""
    operations = [call.operation for call in calls if call.operation is not None]
    paymasters = sorted({one.paymaster.address for one in operations if one.paymaster is not None})
    marks = await asyncio.gather(
        *(chain.node.call(NATIVE_TOKEN_LIMIT_MODULE, encode_special_paymasters(one, account)) for one in paymasters)
    )
    return frozenset(one for one, mark in zip(paymasters, marks, strict=True) if decode_words(mark, 1)[0])
