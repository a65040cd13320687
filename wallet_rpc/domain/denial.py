"""The cause of a session's denied operation: the permission that denied it, or the lack of one that covers it.

Every hook of a session belongs to one permission, identified by its module and entity id (`validation_install`). The
account wraps the error of a hook into one that contains both. Permissions on contracts share one hook, the allowlist,
which checks the calls in their order. So the first call that the allowlist rejects determines the permission.
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
"""A pseudo-permission: the session's end, which limits all permissions."""
_HOOK_PERMISSIONS = {
    (TIME_RANGE_MODULE, 0): EXPIRY,
    (NATIVE_TOKEN_LIMIT_MODULE, 0): "native-token-transfer",
    (NATIVE_TOKEN_LIMIT_MODULE, HALF_ENTITY): "gas-limit",
    (ALLOWLIST_MODULE, HALF_ENTITY): "erc20-token-transfer",
}
"""The permission of a hook, by its module and by the difference between its entity id and the session's."""
_WILDCARD = "functions-on-all-contracts"
_Entry: TypeAlias = ContractAccess | Erc20TokenTransfer | FunctionsOnContract
"""The permissions that have their own entry in the allowlist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDenial:
    """A denial: its message and the type of the denying permission, None when no permission covers the operation."""

    text: str
    permission: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempted operation: the session's entity id and permissions, the account, and the calls if they are known.

    `permissions` is None for a session that the server does not store.
    """

    entity_id: int
    permissions: Sequence[Permission] | None
    account: Address
    calls: Sequence[Call] | None


def find_session_denial(explanation: Explanation, attempt: Attempt) -> SessionDenial | None:
    """Find the denial that caused the revert of a session's operation; None when the revert has a different cause."""
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
    """Find the permission behind a revert of the allowlist, which all permissions on contracts share."""
    if attempt.permissions is None:
        return None
    for call in attempt.calls or ():
        entry = _find_entry(attempt.permissions, call.to)
        if entry is None and not _is_allowed_everywhere(attempt.permissions, call):
            return _uncovered_denial(attempt.permissions, call.to)
        if entry is not None and not _is_allowed_by(entry, call):
            return _permission_denial(entry.type)
    return None


def _find_entry(permissions: Sequence[Permission], target: Address) -> _Entry | None:
    """Find the permission that names a contract; the guard accepts at most one."""
    entries = (permission for permission in permissions if isinstance(permission, _Entry))
    return next((entry for entry in entries if entry.data.address == target), None)


def _is_allowed_by(permission: _Entry, call: Call) -> bool:
    """Return True when the contract's entry has the function; call data of less than four bytes has none."""
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
    """Return True when the function is allowed on contracts without an entry; short call data is zero-padded."""
    function = Selector(call.data[:4].ljust(4, b"\0"))
    return any(
        function in permission.data.functions
        for permission in permissions
        if isinstance(permission, FunctionsOnAllContracts)
    )


def _uncovered_denial(permissions: Sequence[Permission], target: Address) -> SessionDenial:
    text = "no permission of the session covers that contract"
    if any(permission.type == _WILDCARD for permission in permissions):
        return _permission_denial(_WILDCARD, f": {text}, {target}, with that function")
    kinds = ", ".join(dict.fromkeys(permission.type for permission in permissions))
    return SessionDenial(text=f"{text}, {target}; the session's permissions are: {kinds}")


def _account_denial(explanation: Explanation, attempt: Attempt) -> SessionDenial | None:
    """Find the denial for the account's error about a function that the session's validation does not list.

    The validation lists the account's `execute` and `executeBatch` if any permission is about contracts.
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
