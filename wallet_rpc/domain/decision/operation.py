"""One operation of a session in the view of the contracts: rules, function, calls, and facts of the chain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from wallet_rpc.domain.decision.account_call import AccountCall, Element
from wallet_rpc.domain.decision.contract_rules import ContractRules, SessionHook
from wallet_rpc.domain.decision.denials import Denial, Reason
from wallet_rpc.primitives import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Facts about the operation and the chain besides the rules: time in Unix seconds, amounts in wei."""

    account: Address
    now: int
    gas_charge: int | None = None
    """The maximum cost of the gas to the account; 0 when a paymaster pays, None when it is not known."""
    balance: int | None = None
    codeless: frozenset[Address] = frozenset()
    """Called addresses without code."""


@dataclass(frozen=True)
class SessionOperation:
    """One operation: the session's rules, the account's function and its arguments, and the facts of the chain."""

    rules: ContractRules
    call: AccountCall
    situation: Situation

    @cached_property
    def elements(self) -> tuple[Element, ...]:
        """The calls of execute and executeBatch, or the function of the account as one call."""
        call = self.call
        if call.elements is None:
            return (Element(self.situation.account, call.created_value, call.arguments),)
        return call.elements


def deny_malformed(hook: SessionHook | None) -> Denial:
    """Build the denial of arguments that a hook, or the account itself, cannot decode."""
    text = "the arguments of the account's function do not decode"
    return Denial(reason=Reason.MALFORMED, text=text, hook=hook)
