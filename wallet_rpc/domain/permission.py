"""The eight kinds of session permission, in the form that callers send.

An unknown member of a permission or its data is rejected by name, because the caller may have meant it as a limit.
A permission holds neither its granter nor its expiry. `validation_install` compiles a list of permissions into the
validation that the account installs. `guard` rejects lists that would grant more than they state.
Source: the hosted Wallet API's `wallet_createSession` (seed 001).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias, assert_never

from pydantic import Field

from wallet_rpc.primitives import Address, Selector, Wei
from wallet_rpc.wire import strict_shape

Functions: TypeAlias = Annotated[tuple[Selector, ...], Field(min_length=1)]
"""Selectors of functions, at least one."""


@strict_shape
class NativeAllowance:
    """The amount of the chain's native token, in wei, over the session's whole life; 0 allows nothing."""

    allowance: Wei
    """Maximum sum of all values in wei, over the session's whole life."""


@strict_shape
class Erc20Allowance:
    """The amount of the ERC-20 token at `address`, in its smallest unit, over the session's whole life."""

    address: Address
    """Contract of the ERC-20 token."""
    allowance: Wei
    """Maximum sum of transfers and approvals in the token's smallest unit, over the session's whole life."""


@strict_shape
class GasAllowance:
    """The maximum cost of the session's gas to the account, in wei (gas times price), over its whole life."""

    limit: Wei
    """Maximum cost of gas in wei, gas times price, over the session's whole life."""


@strict_shape
class Target:
    """One contract."""

    address: Address
    """Contract that the session may call."""


@strict_shape
class SelectedFunctions:
    """A set of functions."""

    functions: Functions
    """Selectors of four bytes, the first of the hash of the function's signature."""


@strict_shape
class TargetFunctions:
    """A set of functions of one contract."""

    address: Address
    """Contract that the session may call."""
    functions: Functions
    """Selectors of four bytes that the session may call on this contract."""


@strict_shape
class NativeTokenTransfer:
    """Limits the value that the session's calls carry; grants no calls on its own."""

    type: Literal["native-token-transfer"]
    """Kind of permission, enforced by the native token limit module."""
    data: NativeAllowance
    """Maximum value of the session's calls."""


@strict_shape
class Erc20TokenTransfer:
    """`transfer` and `approve` on one ERC-20 token; both count against one limit."""

    type: Literal["erc20-token-transfer"]
    """Kind of permission, enforced by the allowlist module."""
    data: Erc20Allowance
    """Token, and its maximum amount."""


@strict_shape
class GasLimit:
    """Limits the cost of the session's gas to the account; grants no calls on its own."""

    type: Literal["gas-limit"]
    """Kind of permission, enforced by the native token limit module."""
    data: GasAllowance
    """Maximum cost of the session's gas."""


@strict_shape
class ContractAccess:
    """Every function of one contract."""

    type: Literal["contract-access"]
    """Kind of permission, enforced by the allowlist module."""
    data: Target
    """Contract of which every function is allowed."""


@strict_shape
class AccountFunctions:
    """A set of functions of the account itself."""

    type: Literal["account-functions"]
    """Kind of permission, enforced by the account's own list of the session's functions."""
    data: SelectedFunctions
    """Functions of the account that the session may call."""


@strict_shape
class FunctionsOnAllContracts:
    """A set of functions, on every contract that no other permission names."""

    type: Literal["functions-on-all-contracts"]
    """Kind of permission, enforced by the allowlist module."""
    data: SelectedFunctions
    """Functions that are allowed wherever no other permission names the contract."""


@strict_shape
class FunctionsOnContract:
    """A set of functions of one contract."""

    type: Literal["functions-on-contract"]
    """Kind of permission, enforced by the allowlist module."""
    data: TargetFunctions
    """Contract, and its allowed functions."""


@strict_shape
class Root:
    """Every right of the owner, except signing as the account (ERC-1271)."""

    type: Literal["root"]
    """Kind of permission: no limits, so no module enforces any."""


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
"""One permission; `type` is its kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawPermission:
    """One permission in the compiler's form: its kind, and its target, amount and functions as far as it has them.

    Values are bytes and integers, or texts of a request that are not parsed yet. The official SDK parses each text at
    its own stage, which decides the error that it raises first. `sdk_values` parses the texts.
    """

    kind: str
    target: Address | str | None = None
    amount: int | str | None = None
    functions: tuple[Selector | str, ...] = ()


def to_raw_permission(permission: Permission) -> RawPermission:
    """Return the compiler's form of `permission`."""
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
