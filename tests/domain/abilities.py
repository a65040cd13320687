"""A small model of the account and the AllowlistModule: the calls that an installation allows to a session.

It decodes the bytes that the owner signs, as the contracts do, and does not use permissions. Source: AllowlistModule
v2.0.1 and ModularAccountBase.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from eth_abi.abi import decode

from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import ALLOWLIST_MODULE, NATIVE_TOKEN_LIMIT_MODULE
from wallet_rpc.domain.validation import Hook, HookKind, ValidationInstall
from wallet_rpc.primitives import ZERO_ADDRESS, Address, Selector


@dataclass
class Allowlist:
    """The rows that one hook writes. A later input for a target overwrites its flags; selectors accumulate."""

    has_selector_list: dict[Address, bool] = field(default_factory=dict)
    token_limits: dict[Address, int] = field(default_factory=dict)
    selectors: set[tuple[Address, Selector]] = field(default_factory=set)

    @classmethod
    def of(cls, hook: Hook) -> Allowlist:
        entity_id, inputs = decode(("uint32", "(address,bool,bool,uint256,bytes4[])[]"), hook.init_data)
        assert entity_id == hook.entity_id
        rows = cls()
        for text, has_list, has_limit, limit, selectors in inputs:
            target = Address(bytes.fromhex(text[2:]))
            if target != ZERO_ADDRESS:
                rows.has_selector_list[target] = has_list
                rows.token_limits.pop(target, None)
                if has_limit:
                    rows.token_limits[target] = limit
            if has_list or target == ZERO_ADDRESS:
                rows.selectors |= {(target, Selector(item)) for item in selectors}
        return rows

    def allows(self, target: Address, data: bytes) -> bool:
        selector = Selector(data[:4].ljust(4, b"\0"))
        has_list = self.has_selector_list.get(target)
        if has_list is None:
            return (ZERO_ADDRESS, selector) in self.selectors
        return not has_list or (len(data) >= 4 and (target, selector) in self.selectors)

    def spends(self, target: Address, data: bytes) -> bool:
        """Return True when the execution hook accepts the call, apart from the limit."""
        if target not in self.token_limits:
            return True
        return len(data) >= 68 and data[:4] in (abi.ERC20_TRANSFER, abi.ERC20_APPROVE)


@dataclass
class Abilities:
    """The abilities that one installation gives to a session."""

    install: ValidationInstall

    def allowlist(self, kind: HookKind) -> Allowlist | None:
        hooks = [hook for hook in self.install.hooks if hook.module == ALLOWLIST_MODULE and hook.kind is kind]
        return Allowlist.of(hooks[0]) if hooks else None

    def _limit(self, kind: HookKind) -> int | None:
        for hook in self.install.hooks:
            if hook.module == NATIVE_TOKEN_LIMIT_MODULE and hook.kind is kind:
                return int(decode(("uint32", "uint256"), hook.init_data)[1])
        return None

    @property
    def wei_limit(self) -> int | None:
        return self._limit(HookKind.EXECUTION)

    @property
    def gas_limit(self) -> int | None:
        return self._limit(HookKind.VALIDATION)

    def token_limit(self, token: Address) -> int | None:
        rows = self.allowlist(HookKind.EXECUTION)
        return None if rows is None else rows.token_limits.get(token)

    def may_call_account(self, selector: Selector) -> bool:
        """Return True when a direct call of one of the account's own functions succeeds."""
        if self.install.is_global:
            return True
        spending = self.allowlist(HookKind.EXECUTION) is not None
        executes = selector in (abi.EXECUTE, abi.EXECUTE_BATCH)
        return selector in self.install.selectors and (executes or not spending)

    def may_call(self, target: Address, data: bytes, *, account: Address) -> bool:
        """Return True when a call of another contract, or of the account itself in a batch, succeeds."""
        if self.install.is_global:
            return True
        if abi.EXECUTE not in self.install.selectors:
            return False
        if target == account and data[:4] not in self.install.selectors:
            return False
        rows = self.allowlist(HookKind.VALIDATION)
        spending = self.allowlist(HookKind.EXECUTION)
        allowed = rows is None or rows.allows(target, data)
        return allowed and (spending is None or spending.spends(target, data))
