"""The rows of the modules' storage that limit a session: as a grant writes them, or as the chain has them.

Source: the modules of Modular Account v2 (`onInstall` and the public mappings of each).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from wallet_rpc.domain import abi
from wallet_rpc.domain.abi_reader import AbiDecodeError, Reader
from wallet_rpc.domain.contracts import ALLOWLIST_MODULE, NATIVE_TOKEN_LIMIT_MODULE, TIME_RANGE_MODULE
from wallet_rpc.domain.permission import (
    AccountFunctions,
    ContractAccess,
    Erc20Allowance,
    Erc20TokenTransfer,
    FunctionsOnAllContracts,
    FunctionsOnContract,
    GasAllowance,
    GasLimit,
    NativeAllowance,
    NativeTokenTransfer,
    Permission,
    Root,
    SelectedFunctions,
    Target,
    TargetFunctions,
)
from wallet_rpc.domain.validation import Hook, HookKind, ValidationInstall
from wallet_rpc.primitives import ZERO_ADDRESS, Address, Selector, UnixSeconds

MAX_ROWS = 10_000
"""The maximum number of functions in the lists of one grant."""
ANY_CONTRACT = ZERO_ADDRESS
"""The target of the row for every contract that has no row of its own."""
_NOTHING: Mapping[Address, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRange:
    """The range of time in which a session is valid; both ends belong to it."""

    valid_until: UnixSeconds
    """The last second; 0: no end."""
    valid_after: UnixSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleRows:
    """The limits of a session in its modules; a limit without a hook is None."""

    time_range: TimeRange | None = None
    native: int | None = None
    """The wei that the session may still send as value."""
    gas: int | None = None
    """The wei that the session's gas may still cost the account."""
    tokens: Mapping[Address, int] = field(default_factory=lambda: _NOTHING)
    """The amount that may still be transferred or approved of each limited ERC-20 token."""
    has_allowlist: bool = False
    """True if only listed contracts may be called."""
    targets: Mapping[Address, frozenset[Selector] | None] = field(default_factory=lambda: MappingProxyType({}))
    """The callable functions of each listed contract, None for all; `ANY_CONTRACT` has those on all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowlistInput:
    """One entry of the Allowlist's installation data."""

    target: Address
    is_selective: bool
    has_limit: bool
    limit: int
    functions: tuple[Selector, ...]


def find_hook(hooks: Iterable[Hook], module: Address, kind: HookKind) -> Hook | None:
    """Return the hook of a module that runs at a time; None if there is none."""
    return next((hook for hook in hooks if hook.module == module and hook.kind is kind), None)


def rows_of_grant(install: ValidationInstall) -> ModuleRows:
    """Return the rows that an installation writes. Raises: ValueError for malformed data of a hook."""
    rows = ModuleRows()
    for hook in install.hooks:
        rows = _add_hook(rows, hook)
    return rows


def _add_hook(rows: ModuleRows, hook: Hook) -> ModuleRows:
    reader = Reader(hook.init_data)
    is_own = hook.module not in _KNOWN or reader.word(0) == hook.entity_id  # data for another entity has no effect
    match hook.module, hook.kind:
        case (module, HookKind.VALIDATION) if module == TIME_RANGE_MODULE:
            until, after = (reader.word(32), reader.word(64)) if is_own else (0, 0)
            return replace(rows, time_range=TimeRange(valid_until=until, valid_after=after))
        case (module, kind) if module == NATIVE_TOKEN_LIMIT_MODULE:
            wei = reader.word(32) if is_own else 0
            return replace(rows, native=wei) if kind is HookKind.EXECUTION else replace(rows, gas=wei)
        case (module, kind) if module == ALLOWLIST_MODULE:
            inputs = read_allowlist(hook) if is_own else ()
            if kind is HookKind.EXECUTION:
                last = {each.target: each for each in inputs if each.target != ANY_CONTRACT}
                return replace(rows, tokens={each.target: each.limit for each in last.values() if each.has_limit})
            return replace(rows, has_allowlist=True, targets=_list_targets(inputs))
        case _:
            return rows


_KNOWN = frozenset({ALLOWLIST_MODULE, NATIVE_TOKEN_LIMIT_MODULE, TIME_RANGE_MODULE})


def read_allowlist(hook: Hook) -> tuple[AllowlistInput, ...]:
    """Decode the Allowlist's installation data: abi(uint32 entity id, input[]). Raises: ValueError."""
    reader = Reader(hook.init_data)
    start = reader.word(32)
    left = MAX_ROWS
    inputs = []
    for at in reader.items(start):
        head = start + 32 + reader.word(at)
        functions = tuple(reader.items(head + reader.word(head + 128)))
        left -= 1 + len(functions)
        if left < 0:
            raise AbiDecodeError(f"expected at most {MAX_ROWS} functions in an allowlist")
        inputs.append(
            AllowlistInput(
                target=reader.address(head),
                is_selective=reader.word(head + 32) != 0,
                has_limit=reader.word(head + 64) != 0,
                limit=reader.word(head + 96),
                functions=tuple(Selector(reader.fixed_bytes(item, 4)) for item in functions),
            )
        )
    return tuple(inputs)


def _list_targets(inputs: Iterable[AllowlistInput]) -> Mapping[Address, frozenset[Selector] | None]:
    """Apply the entries in order, as the module does: a later one replaces the row, and adds to its functions."""
    functions: dict[Address, frozenset[Selector]] = {}
    selective: dict[Address, bool] = {}
    for each in inputs:
        is_any = each.target == ANY_CONTRACT
        selective[each.target] = is_any or each.is_selective
        if selective[each.target]:
            functions[each.target] = functions.get(each.target, frozenset()) | frozenset(each.functions)
    return {
        target: functions.get(target, frozenset()) if is_selective else None
        for target, is_selective in selective.items()
    }


def permissions_of(rows: ModuleRows, *, selectors: Iterable[Selector], is_global: bool) -> tuple[Permission, ...]:
    """Return the permissions that compile to these rows and functions of the account, in a fixed order."""
    found: list[Permission] = []
    if rows.native is not None:
        found.append(NativeTokenTransfer(type="native-token-transfer", data=NativeAllowance(allowance=rows.native)))
    for token, limit in rows.tokens.items():
        allowance = Erc20Allowance(address=token, allowance=limit)
        found.append(Erc20TokenTransfer(type="erc20-token-transfer", data=allowance))
    if rows.gas is not None:
        found.append(GasLimit(type="gas-limit", data=GasAllowance(limit=rows.gas)))
    if is_global:
        return (*found, Root(type="root"))
    for target, functions in rows.targets.items():
        if target in rows.tokens and functions == _TOKEN_FUNCTIONS:
            continue
        if functions is None:
            found.append(ContractAccess(type="contract-access", data=Target(address=target)))
        elif target == ANY_CONTRACT and functions:
            selected = SelectedFunctions(functions=tuple(sorted(functions)))
            found.append(FunctionsOnAllContracts(type="functions-on-all-contracts", data=selected))
        elif functions:
            named = TargetFunctions(address=target, functions=tuple(sorted(functions)))
            found.append(FunctionsOnContract(type="functions-on-contract", data=named))
    own = [each for each in dict.fromkeys(selectors) if not (rows.has_allowlist and each in _EXECUTING)]
    if own:
        found.append(AccountFunctions(type="account-functions", data=SelectedFunctions(functions=tuple(own))))
    return tuple(found)


_TOKEN_FUNCTIONS = frozenset({abi.ERC20_APPROVE, abi.ERC20_TRANSFER})
_EXECUTING = frozenset({abi.EXECUTE, abi.EXECUTE_BATCH})
