"""Checks of functions and targets: by the account before any hook, and by the allowlist.

Source: `Permissions` and `AllowlistModule` in devchain/contracts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from wallet_rpc.domain import abi
from wallet_rpc.domain.decision.account_call import Element, find_first_target, read_self_calls
from wallet_rpc.domain.decision.contract_rules import SessionHook
from wallet_rpc.domain.decision.denials import Denial, Reason, explain_permission
from wallet_rpc.domain.decision.operation import SessionOperation, deny_malformed
from wallet_rpc.domain.guard import GLOBAL_FUNCTIONS
from wallet_rpc.primitives import Data, Selector


def find_inapplicable(operation: SessionOperation) -> Iterator[Denial]:
    """Check the functions as the account does before any hook runs."""
    call, account = operation.call, operation.situation.account
    if call.selector is None:
        yield deny_malformed(None)
    elif not _is_permitted(operation, call.selector):
        yield _deny_outer(operation, call.selector)
    elif call.selector == abi.EXECUTE and find_first_target(call.arguments) == account:
        yield _deny_self_call(0)
    elif call.selector == abi.EXECUTE_BATCH:
        yield from _check_self_calls(operation)


def _check_self_calls(operation: SessionOperation) -> Iterator[Denial]:
    for self_call in read_self_calls(operation.call.arguments, operation.situation.account):
        if self_call is None:
            yield deny_malformed(None)
        elif self_call[1] in (abi.EXECUTE, abi.EXECUTE_BATCH):
            yield _deny_self_call(self_call[0])
        elif not _is_permitted(operation, self_call[1]):
            yield _deny_account_function(operation, self_call[1], self_call[0])


def _is_permitted(operation: SessionOperation, selector: Selector) -> bool:
    rules = operation.rules
    return selector in (GLOBAL_FUNCTIONS if rules.is_global else rules.account_functions)


def _deny_outer(operation: SessionOperation, selector: Selector) -> Denial:
    """Deny a function of the account that the session lacks; it lacks execute if no permission is about contracts."""
    others = [one for one in operation.elements if one.to != operation.situation.account]
    if operation.call.elements is None or not others:
        return _deny_account_function(operation, selector, None)
    return replace(_deny_target(operation, others[0], None), hook=None)


def _deny_account_function(operation: SessionOperation, selector: Selector, index: int | None) -> Denial:
    permission, because = None, "no permission of the session covers that function of the account"
    if operation.rules.is_global:
        permission, because = "root", f"the account opens its function {selector} to no session"
    elif operation.rules.named_functions:
        permission, because = "account-functions", f"it does not have the function {selector}"
        if selector == abi.EXECUTE_BATCH:
            because = "it has no batches; make the calls to the account one at a time"
    text = because if permission is None else explain_permission(permission, because)
    return Denial(reason=Reason.ACCOUNT_FUNCTION, text=text, permission=permission, call=index)


def _deny_self_call(index: int) -> Denial:
    text = "the account cannot run execute or executeBatch on itself; make those calls one by one"
    return Denial(reason=Reason.SELF_CALL, text=text, call=index)


def check_targets(operation: SessionOperation) -> Iterator[Denial]:
    """Check targets and their functions as the allowlist does; it looks into execute and executeBatch only."""
    if not operation.call.is_execution:
        return
    if operation.call.elements is None:
        yield deny_malformed(SessionHook.ALLOWLIST)
        return
    rules = operation.rules
    for index, element in enumerate(operation.elements):
        if element.to not in rules.targets:
            if element.selector not in rules.everywhere:
                yield _deny_target(operation, element, index)
            continue
        functions = rules.targets[element.to]
        if functions is not None and (len(element.data) < Selector.size or element.selector not in functions):
            yield deny_function(operation, element, index, SessionHook.ALLOWLIST)


def deny_function(operation: SessionOperation, element: Element, index: int, hook: SessionHook) -> Denial:
    """Deny a function that the permission of its contract does not have."""
    permission = operation.rules.permission_of(element.to)
    given = Data(bytes(element.data[:4])).hex0x() if element.data else "of a plain transfer"
    text = explain_permission(permission, f"it does not have the function {given} of contract {element.to}")
    return Denial(reason=Reason.FUNCTION, text=text, hook=hook, permission=permission, call=index)


def _deny_target(operation: SessionOperation, element: Element, index: int | None) -> Denial:
    """Deny a contract without a permission; the wildcard permission denies those functions that it lacks."""
    permission, text = None, f"no permission of the session covers that contract, {element.to}"
    if element.to == operation.situation.account:
        text += ", the account itself; make the call to the account alone"
    elif operation.rules.everywhere:
        permission = "functions-on-all-contracts"
        text = f"{explain_permission(permission, text)}, with that function"
    else:
        text += f"; the session's permissions are: {', '.join(operation.rules.permissions)}"
    return Denial(reason=Reason.CONTRACT, text=text, hook=SessionHook.ALLOWLIST, permission=permission, call=index)
