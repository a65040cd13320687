"""Compiler of permissions to `installValidation` call data, byte for byte equal to the official SDK's.

The compiler keeps the SDK's quirks on purpose. `guard` rejects unsafe permissions before compilation.
Sources: aa-sdk PermissionBuilder 4.88.5 and 5.0.6 (same output); HookConfigLib, ValidationConfigLib and the modules of
Modular Account v2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import (
    ALLOWLIST_MODULE,
    NATIVE_TOKEN_LIMIT_MODULE,
    SINGLE_SIGNER_MODULE,
    TIME_RANGE_MODULE,
)
from wallet_rpc.domain.permission import Permission, RawPermission, to_raw_permission
from wallet_rpc.domain.sdk_values import (
    CompileError,
    Stage,
    read_address,
    read_amount,
    read_selector,
    read_word,
    same_selector,
)
from wallet_rpc.domain.validation import Hook, ValidationInstall
from wallet_rpc.primitives import ZERO_ADDRESS, Address, Data, Selector

HALF_ENTITY = 0x7FFFFFFF
"""Offset of a hook's entity id if its module serves another hook of the session; entity ids stay below it."""
MAX_DEADLINE = (1 << 48) - 1
"""The last second that a module can store."""
USER_OPERATION_FLAG, SIGNATURE_FLAG, GLOBAL_FLAG = 1, 2, 4
"""Bits of a validation's flags: user operations, ERC-1271 signatures (never set here), every function (global).
Source: ValidationConfigLib."""
VALIDATION_HOOK, PRE_HOOK = 1, 4
"""Bits of a hook's flags: during validation (else around execution), before execution. Source: HookConfigLib."""
SDK_BLOCKED = frozenset(
    {
        abi.PERFORM_CREATE,
        abi.EXECUTE_WITH_RUNTIME_VALIDATION,
        abi.INSTALL_VALIDATION,
        abi.UNINSTALL_VALIDATION,
        abi.SDK_INSTALL_EXECUTION,
        abi.SDK_UNINSTALL_EXECUTION,
        abi.UPGRADE_TO_AND_CALL,
        abi.EXECUTE,
        abi.EXECUTE_BATCH,
    }
)
"""Account functions that the SDK does not grant to a session. Source: aa-sdk 4.88.5."""

