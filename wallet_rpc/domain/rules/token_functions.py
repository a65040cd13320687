"""Functions of tokens whose arguments say how much of the token moves, and to which address.

An allowance counts as much as a transfer: its holder may take the tokens at any time. Sources: ERC-20, ERC-2612,
ERC-721, ERC-777, ERC-1155, ERC-1363, ERC-4626; WETH9; OpenZeppelin; Dai.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from wallet_rpc.domain.abi import selector_of
from wallet_rpc.primitives import Selector


class Amount(Enum):
    """Amounts of the called token that no argument has."""

    NONE = auto()
    """No token of the caller moves."""
    UNLIMITED = auto()
    """The function allows a spender any amount."""
    UNKNOWN = auto()
    """The amount is not a number of the token's smallest unit, or no argument has it."""


@dataclass(frozen=True, slots=True)
class TokenFunction:
    """Position of amount and recipients among the words of the arguments."""

    amount: int | Amount
    """Index of the word with the amount."""
    recipients: tuple[int, ...] = ()
    """Indexes of the words with addresses that receive tokens, or the right to take them."""


_FUNCTIONS: Final[Mapping[str, TokenFunction]] = {
    "transfer(address,uint256)": TokenFunction(1, (0,)),
    "transferFrom(address,address,uint256)": TokenFunction(2, (1,)),
    "approve(address,uint256)": TokenFunction(1, (0,)),
    "increaseAllowance(address,uint256)": TokenFunction(1, (0,)),
    "increaseApproval(address,uint256)": TokenFunction(1, (0,)),
    "decreaseAllowance(address,uint256)": TokenFunction(Amount.NONE),
    "decreaseApproval(address,uint256)": TokenFunction(Amount.NONE),
    "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)": TokenFunction(2, (1,)),
    "permit(address,address,uint256,uint256,bytes)": TokenFunction(2, (1,)),
    "permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)": TokenFunction(Amount.UNLIMITED, (1,)),
    "burn(uint256)": TokenFunction(0),
    "burnFrom(address,uint256)": TokenFunction(1),
    "transferAndCall(address,uint256)": TokenFunction(1, (0,)),
    "transferAndCall(address,uint256,bytes)": TokenFunction(1, (0,)),
    "transferFromAndCall(address,address,uint256)": TokenFunction(2, (1,)),
    "transferFromAndCall(address,address,uint256,bytes)": TokenFunction(2, (1,)),
    "approveAndCall(address,uint256)": TokenFunction(1, (0,)),
    "approveAndCall(address,uint256,bytes)": TokenFunction(1, (0,)),
    "send(address,uint256,bytes)": TokenFunction(1, (0,)),
    "deposit()": TokenFunction(Amount.NONE),
    "withdraw(uint256)": TokenFunction(0),
    "deposit(uint256,address)": TokenFunction(Amount.NONE, (1,)),
    "mint(uint256,address)": TokenFunction(Amount.NONE, (1,)),
    "redeem(uint256,address,address)": TokenFunction(0, (1,)),
    "withdraw(uint256,address,address)": TokenFunction(Amount.UNKNOWN, (1,)),
    "safeTransferFrom(address,address,uint256)": TokenFunction(Amount.UNKNOWN, (1,)),
    "safeTransferFrom(address,address,uint256,bytes)": TokenFunction(Amount.UNKNOWN, (1,)),
    "safeTransferFrom(address,address,uint256,uint256,bytes)": TokenFunction(Amount.UNKNOWN, (1,)),
    "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)": TokenFunction(Amount.UNKNOWN, (1,)),
    "setApprovalForAll(address,bool)": TokenFunction(Amount.UNKNOWN, (0,)),
    "allowance(address,address)": TokenFunction(Amount.NONE),
    "balanceOf(address)": TokenFunction(Amount.NONE),
    "decimals()": TokenFunction(Amount.NONE),
    "name()": TokenFunction(Amount.NONE),
    "symbol()": TokenFunction(Amount.NONE),
    "totalSupply()": TokenFunction(Amount.NONE),
}

MOVING_FUNCTIONS: Final[Mapping[Selector, TokenFunction]] = {
    selector_of(signature): function for signature, function in _FUNCTIONS.items()
}
"""The functions by their selector."""
