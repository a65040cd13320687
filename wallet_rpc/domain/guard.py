"""The strict check before the compiler: a session must not be able to do more than its permissions state.

The compiler matches the official SDK, which accepts grants that replace the owner, lift their own limits, or are never
usable. A server that prepares a grant for an owner to sign rejects those, each with a stable reason and the exact
field. Every rule has a row in specs/permissions.md. Sources: the contracts of Modular Account v2 (for access to state)
and the golden scenarios (for permissions that overwrite each other).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import ENTRY_POINT, EXECUTION_INSTALL_DELEGATE, MODULES
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
    to_raw_permission,
)
from wallet_rpc.domain.sdk_values import CompileError, Stage, read_address
from wallet_rpc.domain.validation import ValidationInstall
from wallet_rpc.domain.validation_install import SessionTerms, compile_permissions
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import ZERO_ADDRESS, Address, Selector, UnixSeconds

GLOBAL_FUNCTIONS = frozenset(
    {
        abi.EXECUTE,
        abi.EXECUTE_BATCH,
        abi.EXECUTE_USER_OP,
        abi.EXECUTE_WITH_RUNTIME_VALIDATION,
        abi.INSTALL_VALIDATION,
        abi.UNINSTALL_VALIDATION,
        abi.INSTALL_EXECUTION,
        abi.UNINSTALL_EXECUTION,
        abi.PERFORM_CREATE,
        abi.UPGRADE_TO_AND_CALL,
        abi.UPDATE_FALLBACK_SIGNER_DATA,
    }
)
"""The functions of the account that a root session may call. Source: ModularAccountBase."""
PRIVILEGED = GLOBAL_FUNCTIONS | {
    abi.VALIDATE_USER_OP,
    abi.INITIALIZE,
    abi.INITIALIZE_WITH_VALIDATION,
    abi.SDK_INSTALL_EXECUTION,
    abi.SDK_UNINSTALL_EXECUTION,
}
"""The functions by which an account changes itself or acts without limits. Source: ModularAccountBase and the
semi-modular accounts. The last two are wrong selectors of the SDK, rejected because the SDK rejects them."""
MODULE_WRITES = frozenset(
    {
        abi.ON_INSTALL,
        abi.ON_UNINSTALL,
        abi.TRANSFER_SIGNER,
        abi.TRANSFER_PASSKEY,
        abi.SET_TIME_RANGE,
        abi.UPDATE_NATIVE_LIMITS,
        abi.UPDATE_SPECIAL_PAYMASTER,
        abi.UPDATE_ALLOWLIST_LIMITS,
        abi.UPDATE_ALLOWLIST,
        abi.DELETE_ALLOWLIST,
        abi.SET_ADDRESS_ALLOWLIST,
        abi.SET_SELECTOR_ALLOWLIST,
        abi.PRE_EXECUTION_HOOK,
        abi.PRE_USER_OP_VALIDATION_HOOK,
    }
)
"""Functions that write a module's state for the calling account: its keys, limits and time range. The last two consume
limits, also the limits of other sessions."""
ENTRY_POINT_WRITES = frozenset(
    {abi.WITHDRAW_TO, abi.WITHDRAW_STAKE, abi.UNLOCK_STAKE, abi.ADD_STAKE, abi.INCREMENT_NONCE}
)
"""Functions that lock or withdraw the calling account's deposit or stake, or invalidate its nonces."""
PROTECTED_TARGETS = MODULES | {ENTRY_POINT, EXECUTION_INSTALL_DELEGATE}
"""Contracts that store the account's keys, limits, nonces and deposit, or code that it delegates to."""
MAX_PERMISSIONS = 100
"""The maximum number of permissions in a grant; installing this many targets costs about ten million gas."""
MAX_FUNCTIONS = 256
"""The maximum number of functions in a grant, over all permissions; each writes at least one storage slot."""
LAST_SECOND = 9_999_999_999
"""The latest end of a session, in Unix seconds (the year 2286). A higher value is probably in milliseconds and would
turn a grant for an hour into one for millennia. Source: the hosted Wallet API's `expirySec`."""

