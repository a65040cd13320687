"""Opcodes that bundlers forbid in validation but a compiler may emit: ERC-7562, [OP-012]."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from wallet_rpc.devchain import dev_constants
from wallet_rpc.devchain.genesis import load_genesis
from wallet_rpc.domain.contracts import ENTRY_POINT, REQUIRED_CONTRACTS
from wallet_rpc.primitives import Address

GAS = 0x5A
CALLS = frozenset({0xF1, 0xF2, 0xF4, 0xFA})
CONTRACTS = [*(REQUIRED_CONTRACTS.keys() - {ENTRY_POINT}), dev_constants.PAYMASTER, dev_constants.ERC20_PAYMASTER]


def opcodes(code: bytes) -> Iterator[int]:
    """Iterate over the opcodes, without push data."""
    at = 0
    while at < len(code):
        yield code[at]
        at += code[at] - 0x5E if 0x60 <= code[at] <= 0x7F else 1


@pytest.mark.parametrize("address", sorted(CONTRACTS), ids=str)
def test_gas_opcode_is_right_before_a_call(address: Address) -> None:
    found = list(opcodes(load_genesis()[address].code))
    after = [following for one, following in pairwise(found) if one == GAS]
    assert set(after) <= CALLS
