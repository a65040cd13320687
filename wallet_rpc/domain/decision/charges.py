"""Checks of limits and times: gas and expiry before the execution, value and tokens around it.

A hook charges its limit call by call. A call that an earlier check denies is charged nothing, so that the denials of
the others do not depend on it. Source: `NativeTokenLimitModule` and `AllowlistModule` in devchain/contracts.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import replace

from wallet_rpc.domain import abi
from wallet_rpc.domain.decision.account_call import Element
from wallet_rpc.domain.decision.contract_rules import Limits, SessionHook
from wallet_rpc.domain.decision.denials import Denial, Reason, explain_permission
from wallet_rpc.domain.decision.functions import deny_function
from wallet_rpc.domain.decision.operation import SessionOperation, deny_malformed
from wallet_rpc.primitives import Address

_TOKEN_CALL_BYTES = 68
"""The least size of a call of transfer and approve: selector and two words."""


def check_gas(operation: SessionOperation) -> Iterator[Denial]:
    """Check the maximum cost of the gas, if it is known, against the gas limit."""
    charge, limit = operation.situation.gas_charge, operation.rules.limits.gas or 0
    if charge is not None and charge > limit:
        yield _deny(SessionHook.GAS, Reason.GAS, f"the gas may cost {charge} wei, and {limit} wei remain")


def check_times(operation: SessionOperation) -> Iterator[Denial]:
    """Check the time as the entry point does: both ends of the session belong to it."""
    now, rules = operation.situation.now, operation.rules
    if SessionHook.EXPIRY not in rules.hooks:
        return
    if rules.not_after and now > rules.not_after:
        yield _deny(SessionHook.EXPIRY, Reason.EXPIRED, f"the session expired at {rules.not_after}, and it is {now}")
    elif now < rules.not_before:
        because = f"the session starts at {rules.not_before}, and it is {now}"
        yield _deny(SessionHook.EXPIRY, Reason.NOT_STARTED, because)


def charge_value(operation: SessionOperation, denied: Container[int]) -> Iterator[Denial]:
    """Charge the value of the calls that are not denied yet."""
    if operation.call.elements is None and operation.call.is_execution:
        yield deny_malformed(SessionHook.NATIVE)
        return
    remaining = operation.rules.limits.native or 0
    for index, element in enumerate(operation.elements):
        if index in denied:
            continue
        if element.value <= remaining:
            remaining -= element.value
        else:
            because = f"the call carries {element.value} wei, and {remaining} wei remain"
            yield _deny(SessionHook.NATIVE, Reason.NATIVE, because, call=index)


def charge_tokens(operation: SessionOperation, denied: Container[int]) -> Iterator[Denial]:
    """Charge the transfers and approvals of tokens with a limit, in calls that are not denied yet."""
    if not operation.call.is_execution:
        because = "a session with it can call no function of the account alone"
        yield _deny(SessionHook.TOKENS, Reason.TOKEN_BLOCKS, because)
        return
    if operation.call.elements is None:
        yield deny_malformed(SessionHook.TOKENS)
        return
    remaining = dict(operation.rules.limits.tokens)
    for index, element in enumerate(operation.elements):
        if index in denied or element.to not in remaining:
            continue
        denial = _check_token_call(operation, element, index, remaining)
        if denial is None:
            remaining[element.to] -= element.second_argument
        else:
            yield denial


def _check_token_call(
    operation: SessionOperation, element: Element, index: int, remaining: Mapping[Address, int]
) -> Denial | None:
    """Check one call to a token with a limit; its size is checked before its function."""
    if len(element.data) < _TOKEN_CALL_BYTES:
        because = f"expected at least {_TOKEN_CALL_BYTES} bytes of call data, got {len(element.data)}"
        return _deny(SessionHook.TOKENS, Reason.TOKEN_CALL, because, call=index)
    if element.selector not in (abi.ERC20_TRANSFER, abi.ERC20_APPROVE):
        return deny_function(operation, element, index, SessionHook.TOKENS)
    amount, left = element.second_argument, remaining[element.to]
    if amount <= left:
        return None
    because = f"the call spends {amount} units of token {element.to}, and {left} units remain"
    return _deny(SessionHook.TOKENS, Reason.TOKEN, because, call=index)


def _deny(hook: SessionHook, reason: Reason, because: str, *, call: int | None = None) -> Denial:
    """Deny by the permission that a hook enforces."""
    text = explain_permission(hook, because)
    return Denial(reason=reason, text=text, hook=hook, permission=hook, call=call)


def spend_gas(operation: SessionOperation) -> Limits:
    """Return the limits after the gas is charged, if its cost is known and within the limit."""
    limits, charge = operation.rules.limits, operation.situation.gas_charge
    if limits.gas is None or charge is None or charge > limits.gas:
        return limits
    return replace(limits, gas=limits.gas - charge)


def spend_call(limits: Limits, element: Element) -> Limits:
    """Return the limits after an accepted call."""
    native = None if limits.native is None else limits.native - element.value
    tokens = limits.tokens
    if element.to in tokens:
        tokens = {**tokens, element.to: tokens[element.to] - element.second_argument}
    return replace(limits, native=native, tokens=tokens)
