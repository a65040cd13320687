"""The rules of one session as the account and its modules store them, and what remains of its limits.

They come from an installation that the owner signed, or, once it is installed, from the chain. Each rule belongs to a
permission, which the layout of the installation shows (`validation_install`). Hooks in another layout are unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import ALLOWLIST_MODULE, NATIVE_TOKEN_LIMIT_MODULE, TIME_RANGE_MODULE
from wallet_rpc.domain.module_rows import ANY_CONTRACT, ModuleRows, TimeRange, rows_of_grant
from wallet_rpc.domain.validation import Hook, ValidationInstall
from wallet_rpc.domain.validation_install import GLOBAL_FLAG, HALF_ENTITY, PRE_HOOK, VALIDATION_HOOK
from wallet_rpc.primitives import Address, Selector


class SessionHook(StrEnum):
    """The hooks of a session, each named by the permission that it enforces."""

    EXPIRY = "expiry"
    """The session's end, a pseudo-permission that limits all others."""
    NATIVE = "native-token-transfer"
    TOKENS = "erc20-token-transfer"
    GAS = "gas-limit"
    ALLOWLIST = "allowlist"
    """The targets and functions of all permissions on contracts."""
    UNKNOWN = "unknown"
    """A hook that no permission installs."""


_HOOKS = {
    (TIME_RANGE_MODULE, 0, True): SessionHook.EXPIRY,
    (NATIVE_TOKEN_LIMIT_MODULE, 0, False): SessionHook.NATIVE,
    (ALLOWLIST_MODULE, HALF_ENTITY, False): SessionHook.TOKENS,
    (NATIVE_TOKEN_LIMIT_MODULE, HALF_ENTITY, True): SessionHook.GAS,
    (ALLOWLIST_MODULE, 0, True): SessionHook.ALLOWLIST,
}
"""The hooks by module, by the difference between the hook's entity id and the session's, and True during validation."""


def identify_hook(module: Address, offset: int, flags: int) -> SessionHook:
    """Return the hook of a session by its module, entity id offset and flags."""
    is_validation = bool(flags & VALIDATION_HOOK)
    if not is_validation and flags != PRE_HOOK:
        return SessionHook.UNKNOWN
    return _HOOKS.get((module, offset, is_validation), SessionHook.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Rest of a session's limits: wei of value and of gas, and units of each token. None: not limited."""

    native: int | None = None
    gas: int | None = None
    tokens: Mapping[Address, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractRules:
    """The rules of one session, in the order and with the meaning that the contracts give them."""

    entity_id: int
    is_global: bool
    account_functions: frozenset[Selector]
    """The functions of the account that the validation lists; execute and executeBatch among them."""
    hooks: tuple[SessionHook, ...] = ()
    """All hooks in the order of their installation."""
    targets: Mapping[Address, frozenset[Selector] | None] = field(default_factory=dict)
    """The functions of each contract with a row; None: every function."""
    everywhere: frozenset[Selector] = frozenset()
    """The functions that are allowed on contracts without a row."""
    limits: Limits = field(default_factory=Limits)
    not_before: int = 0
    not_after: int = 0
    """The last second of validity; 0: no end."""

    @property
    def has_execution_hooks(self) -> bool:
        """True if the account's call data needs the executeUserOp prefix."""
        return any(hook in (SessionHook.NATIVE, SessionHook.TOKENS) for hook in self.hooks)

    def permission_of(self, target: Address) -> str:
        """Return the kind of the permission that names a target."""
        if target in self.limits.tokens:
            return SessionHook.TOKENS.value
        return "contract-access" if self.targets[target] is None else "functions-on-contract"

    @property
    def permissions(self) -> tuple[str, ...]:
        """The kinds of the session's permissions."""
        if self.is_global:
            return ("root",)
        kinds = [hook.value for hook in (SessionHook.NATIVE, SessionHook.GAS) if hook in self.hooks]
        kinds += [self.permission_of(target) for target in self.targets]
        kinds += ["functions-on-all-contracts"] if self.everywhere else []
        kinds += ["account-functions"] if self.named_functions else []
        return tuple(dict.fromkeys(kinds))

    @property
    def named_functions(self) -> frozenset[Selector]:
        """The functions of the permission account-functions."""
        return self.account_functions - {abi.EXECUTE, abi.EXECUTE_BATCH}


def rules_of_install(install: ValidationInstall) -> ContractRules:
    """Return the rules that an installation makes, with all its limits unspent.

    Install data that a module would reject makes all hooks unknown.
    """
    try:
        rows = rows_of_grant(install)
    except ValueError:
        return _build(install.entity_id, install.flags, install.selectors, ModuleRows(), [SessionHook.UNKNOWN])
    return build_rules(install.entity_id, install.flags, install.selectors, install.hooks, rows)


def build_rules(
    entity_id: int, flags: int, selectors: Iterable[bytes], hooks: Iterable[Hook], rows: ModuleRows
) -> ContractRules:
    """Build the rules of a validation from its flags, functions and hooks, and from the rows of its modules."""
    names = [identify_hook(hook.module, hook.entity_id - entity_id, hook.flags) for hook in hooks]
    return _build(entity_id, flags, selectors, rows, names)


def _build(
    entity_id: int, flags: int, selectors: Iterable[bytes], rows: ModuleRows, hooks: Sequence[SessionHook]
) -> ContractRules:
    times = rows.time_range or TimeRange(valid_until=0, valid_after=0)
    return ContractRules(
        entity_id=entity_id,
        is_global=bool(flags & GLOBAL_FLAG),
        account_functions=frozenset(map(Selector, selectors)),
        hooks=tuple(hooks),
        targets={target: functions for target, functions in rows.targets.items() if target != ANY_CONTRACT},
        everywhere=rows.targets.get(ANY_CONTRACT) or frozenset(),
        limits=Limits(native=rows.native, gas=rows.gas, tokens=rows.tokens),
        not_before=times.valid_after,
        not_after=times.valid_until,
    )
