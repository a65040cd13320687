"""Why a session may not make an operation: the permission that denied it, or that none covers it.

Every hook of a session is one permission's, identified by its module and entity id (`validation_install`), and the
account names both in the error that it wraps around a hook's. One hook is shared: the list of targets, which checks the
calls in their order. So the first call that the list refuses says whose entry refused it.
Source: AllowlistModule and ModularAccountBase of Modular Account v2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from wallet_rpc.domain import abi
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.contracts import ALLOWLIST_MODULE, NATIVE_TOKEN_LIMIT_MODULE, TIME_RANGE_MODULE
from wallet_rpc.domain.permission import (
    ContractAccess,
    Erc20TokenTransfer,
    FunctionsOnAllContracts,
    FunctionsOnContract,
    Permission,
)
from wallet_rpc.domain.revert import Explanation
from wallet_rpc.domain.validation_install import HALF_ENTITY
from wallet_rpc.primitives import Address, Selector

EXPIRY = "expiry"
"""Stands for the session's end, which is no permission but bounds them all."""
_HOOK_PERMISSIONS = {
    (TIME_RANGE_MODULE, 0): EXPIRY,
    (NATIVE_TOKEN_LIMIT_MODULE, 0): "native-token-transfer",
    (NATIVE_TOKEN_LIMIT_MODULE, HALF_ENTITY): "gas-limit",
    (ALLOWLIST_MODULE, HALF_ENTITY): "erc20-token-transfer",
}
"""The permission behind a hook, by its module and by the distance of its entity id from the session's."""
_WILDCARD = "functions-on-all-contracts"
_Entry: TypeAlias = ContractAccess | Erc20TokenTransfer | FunctionsOnContract
"""The permissions that have an entry of their own in the list of targets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDenial:
    """A denial in words, and the type of the permission that denied; None when no permission covers the operation."""

    text: str
    permission: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempted operation: the session's entity id and permissions, the account, and the calls where they are known.

    The permissions of a session that the server does not keep are None.
    """

    entity_id: int
    permissions: Sequence[Permission] | None
    account: Address
    calls: Sequence[Call] | None


def find_session_denial(explanation: Explanation, attempt: Attempt) -> SessionDenial | None:
    """The denial that a revert of an operation of a session is; None when the revert is about something else."""
    denial = explanation.denial
    if denial is None:
        return _account_denial(explanation, attempt)
    hook = (denial.module, denial.entity_id - attempt.entity_id)
    if hook == (ALLOWLIST_MODULE, 0):
        return _allowlist_denial(attempt)
    return _permission_denial(_HOOK_PERMISSIONS[hook]) if hook in _HOOK_PERMISSIONS else None


def _permission_denial(permission: str, because: str = "") -> SessionDenial:
    return SessionDenial(text=f"denied by the session's permission {permission}{because}", permission=permission)


def _allowlist_denial(attempt: Attempt) -> SessionDenial | None:
    """Raised by the list of targets, which all permissions on contracts share."""
    if attempt.permissions is None:
        return None
    for call in attempt.calls or ():
        named = _find_entry(attempt.permissions, call.to)
        if named is None and not _is_allowed_everywhere(attempt.permissions, call):
            return _uncovered_denial(attempt.permissions, call.to)
        if named is not None and not _is_allowed_by(named, call):
            return _permission_denial(named.type)
    return None


def _find_entry(permissions: Sequence[Permission], target: Address) -> _Entry | None:
    """The permission that names a contract; the guard lets one do so."""
    entries = (permission for permission in permissions if isinstance(permission, _Entry))
    return next((entry for entry in entries if entry.data.address == target), None)


def _is_allowed_by(permission: _Entry, call: Call) -> bool:
    """True when the contract's entry has the function; call data of less than four bytes has none."""
    match permission:
        case ContractAccess():
            return True
        case Erc20TokenTransfer():
            return call.data[:4] in {abi.ERC20_TRANSFER, abi.ERC20_APPROVE}
        case FunctionsOnContract(data=data):
            return call.data[:4] in data.functions
        case _:
            assert_never(permission)


def _is_allowed_everywhere(permissions: Sequence[Permission], call: Call) -> bool:
    """True when the function is allowed on contracts without an entry; short call data is padded with zeros."""
    function = Selector(call.data[:4].ljust(4, b"\0"))
    return any(
        function in permission.data.functions
        for permission in permissions
        if isinstance(permission, FunctionsOnAllContracts)
    )


def _uncovered_denial(permissions: Sequence[Permission], target: Address) -> SessionDenial:
    why = "no permission of the session covers that contract"
    if any(permission.type == _WILDCARD for permission in permissions):
        return _permission_denial(_WILDCARD, f": {why}, {target}, with that function")
    kinds = ", ".join(dict.fromkeys(permission.type for permission in permissions))
    return SessionDenial(text=f"{why}, {target}; those that it has: {kinds}")


def _account_denial(explanation: Explanation, attempt: Attempt) -> SessionDenial | None:
    """Raised by the account itself for a function of its own that the session's validation does not list.

    Its own `execute` and `executeBatch` are listed as soon as any permission is about contracts.
    """
    missing = next((cause for cause in explanation.causes if cause.name == "ValidationFunctionMissing"), None)
    if missing is None or attempt.permissions is None:
        return None
    others = [call.to for call in attempt.calls or () if call.to != attempt.account]
    if others and set(missing.arguments) & {abi.EXECUTE, abi.EXECUTE_BATCH}:
        return _uncovered_denial(attempt.permissions, others[0])
    if any(permission.type == "account-functions" for permission in attempt.permissions):
        return _permission_denial("account-functions")
    return SessionDenial(text="no permission of the session covers that function of the account")
