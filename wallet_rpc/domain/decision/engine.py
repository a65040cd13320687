"""The decision of the account's contracts on an operation of a session.

The order is that of the contracts: the account checks the functions, the validation hooks run, the entry point checks
the times, and the execution hooks charge the limits. The denials of all calls are found, not only the first, so that
each call gets its own. `tests/explain` compares the result with the EVM.
Source: ModularAccountBase, AllowlistModule and NativeTokenLimitModule of Modular Account v2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from wallet_rpc.domain.decision.account_call import Element, read_account_call
from wallet_rpc.domain.decision.charges import (
    charge_tokens,
    charge_value,
    check_gas,
    check_times,
    spend_call,
    spend_gas,
)
from wallet_rpc.domain.decision.contract_rules import ContractRules, Limits, SessionHook
from wallet_rpc.domain.decision.denials import Denial
from wallet_rpc.domain.decision.functions import check_targets, find_inapplicable
from wallet_rpc.domain.decision.operation import SessionOperation, Situation

_LAST_PRECOMPILE = 0xFFFF
"""Contracts of the machine itself have no code, and addresses of at most this."""


class Factor(StrEnum):
    """Things that only the execution decides."""

    TARGET = "target"
    """The code of the called contract."""
    ACCOUNT = "account"
    """The called function of the account itself."""
    BALANCE = "balance"
    """The account's balance of the native token."""
    GAS = "gas"
    """The cost of the gas, which is not known yet, against the session's gas limit."""
    HOOK = "hook"
    """A hook of the session that no permission of this server installs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDecision:
    """The decision on one call; without a denial, what the execution decides, and what remains after the call."""

    denial: Denial | None = None
    permission: str | None
    """The kind of the permission that allows or denies the call; None when none covers it."""
    factors: tuple[Factor, ...] = ()
    remaining: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The decision on an operation, and on each of its calls."""

    denials: tuple[Denial, ...]
    """All denials, in the order in which the contracts would find them."""
    calls: tuple[CallDecision, ...]
    """The decisions on the calls of execute and executeBatch, or on the one function of the account."""
    factors: tuple[Factor, ...]
    """Factors that only the execution decides, if nothing is denied."""
    remaining: Limits
    """Rest of the limits after the operation; a denied one spends at most the cost of its gas."""

    @property
    def denial(self) -> Denial | None:
        """The denial that the contracts report."""
        return self.denials[0] if self.denials else None


def decide_operation(rules: ContractRules, call_data: bytes, situation: Situation) -> Decision:
    """Decide an operation with this call data for the account."""
    operation = SessionOperation(rules, read_account_call(call_data), situation)
    denials = tuple(_find_denials(operation))
    calls = tuple(_decide_calls(operation, denials))
    after_gas = spend_gas(operation)
    if denials:
        remaining = after_gas if denials[0].is_late else rules.limits
        return Decision(denials=denials, calls=calls, factors=(), remaining=remaining)
    factors = [factor for one in calls for factor in one.factors]
    return Decision(
        denials=(),
        calls=calls,
        factors=tuple(dict.fromkeys([*factors, *_find_shared_factors(operation)])),
        remaining=calls[-1].remaining if calls else after_gas,
    )


def _find_denials(operation: SessionOperation) -> Iterator[Denial]:
    """Yield the denials in the order of the contracts; the denial of a call does not hide that of another."""
    denied: set[int] = set()
    for denial in find_inapplicable(operation):
        yield denial
        if denial.call is None:
            return
        denied.add(denial.call)
    for denial in _run_hooks(operation, denied):
        if denial.call is not None:
            denied.add(denial.call)
        yield denial


def _run_hooks(operation: SessionOperation, denied: set[int]) -> Iterator[Denial]:
    hooks = operation.rules.hooks
    for hook in hooks:
        if hook is SessionHook.GAS:
            yield from check_gas(operation)
        elif hook is SessionHook.ALLOWLIST:
            yield from check_targets(operation)
    yield from check_times(operation)
    for hook in hooks:
        if hook is SessionHook.NATIVE:
            yield from charge_value(operation, denied)
        elif hook is SessionHook.TOKENS:
            yield from charge_tokens(operation, denied)


def _decide_calls(operation: SessionOperation, denials: Sequence[Denial]) -> Iterator[CallDecision]:
    """Yield the decision on each call, with what remains after it; a denied call spends nothing."""
    own: dict[int | None, Denial] = {}
    for denial in denials:
        own.setdefault(denial.call, denial)
    limits, funds = spend_gas(operation), operation.situation.balance
    for index, element in enumerate(operation.elements):
        denial_of_call = own.get(index, own.get(None))
        if denial_of_call is not None:
            yield CallDecision(denial=denial_of_call, permission=denial_of_call.permission, remaining=limits)
            continue
        limits = spend_call(limits, element)
        funds = None if funds is None else funds - element.value
        factors = tuple(_find_factors(operation, element, funds))
        if Factor.TARGET in factors or Factor.ACCOUNT in factors:
            funds = None  # the called code may send value to the account
        yield CallDecision(permission=_find_permission(operation, element), factors=factors, remaining=limits)


def _find_permission(operation: SessionOperation, element: Element) -> str:
    """Return the kind of the permission that allows an accepted call."""
    if operation.rules.is_global:
        return "root"
    if element.to == operation.situation.account:
        return "account-functions"
    is_named = element.to in operation.rules.targets
    return operation.rules.permission_of(element.to) if is_named else "functions-on-all-contracts"


def _find_factors(operation: SessionOperation, element: Element, funds: int | None) -> Iterator[Factor]:
    if element.to == operation.situation.account:
        yield Factor.ACCOUNT
    elif element.to not in operation.situation.codeless or int.from_bytes(element.to) <= _LAST_PRECOMPILE:
        yield Factor.TARGET
    if element.value and funds is not None and funds < 0:
        yield Factor.BALANCE


def _find_shared_factors(operation: SessionOperation) -> Iterator[Factor]:
    """Yield what the execution decides for the operation as a whole."""
    if SessionHook.GAS in operation.rules.hooks and operation.situation.gas_charge is None:
        yield Factor.GAS
    if SessionHook.UNKNOWN in operation.rules.hooks:
        yield Factor.HOOK
