"""A grant in plain English, for people who are asked to sign one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import assert_never

from wallet_rpc.domain.permission import (
    AccountFunctions,
    ContractAccess,
    Erc20TokenTransfer,
    FunctionsOnAllContracts,
    FunctionsOnContract,
    GasLimit,
    NativeTokenTransfer,
    Permission,
    Root,
)
from wallet_rpc.primitives import Selector


def describe_permission(permission: Permission) -> str:
    """What one permission allows. Amounts in the smallest unit, native ones also in whole tokens."""
    match permission:
        case NativeTokenTransfer(data=data):
            words = f"send up to {_format_native(data.allowance)} in all"
        case Erc20TokenTransfer(data=data):
            words = f"transfer or approve up to {data.allowance} units of token {data.address} in all"
        case GasLimit(data=data):
            words = f"let the account pay up to {_format_native(data.limit)} for gas in all"
        case ContractAccess(data=data):
            words = f"call every function of contract {data.address}"
        case AccountFunctions(data=data):
            words = f"call {_format_functions(data.functions)} of the account itself"
        case FunctionsOnAllContracts(data=data):
            words = f"call {_format_functions(data.functions)} on any contract"
        case FunctionsOnContract(data=data):
            words = f"call {_format_functions(data.functions)} of contract {data.address}"
        case Root():
            words = "do everything the owner can do"
        case _:
            assert_never(permission)
    return words


def describe_expiry(deadline: int) -> str:
    """Until when; 0 is without end."""
    if deadline == 0:
        return "without end"
    try:
        return f"until {datetime.fromtimestamp(deadline, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError):  # beyond the calendar's year 9999
        return f"until second {deadline} after 1970"


def _format_native(wei: int) -> str:
    whole, part = divmod(wei, 10**18)
    fraction = f".{part:018d}".rstrip("0") if part else ""
    return f"{whole}{fraction} of the native token ({wei} wei)"


def _format_functions(selectors: Sequence[Selector]) -> str:
    return ("function " if len(selectors) == 1 else "functions ") + ", ".join(str(one) for one in selectors)
