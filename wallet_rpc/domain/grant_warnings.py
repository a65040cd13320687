"""Warnings about a grant: what its owner may not expect of it, although the grant is allowed.

Every warning has a stable code. specs/permissions.md describes each danger; a test shows it on chain.
Source: AllowlistModule, NativeTokenLimitModule and ModularAccountBase of Modular Account v2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from wallet_rpc.domain import abi
from wallet_rpc.domain.ether import format_ether
from wallet_rpc.domain.forwarding import FORWARDERS, SELF_FORWARDERS, TOKEN_FUNCTIONS
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
from wallet_rpc.primitives import Address, Selector, UnixSeconds
from wallet_rpc.wire import shape

FAR_END_SECONDS = 365 * 86_400
"""The time from which the end of a grant is far, in seconds from its creation."""
_CARRIES_VALUE = (ContractAccess, Erc20TokenTransfer, FunctionsOnAllContracts, FunctionsOnContract, Root)
"""The permissions whose calls may carry value."""
_NO_FUNCTION = Selector(bytes(4))
"""The selector of empty call data, a plain transfer, among functions on all contracts."""
_LISTED = 5
"""The maximum number of names in a message."""


class WarningCode(StrEnum):
    """The stable code of a warning."""

    ROOT = "root"
    """The session can do all that the owner can do with user operations, and can replace the owner."""
    NO_END = "no_end"
    """The session does not expire."""
    FAR_END = "far_end"
    """The session expires more than a year after its creation."""
    NATIVE_VALUE_UNLIMITED = "native_value_unlimited"
    """The session's calls may carry all of the account's native token."""
    GAS_LIMIT_VOID = "gas_limit_void"
    """Gas that a paymaster pays, also for the account's tokens, does not count against the gas limit."""
    TOKENS_ON_ALL_CONTRACTS = "tokens_on_all_contracts"
    """The session may move or approve tokens that no permission limits."""
    LIMIT_ABOVE_BALANCE = "limit_above_balance"
    """A limit is above the account's balance, so that it allows the session to spend all of it."""
    PERMISSION_VOID = "permission_void"
    """Another permission of the grant takes away calls that this one allows."""
    TARGET_FORWARDS_CALLS = "target_forwards_calls"
    """An allowed function calls other contracts with call data of the session's choice."""
    NOT_CHECKED = "not_checked"
    """The node could not run the installation, or could not read a value that a warning depends on."""


CHAIN_CODES = frozenset({WarningCode.LIMIT_ABOVE_BALANCE, WarningCode.TARGET_FORWARDS_CALLS, WarningCode.NOT_CHECKED})
"""The codes of warnings that depend on reads from the chain."""


@shape
class GrantWarning:
    """A warning about a grant."""

    code: WarningCode
    """Stable code of the warning."""
    permission: int | None = None
    """Index of the permission in the request; absent for a warning about the whole grant."""
    message: str
    """The warning as a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantFacts:
    """Values from the chain that warnings depend on; one that could not be read is absent."""

    native: int | None = None
    """The account's balance in wei."""
    tokens: Mapping[Address, int] = field(default_factory=dict)
    """The account's balance of each token, in its smallest unit."""
    forwarders: Mapping[Address, Sequence[str]] = field(default_factory=dict)
    """Functions by which each contract forwards calls, as its code shows."""
    unread: tuple[str, ...] = ()
    """Descriptions of the values that the node did not return."""


def find_warnings(
    permissions: Sequence[Permission], *, deadline: UnixSeconds, now: UnixSeconds, facts: GrantFacts
) -> tuple[GrantWarning, ...]:
    """Return the warnings about a grant: about the whole of it first, then about its permissions in their order."""
    return (
        *_find_end_warnings(deadline, now),
        *_find_value_warnings(permissions),
        *(
            warning
            for index, permission in enumerate(permissions)
            for warning in _find_permission_warnings(permissions, index, permission, facts)
        ),
        *(build_unchecked_warning(f"the node did not return {name}") for name in facts.unread),
    )


def build_unchecked_warning(cause: str) -> GrantWarning:
    """Build the warning about a check that could not be made."""
    return GrantWarning(code=WarningCode.NOT_CHECKED, message=f"not everything could be checked: {cause}")


def _find_end_warnings(deadline: UnixSeconds, now: UnixSeconds) -> Iterator[GrantWarning]:
    if deadline == 0:
        text = "the session has no end: it stays valid until the owner uninstalls it"
        yield GrantWarning(code=WarningCode.NO_END, message=text)
    elif deadline - now > FAR_END_SECONDS:
        days = (deadline - now) // 86_400
        yield GrantWarning(code=WarningCode.FAR_END, message=f"the session ends in {days} days, more than a year away")


def _find_value_warnings(permissions: Sequence[Permission]) -> Iterator[GrantWarning]:
    if any(isinstance(each, NativeTokenTransfer) for each in permissions):
        return
    if any(isinstance(each, _CARRIES_VALUE) for each in permissions):
        text = "no native-token-transfer limits the native value of the session's calls, which may carry all of it"
        yield GrantWarning(code=WarningCode.NATIVE_VALUE_UNLIMITED, message=text)