_AT = "params"
_DEADLINE_AT = "expirySec"
_REASONS = {
    "InvalidEntityIdError": "entity_id_out_of_range",
    "EntityIdOverrideError": "entity_id_out_of_range",
    "InvalidAddressError": "address_malformed",
    "SelectorNotAllowed": "privileged_selector",
    "RootPermissionOnlyError": "root_not_alone",
    "AccountAddressAsTargetError": "account_as_target",
    "DuplicateTargetAddressError": "duplicate_target",
    "NoFunctionsProvidedError": "no_functions",
    "ExpiredDeadlineError": "expired",
    "DeadlineOverLimitError": "deadline_too_late",
    "MultipleNativeTokenTransferError": "duplicate_limit",
    "MultipleGasLimitError": "duplicate_limit",
    "ZeroAddressError": "zero_address",
    "SyntaxError": "amount_malformed",
    "IntegerOutOfRangeError": "amount_too_large",
    "ValidationConfigUnsetError": "grants_nothing",
    "AbiEncodingBytesSizeMismatchError": "selector_malformed",
    "UnsupportedPermissionTypeError": "unknown_permission",
}
"""The stable `reason` of every compiler error, by the SDK's error class."""

_ERROR_PATHS = {
    "InvalidAddressError": "key.publicKey",
    "ExpiredDeadlineError": _DEADLINE_AT,
    "DeadlineOverLimitError": _DEADLINE_AT,
}
"""The field of a compiler error that is not about one permission, by the SDK's error class."""


def check_and_compile(
    permissions: Sequence[Permission], terms: SessionTerms, *, at: str = _AT, deadline_at: str = _DEADLINE_AT
) -> ValidationInstall:
    """Check the permissions of a grant by all rules of this module, and compile them for the owner to sign.

    `at` is the path of the request in error messages. `deadline_at` is the name of the request's deadline field.
    Raises: InvalidParams with `field` and one of the reasons in specs/permissions.md.
    """
    try:
        check_grant(permissions, terms, at=at, deadline_at=deadline_at)
        return compile_permissions(permissions, terms)
    except CompileError as error:
        raise translate_compile_error(error, at=at) from error


def translate_compile_error(error: CompileError, *, at: str = _AT) -> InvalidParams:
    """Translate an error of the compiler into one for the caller."""
    path = _ERROR_PATHS.get(error.name, "permissions")
    if error.position is not None:
        path = f"permissions[{error.position}]"
    return _rejection(_REASONS[error.name], f"{at}.{path}", "expected a grant that can be installed")


def check_grant(
    permissions: Sequence[Permission], terms: SessionTerms, *, at: str = _AT, deadline_at: str = _DEADLINE_AT
) -> None:
    """Check a grant without compiling it.

    Raises: InvalidParams for the first broken rule; CompileError when the account or the key in `terms` is not an
    address; ValueError when `terms` grant functions, since only permissions may grant them.
    """
    if terms.selectors:
        raise ValueError("expected terms without selectors, since only permissions may grant functions")
    account = read_address(terms.account, Stage.CONSTRUCTOR)
    _check_key(read_address(terms.key, Stage.CONSTRUCTOR), account, f"{at}.key.publicKey")
    _check_deadline(terms, f"{at}.{deadline_at}")
    _check_list(permissions, f"{at}.permissions")
    checker = _GrantChecker(account=account)
    for position, permission in enumerate(permissions):
        checker.check(permission, f"{at}.permissions[{position}]")


def _rejection(reason: str, path: str, text: str) -> InvalidParams:
    return InvalidParams(text, reason=reason, field=path)


def _check_key(key: Address, account: Address, path: str) -> None:
    if key == ZERO_ADDRESS:
        raise _rejection("zero_address", path, "expected the address of a key, got the zero address")
    if key == account:
        raise _rejection("account_as_key", path, "expected a key other than the account, got the account itself")


def _check_deadline(terms: SessionTerms, path: str) -> None:
    if terms.deadline > LAST_SECOND:
        text = f"expected seconds, at most {LAST_SECOND}, got {terms.deadline}"
        raise _rejection("deadline_too_late", path, text)
    check_end(terms.deadline, now=terms.now, path=path)


def check_end(deadline: UnixSeconds, *, now: UnixSeconds, path: str) -> None:
    """Check that a deadline, 0 for none, has not passed. Raises: InvalidParams (expired), with the field's path."""
    if 0 < deadline < now:
        raise _rejection("expired", path, f"expected a time from {now} on, got {deadline}")


