"""What a session may be allowed to do: the eight kinds of permission, as callers write them.

A member that a permission or its data does not have is refused by name, because it may be meant as a limit.
A permission says nothing about who grants it and until when; `validation_install` turns a list of them into what the
account installs, `guard` refuses the lists that would grant more than they say. Source: the hosted Wallet API's
`wallet_createSession` (seed 001).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias, assert_never

from pydantic import Field

from wallet_rpc.primitives import Address, Selector, Wei
from wallet_rpc.wire import strict_shape

Functions: TypeAlias = Annotated[tuple[Selector, ...], Field(min_length=1)]
"""At least one function, each by its selector."""


@strict_shape
class NativeAllowance:
    """How much of the chain's native token, in wei, over the session's whole life; 0 is nothing."""

    allowance: Wei


@strict_shape
class Erc20Allowance:
    """How much of the ERC-20 token at `address`, in its smallest unit, over the session's whole life."""

    address: Address
    allowance: Wei


@strict_shape
class GasAllowance:
    """How much the session's gas may cost the account, in wei (gas times price), over its whole life."""

    limit: Wei


@strict_shape
class Target:
    """One contract."""

    address: Address


@strict_shape
class SelectedFunctions:
    """Some functions."""

    functions: Functions


@strict_shape
class TargetFunctions:
    """Some functions of one contract."""

    address: Address
    functions: Functions


@strict_shape
class NativeTokenTransfer:
    """Bounds the value that the session's calls carry; grants no call by itself."""

    type: Literal["native-token-transfer"]
    data: NativeAllowance


@strict_shape
class Erc20TokenTransfer:
    """`transfer` and `approve` on one token, both counted against one limit."""

    type: Literal["erc20-token-transfer"]
    data: Erc20Allowance


@strict_shape
class GasLimit:
    """Bounds what the account pays for the session's gas; grants no call by itself."""

    type: Literal["gas-limit"]
    data: GasAllowance


@strict_shape
class ContractAccess:
    """Every function of one contract."""

    type: Literal["contract-access"]
    data: Target


@strict_shape
class AccountFunctions:
    """Functions of the account itself."""

    type: Literal["account-functions"]
    data: SelectedFunctions


@strict_shape
class FunctionsOnAllContracts:
    """Some functions, on every contract that no other permission names."""

    type: Literal["functions-on-all-contracts"]
    data: SelectedFunctions


@strict_shape
class FunctionsOnContract:
    """Some functions of one contract."""

    type: Literal["functions-on-contract"]
    data: TargetFunctions


@strict_shape
class Root:
    """Everything the owner can do, but signing as the account (ERC-1271)."""

    type: Literal["root"]


Permission: TypeAlias = Annotated[
    NativeTokenTransfer
    | Erc20TokenTransfer
    | GasLimit
    | ContractAccess
    | AccountFunctions
    | FunctionsOnAllContracts
    | FunctionsOnContract
    | Root,
    Field(discriminator="type"),
]
"""One permission; `type` says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawPermission:
    """One permission in the compiler's form: its kind and whichever of target, amount and functions it has.

    Values are bytes and integers, or the text of a request not read yet: the official SDK reads each text at its own
    moment, which decides what it refuses first. `sdk_text` reads them.
    """

    kind: str
    target: Address | str | None = None
    amount: int | str | None = None
    functions: tuple[Selector | str, ...] = ()


def to_raw_permission(permission: Permission) -> RawPermission:
    """The compiler's form of `permission`."""
    match permission:
        case NativeTokenTransfer(data=NativeAllowance(allowance=wei)) | GasLimit(data=GasAllowance(limit=wei)):
            return RawPermission(kind=permission.type, amount=wei)
        case Erc20TokenTransfer(data=data):
            return RawPermission(kind=permission.type, target=data.address, amount=data.allowance)
        case ContractAccess(data=data):
            return RawPermission(kind=permission.type, target=data.address)
        case AccountFunctions(data=data) | FunctionsOnAllContracts(data=data):
            return RawPermission(kind=permission.type, functions=data.functions)
        case FunctionsOnContract(data=data):
            return RawPermission(kind=permission.type, target=data.address, functions=data.functions)
        case Root():
            return RawPermission(kind=permission.type)
        case _:
            assert_never(permission)