_ON_TARGET = ("contract-access", "functions-on-contract")
_NEEDS_TARGET = ("erc20-token-transfer", *_ON_TARGET)
_NEEDS_FUNCTIONS = ("functions-on-all-contracts", "functions-on-contract")
_KINDS = {*_NEEDS_TARGET, *_NEEDS_FUNCTIONS, "native-token-transfer", "gas-limit", "account-functions", "root"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTerms:
    """The terms of a session besides its permissions.

    `deadline` is the last second of validity in Unix time, 0 = never expires; `now` has the same unit. `selectors` are
    additional account functions. Addresses may be texts that are not parsed yet.
    """

    account: Address | str
    key: Address | str
    entity_id: int
    deadline: int
    now: int
    selectors: tuple[Selector | str, ...] = ()


@dataclass(frozen=True, slots=True)
class _AllowlistEntry:
    """One entry of an Allowlist; `position` is the index of its permission."""

    target: Address | str
    functions: tuple[Selector | str, ...] = ()
    token_limit: int | None = None
    selected: bool = False
    position: int | None = None

    def encode(self) -> abi.Dynamic:
        """Encode the module's input struct.

        (address target, bool hasSelectorAllowlist, bool hasERC20SpendLimit, uint256 limit, bytes4[] selectors)
        """
        limit = self.token_limit
        return abi.Dynamic(
            abi.sequence(
                abi.address(read_address(self.target, Stage.COMPILE, position=self.position)),
                abi.uint(self.selected),
                abi.uint(limit is not None),
                abi.uint(read_word(0 if limit is None else limit, position=self.position)),
                abi.array(abi.fixed_bytes(read_selector(item, position=self.position)) for item in self.functions),
            )
        )


def compile_permissions(permissions: Sequence[Permission], terms: SessionTerms) -> ValidationInstall:
    """Compile `permissions` under `terms` to the session's validation, with no checks beyond the SDK's.

    Raises: CompileError with the SDK's error class, the stage, and the position of the invalid permission.
    """
    return compile_raw_permissions([to_raw_permission(permission) for permission in permissions], terms)


def compile_raw_permissions(grants: Sequence[RawPermission], terms: SessionTerms) -> ValidationInstall:
    """Compile permissions in the compiler's form, whose values may be texts that are not parsed yet.

    Raises: as `compile_permissions`.
    """
    entity_id = terms.entity_id
    if entity_id >= HALF_ENTITY:
        raise CompileError("InvalidEntityIdError", Stage.CONSTRUCTOR)
    key = read_address(terms.key, Stage.CONSTRUCTOR)
    _refuse_blocked(terms.selectors, Stage.CONSTRUCTOR)
    for position, grant in enumerate(grants):
        _check_added(grant, grants[:position], terms.account)
    hooks = [*_time_range_hook(terms), *_module_hooks(grants, entity_id)]
    is_global = any(grant.kind == "root" for grant in grants)
    functions = [*terms.selectors, *(item for g in grants if g.kind == "account-functions" for item in g.functions)]
    if any(grant.kind in (*_NEEDS_TARGET, *_NEEDS_FUNCTIONS) for grant in grants):
        functions += [abi.EXECUTE, abi.EXECUTE_BATCH]
    if not is_global and not functions:
        raise CompileError("ValidationConfigUnsetError", Stage.COMPILE)
    if entity_id == 0:
        raise CompileError("EntityIdOverrideError", Stage.COMPILE)
    return ValidationInstall(
        module=SINGLE_SIGNER_MODULE,
        entity_id=entity_id,
        flags=USER_OPERATION_FLAG | (GLOBAL_FLAG if is_global else 0),
        selectors=tuple(read_selector(item, position=_find_position(grants, item)) for item in functions),
        install_data=Data(abi.sequence(abi.uint(entity_id), abi.address(key))),
        hooks=tuple(hooks),
    )


def _find_position(grants: Sequence[RawPermission], function: Selector | str) -> int | None:
    return next((position for position, grant in enumerate(grants) if function in grant.functions), None)


def _refuse_blocked(functions: Sequence[Selector | str], stage: Stage, *, position: int | None = None) -> None:
    if any(same_selector(item) in SDK_BLOCKED for item in functions):
        raise CompileError("SelectorNotAllowed", stage, position=position)


def _check_added(grant: RawPermission, earlier: Sequence[RawPermission], account: Address | str) -> None:
    """Check a permission as the SDK does when it is added; addresses are compared as text."""
    position = len(earlier)
    if earlier and "root" in (grant.kind, earlier[0].kind):
        raise CompileError("RootPermissionOnlyError", Stage.ADD, position=position)
    if grant.kind in _ON_TARGET:
        if grant.target == account:
            raise CompileError("AccountAddressAsTargetError", Stage.ADD, position=position)
        if any(other.kind in _ON_TARGET and other.target == grant.target for other in earlier):
            raise CompileError("DuplicateTargetAddressError", Stage.ADD, position=position)
    if grant.kind == "account-functions":
        if not grant.functions:
            raise CompileError("NoFunctionsProvidedError", Stage.ADD, position=position)
        _refuse_blocked(grant.functions, Stage.ADD, position=position)


def _check_compiled(grants: Sequence[RawPermission], position: int) -> None:
    """Check one permission as the SDK does when it compiles the list."""
    grant = grants[position]
    if grant.kind not in _KINDS:
        raise CompileError("UnsupportedPermissionTypeError", Stage.COMPILE, position=position)
    repeated = any(other.kind == grant.kind for other in grants[:position])
    if repeated and grant.kind == "native-token-transfer":
        raise CompileError("MultipleNativeTokenTransferError", Stage.COMPILE, position=position)
    if repeated and grant.kind == "gas-limit":
        raise CompileError("MultipleGasLimitError", Stage.COMPILE, position=position)
    if grant.kind in _NEEDS_FUNCTIONS and not grant.functions:
        raise CompileError("NoFunctionsProvidedError", Stage.COMPILE, position=position)
    if grant.kind in _NEEDS_TARGET and grant.target in (ZERO_ADDRESS, _ZERO_TEXT):
        raise CompileError("ZeroAddressError", Stage.COMPILE, position=position)


_ZERO_TEXT = "0x" + "0" * 40


def _time_range_hook(terms: SessionTerms) -> Iterator[Hook]:
    """Yield hook 0: abi(uint32 entity id, uint48 valid until, uint48 valid after = 0)."""
    if terms.deadline == 0:
        return
    if terms.deadline < terms.now:
        raise CompileError("ExpiredDeadlineError", Stage.COMPILE)
    if terms.deadline > MAX_DEADLINE:
        raise CompileError("DeadlineOverLimitError", Stage.COMPILE)
    data = abi.sequence(abi.uint(terms.entity_id), abi.uint(terms.deadline), abi.uint(0))
    yield Hook(TIME_RANGE_MODULE, terms.entity_id, VALIDATION_HOOK, Data(data))


def _module_hooks(grants: Sequence[RawPermission], entity_id: int) -> Iterator[Hook]:
    """Yield hooks 1 to 4 of a list of permissions, in the contract's fixed order."""
    native: list[tuple[int, int]] = []
    gas: list[tuple[int, int]] = []
    tokens: list[_AllowlistEntry] = []
    targets: list[_AllowlistEntry] = []
    for position, grant in enumerate(grants):
        _check_compiled(grants, position)
        amount = 0 if grant.amount is None else read_amount(grant.amount, position=position)
        target: Address | str = ZERO_ADDRESS if grant.target is None else grant.target
        match grant.kind:
            case "native-token-transfer":
                native.append((amount, position))
            case "gas-limit":
                gas.append((amount, position))
            case "erc20-token-transfer":
                tokens.append(_AllowlistEntry(target, token_limit=amount, position=position))
                both = (abi.ERC20_APPROVE, abi.ERC20_TRANSFER)
                targets.append(_AllowlistEntry(target, both, selected=True, position=position))
            case "contract-access" | "functions-on-all-contracts":
                targets.append(_AllowlistEntry(target, grant.functions, position=position))
            case "functions-on-contract":
                targets.append(_AllowlistEntry(target, grant.functions, selected=True, position=position))
            case _:  # root and account-functions have no hook
                pass
    yield from (_limit_hook(entity_id, PRE_HOOK, *item) for item in native)
    if tokens:
        yield _allowlist_hook(entity_id + HALF_ENTITY, PRE_HOOK, tokens)
    yield from (_limit_hook(entity_id + HALF_ENTITY, VALIDATION_HOOK | PRE_HOOK, *item) for item in gas)
    if targets:
        yield _allowlist_hook(entity_id, VALIDATION_HOOK | PRE_HOOK, targets)


def _limit_hook(entity_id: int, flags: int, wei: int, position: int) -> Hook:
    """Build hook 1 or 3: abi(uint32 entity id, uint256 wei)."""
    data = abi.sequence(abi.uint(entity_id), abi.uint(read_word(wei, position=position)))
    return Hook(NATIVE_TOKEN_LIMIT_MODULE, entity_id, flags, Data(data))


def _allowlist_hook(entity_id: int, flags: int, inputs: Sequence[_AllowlistEntry]) -> Hook:
    """Build hook 2 or 4: abi(uint32 entity id, input[])."""
    data = abi.sequence(abi.uint(entity_id), abi.array(item.encode() for item in inputs))
    return Hook(ALLOWLIST_MODULE, entity_id, flags, Data(data))