def _check_list(permissions: Sequence[Permission], path: str) -> None:
    """Check the size of the list, that root has no other permission next to it, and that not all are limits."""
    is_too_long = len(permissions) > MAX_PERMISSIONS
    if is_too_long or sum(len(to_raw_permission(item).functions) for item in permissions) > MAX_FUNCTIONS:
        text = f"expected at most {MAX_PERMISSIONS} permissions with {MAX_FUNCTIONS} functions in all"
        raise _rejection("too_many", path, text)
    if any(isinstance(item, Root) for item in permissions) and len(permissions) > 1:
        raise _rejection("root_not_alone", f"{path}[1]", "expected root alone; it already grants everything")
    if all(isinstance(item, NativeTokenTransfer | GasLimit) for item in permissions):
        raise _rejection("grants_nothing", path, "expected a permission that grants a call; a limit alone grants none")


@dataclass(slots=True)
class _GrantChecker:
    """A check of permissions one after the other. It stores the targets, limits and functions seen so far."""

    account: Address
    targets: set[Address] = field(default_factory=set)
    limits: set[str] = field(default_factory=set)
    on_account: set[Selector] = field(default_factory=set)
    on_all: set[Selector] = field(default_factory=set)

    def check(self, permission: Permission, path: str) -> None:
        match permission:
            case NativeTokenTransfer() | GasLimit():
                if permission.type in self.limits:
                    raise _rejection("duplicate_limit", path, f"expected one {permission.type}, got another")
                self.limits.add(permission.type)
            case Erc20TokenTransfer(data=data) | ContractAccess(data=data):
                self._target(data.address, path)
            case FunctionsOnContract(data=data):
                self._target(data.address, path)
                self._functions(data.functions, set(), path)
            case AccountFunctions(data=data):
                _refuse_empty(data.functions, path)
                self._functions(data.functions, self.on_account, path)
                _refuse_any(data.functions, PRIVILEGED, path, "a function that changes or bypasses the account")
            case FunctionsOnAllContracts(data=data):
                self._functions(data.functions, self.on_all, path)
                _refuse_any(data.functions, PRIVILEGED, path, "a function that changes or bypasses the account")
                _refuse_any(data.functions, MODULE_WRITES, path, "a function that rewrites the session's limits")
                _refuse_any(data.functions, ENTRY_POINT_WRITES, path, "a function on the account's deposit or nonces")
            case Root():
                pass
            case _:
                assert_never(permission)

    def _target(self, target: Address, path: str) -> None:
        at = f"{path}.data.address"
        if target == ZERO_ADDRESS:
            raise _rejection("zero_address", at, "expected a contract, got the zero address")
        if target == self.account:
            raise _rejection("account_as_target", at, "expected another contract, got the account itself")
        if target in PROTECTED_TARGETS:
            text = "expected another contract, got one that stores the account's own keys, limits or deposit"
            raise _rejection("protected_target", at, text)
        if target in self.targets:
            raise _rejection(
                "duplicate_target", at, "expected each contract once; a later entry overwrites the earlier"
            )
        self.targets.add(target)

    def _functions(self, functions: Sequence[Selector], seen: set[Selector], path: str) -> None:
        for index, function in enumerate(functions):
            if function in seen:
                at = f"{path}.data.functions[{index}]"
                raise _rejection("duplicate_selector", at, f"expected each function once, got {function} again")
            seen.add(function)


def _refuse_empty(functions: Sequence[Selector], path: str) -> None:
    """Reject the zero selector among the account's functions.

    An allowlist reads it as plain transfers, and the account cannot install it.
    """
    for index, function in enumerate(functions):
        if function == Selector(bytes(4)):
            at = f"{path}.data.functions[{index}]"
            raise _rejection("empty_selector", at, "expected a function of the account, got 0x00000000")


def _refuse_any(functions: Sequence[Selector], forbidden: frozenset[Selector], path: str, description: str) -> None:
    for index, function in enumerate(functions):
        if function in forbidden:
            at = f"{path}.data.functions[{index}]"
            raise _rejection(
                "privileged_selector", at, f"expected no privileged function, got {function}: {description}"
            )
