"""View functions of the modules that limit sessions: encoders of call data and decoders of return data.

Every row belongs to an entity id and an account. Source: the public mappings of the modules of Modular Account v2.
"""

from __future__ import annotations

from wallet_rpc.domain import abi
from wallet_rpc.domain.module_rows import TimeRange
from wallet_rpc.errors import UnreadableAnswer
from wallet_rpc.primitives import Address, Data, Selector

TIME_RANGES = Selector(bytes.fromhex("cb81b9bc"))
"""TimeRange `timeRanges(uint32,address)`: (valid until, valid after)."""
LIMITS = Selector(bytes.fromhex("e19500ba"))
"""NativeTokenLimit `limits(uint256,address)`: wei."""
SPECIAL_PAYMASTERS = abi.selector_of("specialPaymasters(address,address)")
"""NativeTokenLimit `specialPaymasters(address,address)`: true for a paymaster whose gas counts against the limit."""
ERC20_SPEND_LIMITS = Selector(bytes.fromhex("b33b322c"))
"""Allowlist `erc20SpendLimits(uint32,address,address)`: the amount left of a token."""
ADDRESS_ALLOWLIST = abi.selector_of("addressAllowlist(uint32,address,address)")
"""Allowlist `addressAllowlist(uint32,address,address)`: (allowed, has selectors, has a limit)."""
SELECTOR_ALLOWLIST = abi.selector_of("selectorAllowlist(uint32,bytes4,address,address)")
"""Allowlist `selectorAllowlist(uint32,bytes4,address,address)`: true for an allowed function."""


def encode_time_ranges(entity_id: int, account: Address) -> Data:
    """Encode `timeRanges`."""
    return Data(TIME_RANGES + abi.uint(entity_id, 32) + abi.address(account))


def encode_limits(entity_id: int, account: Address) -> Data:
    """Encode `limits`."""
    return Data(LIMITS + abi.uint(entity_id, 32) + abi.address(account))


def encode_special_paymasters(paymaster: Address, account: Address) -> Data:
    """Encode `specialPaymasters`."""
    return Data(SPECIAL_PAYMASTERS + abi.address(paymaster) + abi.address(account))


def encode_erc20_spend_limits(entity_id: int, token: Address, account: Address) -> Data:
    """Encode `erc20SpendLimits`."""
    return Data(ERC20_SPEND_LIMITS + abi.uint(entity_id, 32) + abi.address(token) + abi.address(account))


def encode_address_allowlist(entity_id: int, target: Address, account: Address) -> Data:
    """Encode `addressAllowlist`."""
    return Data(ADDRESS_ALLOWLIST + abi.uint(entity_id, 32) + abi.address(target) + abi.address(account))


def encode_selector_allowlist(entity_id: int, function: Selector, target: Address, account: Address) -> Data:
    """Encode `selectorAllowlist`."""
    words = abi.uint(entity_id, 32) + abi.fixed_bytes(function) + abi.address(target) + abi.address(account)
    return Data(SELECTOR_ALLOWLIST + words)


def decode_words(return_data: bytes, count: int) -> tuple[int, ...]:
    """Decode return data of `count` words. Raises: UnreadableAnswer when it is shorter."""
    if len(return_data) < 32 * count:
        raise UnreadableAnswer(f"expected {count} words from a module, got {len(return_data)} bytes of return data")
    return tuple(int.from_bytes(return_data[at : at + 32], "big") for at in range(0, 32 * count, 32))


def decode_time_range(return_data: bytes) -> TimeRange:
    """Decode the return data of `timeRanges`. Raises: UnreadableAnswer."""
    until, after = decode_words(return_data, 2)
    return TimeRange(valid_until=until, valid_after=after)
