"""Amounts that a call of a session takes from the session's limits when it is executed.

Source: NativeTokenLimitModule and AllowlistModule of Modular Account v2, which read only the outermost calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wallet_rpc.domain import abi
from wallet_rpc.domain.abi_reader import AbiDecodeError, Reader
from wallet_rpc.domain.call_data import decode_calls
from wallet_rpc.primitives import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """Amounts that a call takes: wei sent as value, and units of each ERC-20 token, if it is limited."""

    native: int
    tokens: Mapping[Address, int]


def find_spending(account: Address, call_data: bytes) -> Spending:
    """Return the amounts that a call takes from the limit on value, and from that of each token that it calls."""
    calls = decode_calls(account, call_data) or ()
    spent: dict[Address, int] = {}
    for call in calls:
        if call.data[:4] in _COUNTED and len(call.data) >= 68:
            spent[call.to] = spent.get(call.to, 0) + int.from_bytes(call.data[36:68], "big")
    native = sum(call.value for call in calls)
    return Spending(
        native=native + sum(_creation_value(call.data) for call in calls if call.to == account), tokens=spent
    )


_COUNTED = frozenset({bytes(abi.ERC20_TRANSFER), bytes(abi.ERC20_APPROVE)})


def _creation_value(data: bytes) -> int:
    """Return the value that the account gives to a contract that it creates by `performCreate`."""
    if data[:4] != abi.PERFORM_CREATE:
        return 0
    try:
        return Reader(data[4:]).word(0)
    except AbiDecodeError:
        return 0