def _find_permission_warnings(
    permissions: Sequence[Permission], index: int, permission: Permission, facts: GrantFacts
) -> Iterator[GrantWarning]:
    """Yield the warnings about one permission."""
    match permission:
        case Root():
            text = "root allows everything that the owner can do with user operations, even to replace the owner"
            yield GrantWarning(code=WarningCode.ROOT, permission=index, message=text)
        case NativeTokenTransfer(data=data):
            yield from _find_limit_warning(index, "allowance", data.allowance, facts.native, _format_native)
        case Erc20TokenTransfer(data=data):
            yield from _find_limit_warning(
                index, "allowance", data.allowance, facts.tokens.get(data.address), _format_units
            )
        case GasLimit(data=data):
            text = "the gas limit does not count gas that a paymaster pays, nor the tokens that it charges for the gas"
            yield GrantWarning(code=WarningCode.GAS_LIMIT_VOID, permission=index, message=text)
            yield from _find_limit_warning(index, "limit", data.limit, facts.native, _format_native)
        case ContractAccess(data=data):
            yield from _find_forwarder_warning(index, facts.forwarders.get(data.address, ()))
        case FunctionsOnContract(data=data):
            yield from _find_forwarder_warning(index, _name(data.functions, FORWARDERS | SELF_FORWARDERS))
        case FunctionsOnAllContracts(data=data):
            yield from _find_token_warning(index, data.functions)
            yield from _find_forwarder_warning(index, _name(data.functions, FORWARDERS | SELF_FORWARDERS))
            yield from _find_skipped_contracts(permissions, index, data.functions)
        case AccountFunctions():
            yield from _find_unusable_functions(permissions, index)


def _find_limit_warning(
    index: int, name: str, limit: int, balance: int | None, form: Callable[[int], str]
) -> Iterator[GrantWarning]:
    if balance is not None and limit > balance:
        text = f"the {name} of {form(limit)} is above the balance of {form(balance)}: it allows to spend all of it"
        yield GrantWarning(code=WarningCode.LIMIT_ABOVE_BALANCE, permission=index, message=text)


def _find_forwarder_warning(index: int, functions: Sequence[str]) -> Iterator[GrantWarning]:
    if functions:
        text = (
            f"{_list(functions)}: forwards calls, so that the session may do through it what its other permissions "
            "deny, with all that the account has approved to it"
        )
        yield GrantWarning(code=WarningCode.TARGET_FORWARDS_CALLS, permission=index, message=text)


def _find_token_warning(index: int, functions: Sequence[Selector]) -> Iterator[GrantWarning]:
    named = _name(functions, TOKEN_FUNCTIONS)
    if named:
        text = f"{_list(named)} on any contract: the session may move or approve tokens that no permission limits"
        yield GrantWarning(code=WarningCode.TOKENS_ON_ALL_CONTRACTS, permission=index, message=text)


def _find_skipped_contracts(
    permissions: Sequence[Permission], index: int, functions: Sequence[Selector]
) -> Iterator[GrantWarning]:
    """Yield a warning for each contract with an entry of its own, which functions on all contracts skip."""
    for other, permission in enumerate(permissions):
        match permission:
            case Erc20TokenTransfer(data=token):  # it takes no plain transfers, so that none are lost
                target, kept = token.address, {abi.ERC20_TRANSFER, abi.ERC20_APPROVE, _NO_FUNCTION}
            case FunctionsOnContract(data=data):
                target, kept = data.address, set(data.functions) - {_NO_FUNCTION}
            case _:  # contract-access allows every function of its contract
                continue
        lost = [str(each) for each in functions if each not in kept]
        if lost:
            text = f"permissions[{other}] names {target}, where only its own functions are allowed, not {_list(lost)}"
            yield GrantWarning(code=WarningCode.PERMISSION_VOID, permission=index, message=text)


def _find_unusable_functions(permissions: Sequence[Permission], index: int) -> Iterator[GrantWarning]:
    """Yield a warning for account functions next to a token, whose hook reverts each of them."""
    for other, permission in enumerate(permissions):
        if isinstance(permission, Erc20TokenTransfer):
            text = (
                f"every call of these functions fails and is paid for, because of the token limit permissions[{other}]"
            )
            yield GrantWarning(code=WarningCode.PERMISSION_VOID, permission=index, message=text)
            return


def _name(functions: Sequence[Selector], known: Mapping[Selector, str]) -> list[str]:
    """Return the signatures of the functions that are known."""
    return [known[each] for each in functions if each in known]


def _list(names: Sequence[str]) -> str:
    """List a few names; a message stays short."""
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _format_native(wei: int) -> str:
    return f"{wei} wei ({format_ether(wei)} of the native token)"


def _format_units(amount: int) -> str:
    return f"{amount} units of the token"
