"""The strict check in front of the compiler: a session must not be able to do more than its permissions say.

The compiler does what the official SDK does, which lets through grants that replace the owner, lift their own limits,
or can never be used. A server that asks an owner to sign refuses those, each with a stable reason and the exact field.
Every rule has a row in the specification of permissions. Sources: the contracts of Modular Account v2 (who may write
what), the golden scenarios (what overwrites what).
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
from wallet_rpc.primitives import ZERO_ADDRESS, Address, Selector

PRIVILEGED = frozenset(
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
        abi.VALIDATE_USER_OP,
        abi.INITIALIZE,
        abi.INITIALIZE_WITH_VALIDATION,
        abi.SDK_INSTALL_EXECUTION,
        abi.SDK_UNINSTALL_EXECUTION,
    }
)
"""Every function by which an account changes itself or acts without limits. Source: ModularAccountBase and the
semi-modular accounts; the last two are the SDK's wrong selectors, refused as the SDK refuses them."""
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
"""Functions that write a module's state of the calling account: its keys, its limits, its time range; the last two
spend limits, also those of other sessions."""
ENTRY_POINT_WRITES = frozenset(
    {abi.WITHDRAW_TO, abi.WITHDRAW_STAKE, abi.UNLOCK_STAKE, abi.ADD_STAKE, abi.INCREMENT_NONCE}
)
"""Functions that take the calling account's deposit or stake, or burn its nonces."""
PROTECTED_TARGETS = MODULES | {ENTRY_POINT, EXECUTION_INSTALL_DELEGATE}
"""Contracts that keep the account's own keys, limits, nonces and money."""
MAX_PERMISSIONS = 100
"""Permissions in one grant; installing so many targets already costs some ten million gas."""
MAX_FUNCTIONS = 256
"""Functions in one grant, over all permissions; each is at least one storage slot to write."""
LAST_SECOND = 9_999_999_999
"""The latest end of a session, in Unix seconds (the year 2286). What is beyond is taken for milliseconds, which would
make a grant of an hour one for ages. Source: the hosted Wallet API's `expirySec`."""

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
"""The stable reason of every refusal of the compiler, by the SDK's error class."""

_ERROR_PATHS = {
    "InvalidAddressError": "key.publicKey",
    "ExpiredDeadlineError": _DEADLINE_AT,
    "DeadlineOverLimitError": _DEADLINE_AT,
}
"""Where a refusal stands that is not about one permission."""


def check_and_compile(
    permissions: Sequence[Permission], terms: SessionTerms, *, at: str = _AT, deadline_at: str = _DEADLINE_AT
) -> ValidationInstall:
    """What a server may ask an owner to sign: `compile_permissions` behind every check of this module.

    `at` is the path of the request in error messages, `deadline_at` the field of the deadline in it. Raises:
    InvalidParams with `reason` and `field`; a reason is one of those in the specification of permissions.
    """
    try:
        check_grant(permissions, terms, at=at, deadline_at=deadline_at)
        return compile_permissions(permissions, terms)
    except CompileError as error:
        raise translate_compile_error(error, at=at) from error


def translate_compile_error(error: CompileError, *, at: str = _AT) -> InvalidParams:
    """A refusal of the compiler as the caller sees it."""
    place = _ERROR_PATHS.get(error.name, "permissions") if error.position is None else f"permissions[{error.position}]"
    return _rejection(_REASONS[error.name], f"{at}.{place}", "expected a grant that can be installed")


def check_grant(
    permissions: Sequence[Permission], terms: SessionTerms, *, at: str = _AT, deadline_at: str = _DEADLINE_AT
) -> None:
    """Every check, without compiling. Raises: InvalidParams for the first rule that is broken; CompileError when the
    account or the key in `terms` is a text that is no address; ValueError when `terms` grant functions, which only
    permissions may.
    """
    if terms.selectors:
        raise ValueError("a guarded grant has no functions beside its permissions")
    account = read_address(terms.account, Stage.CONSTRUCTOR)
    _check_key(read_address(terms.key, Stage.CONSTRUCTOR), account, f"{at}.key.publicKey")
    _check_deadline(terms, f"{at}.{deadline_at}")
    _check_list(permissions, f"{at}.permissions")
    seen = _GrantChecker(account=account)
    for position, permission in enumerate(permissions):
        seen.check(permission, f"{at}.permissions[{position}]")


def _rejection(reason: str, path: str, why: str) -> InvalidParams:
    return InvalidParams(f"{path}: {why}", reason=reason, field=path)


def _check_key(key: Address, account: Address, path: str) -> None:
    if key == ZERO_ADDRESS:
        raise _rejection("zero_address", path, "expected the address of a key, got the zero address")
    if key == account:
        raise _rejection("account_as_key", path, "expected a key of its own, got the account itself")


def _check_deadline(terms: SessionTerms, path: str) -> None:
    if terms.deadline > LAST_SECOND:
        why = f"expected seconds, at most {LAST_SECOND}, got {terms.deadline}"
        raise _rejection("deadline_too_late", path, why)
    if 0 < terms.deadline < terms.now:
        raise _rejection("expired", path, f"expected a time from {terms.now} on, got {terms.deadline}")


def _check_list(permissions: Sequence[Permission], path: str) -> None:
    """Rules about the list: its size, root stands alone, and limits are not all."""
    is_long = len(permissions) > MAX_PERMISSIONS
    if is_long or sum(len(to_raw_permission(item).functions) for item in permissions) > MAX_FUNCTIONS:
        why = f"expected at most {MAX_PERMISSIONS} permissions with {MAX_FUNCTIONS} functions in all"
        raise _rejection("too_many", path, why)
    if any(isinstance(item, Root) for item in permissions) and len(permissions) > 1:
        raise _rejection("root_not_alone", f"{path}[1]", "expected root alone; it already grants everything")
    if all(isinstance(item, NativeTokenTransfer | GasLimit) for item in permissions):
        raise _rejection("grants_nothing", path, "expected a permission that grants a call; a limit alone grants none")


@dataclass(slots=True)
class _GrantChecker:
    """What the permissions checked so far already name."""

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
            case FunctionsOnContract(data=named):
                self._target(named.address, path)
                self._functions(named.functions, set(), path)
            case AccountFunctions(data=chosen):
                _refuse_empty(chosen.functions, path)
                self._functions(chosen.functions, self.on_account, path)
                _refuse_any(chosen.functions, PRIVILEGED, path, "a function that changes or bypasses the account")
            case FunctionsOnAllContracts(data=chosen):
                self._functions(chosen.functions, self.on_all, path)
                _refuse_any(chosen.functions, PRIVILEGED, path, "a function that changes or bypasses the account")
                _refuse_any(chosen.functions, MODULE_WRITES, path, "a function that rewrites the session's limits")
                _refuse_any(chosen.functions, ENTRY_POINT_WRITES, path, "a function on the account's deposit or nonces")
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
            why = "expected another contract, got one that keeps the account's own keys, limits or deposit"
            raise _rejection("protected_target", at, why)
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
    """The selector of empty call data means plain transfers to an Allowlist; the account refuses to install it."""
    for index, function in enumerate(functions):
        if function == Selector(bytes(4)):
            at = f"{path}.data.functions[{index}]"
            raise _rejection("empty_selector", at, "expected a function of the account, got 0x00000000")


def _refuse_any(functions: Sequence[Selector], forbidden: frozenset[Selector], path: str, what: str) -> None:
    for index, function in enumerate(functions):
        if function in forbidden:
            at = f"{path}.data.functions[{index}]"
            raise _rejection("privileged_selector", at, f"expected no privileged function, got {function}: {what}")
