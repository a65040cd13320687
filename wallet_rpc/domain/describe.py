"""Descriptions of a grant in plain English, for its owner to read before signing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import assert_never

from wallet_rpc.domain.ether import format_ether
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
from wallet_rpc.primitives import Address, Selector


def describe_permission(permission: Permission) -> str:
    """Describe one permission. Amounts are in the smallest unit; native amounts also in whole tokens."""
    match permission:
        case NativeTokenTransfer(data=data):
            text = f"send up to {_format_native(data.allowance)} in all"
        case Erc20TokenTransfer(data=data):
            text = f"transfer or approve up to {data.allowance} units of token {data.address} in all"
        case GasLimit(data=data):
            text = f"let the account pay up to {_format_native(data.limit)} for gas in all"
        case ContractAccess(data=data):
            text = f"call every function of contract {data.address}"
        case AccountFunctions(data=data):
            text = f"call {_format_functions(data.functions)} of the account itself"
        case FunctionsOnAllContracts(data=data):
            text = f"call {_format_functions(data.functions)} on any contract"
        case FunctionsOnContract(data=data):
            text = f"call {_format_functions(data.functions)} of contract {data.address}"
        case Root():
            text = "do everything the owner can do"
        case _:
            assert_never(permission)
    return text


def describe_grant(signer: Address | None, permissions: Sequence[Permission], deadline: int) -> str:
    """Describe a session in one sentence: its key, its end, and all that it may do."""
    subject = "A key" if signer is None else f"The key {signer}"
    rights = "; ".join(describe_permission(each) for each in permissions) or "do nothing"
    return f"{subject} may, {describe_expiry(deadline)}: {rights}."


def describe_expiry(deadline: int) -> str:
    """Describe the end of a session; deadline 0 is none."""
    if deadline == 0:
        return "without end"
    try:
        return f"until {datetime.fromtimestamp(deadline, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError):  # beyond the calendar's year 9999
        return f"until second {deadline} after 1970"


def _format_native(wei: int) -> str:
    return f"{format_ether(wei)} of the native token ({wei} wei)"


def _format_functions(selectors: Sequence[Selector]) -> str:
    return ("function " if len(selectors) == 1 else "functions ") + ", ".join(str(one) for one in selectors)
