"""The denial behind revert data: the reason that the engine gives for the operation, where it agrees with the error.

The account wraps the error of a hook into one that contains the hook's module and entity id. Without rules of the
session, or when the engine does not know what remains of a limit, the error alone determines reason and permission.
"""

from __future__ import annotations

from dataclasses import dataclass

from wallet_rpc.domain import abi
from wallet_rpc.domain.decision.contract_rules import ContractRules, SessionHook, identify_hook
from wallet_rpc.domain.decision.denials import CONTRACT_ERRORS, ContractError, Denial, Reason, explain_permission
from wallet_rpc.domain.decision.engine import decide_operation
from wallet_rpc.domain.decision.operation import Situation
from wallet_rpc.domain.revert import Cause, Explanation
from wallet_rpc.domain.validation_install import PRE_HOOK, VALIDATION_HOOK
from wallet_rpc.primitives import Address

_WRAPPERS = {"PreUserOpValidationHookReverted": VALIDATION_HOOK, "PreExecHookReverted": PRE_HOOK}
"""The account's errors around those of a hook, with the flag of the hook's kind."""
_OF_ACCOUNT = frozenset({"ValidationFunctionMissing", "SelfCallRecursionDepthExceeded"})
"""The account's own errors about a session's call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeniedOperation:
    """An operation of a session that the chain rejected; `rules` is None when only the chain knows the session."""

    account: Address
    entity_id: int
    call_data: bytes
    rules: ContractRules | None = None


def observe_error(explanation: Explanation, entity_id: int) -> ContractError | None:
    """Return the error of a session's hook, of the account, or of the entry point about the times; else None.

    A hook of another session counts as no error of this one.
    """
    for position, cause in enumerate(explanation.causes):
        flags = _WRAPPERS.get(cause.name)
        match cause.arguments:
            case (bytes() as entity,) if flags is not None and len(entity) == 24:
                hook = identify_hook(Address(entity[:20]), int.from_bytes(entity[20:]) - entity_id, flags)
                inner = explanation.causes[position + 1 :]
                return None if hook is SessionHook.UNKNOWN else ContractError(hook, inner[0].name if inner else "")
            case _:
                continue
    message = explanation.entry_point
    if message is not None and message.startswith("AA22"):
        return ContractError(SessionHook.EXPIRY, "AA22")
    own = explanation.causes[1:] if message is not None else explanation.causes
    return ContractError(None, own[0].name if own else "")


def find_denial(explanation: Explanation, denied: DeniedOperation) -> Denial | None:
    """Find the denial that caused the revert of a session's operation; None when the revert has another cause."""
    error = observe_error(explanation, denied.entity_id)
    if error is None or (error.hook is None and error.name not in _OF_ACCOUNT):
        return None
    if denied.rules is not None:
        decision = decide_operation(denied.rules, denied.call_data, Situation(account=denied.account, now=0))
        for denial in decision.denials:
            if denial.hook is error.hook and error in CONTRACT_ERRORS[denial.reason]:
                return denial
    return _read_error(error, explanation)


def _read_error(error: ContractError, explanation: Explanation) -> Denial:
    """Build the denial that the error alone shows."""
    reason = next((reason for reason, errors in CONTRACT_ERRORS.items() if error in errors), Reason.MALFORMED)
    if error.name == "ValidationFunctionMissing" and not _is_about_contracts(explanation.causes):
        reason = Reason.ACCOUNT_FUNCTION
    if error.hook is None or error.hook is SessionHook.ALLOWLIST:
        return Denial(reason=reason, text=_TEXTS[reason], hook=error.hook)
    return Denial(reason=reason, text=explain_permission(error.hook), hook=error.hook, permission=error.hook)


_TEXTS = {
    Reason.CONTRACT: "no permission of the session covers a contract that the calls name",
    Reason.FUNCTION: "no permission of the session covers a function that the calls name",
    Reason.ACCOUNT_FUNCTION: "no permission of the session covers that function of the account",
    Reason.SELF_CALL: "the account cannot run execute or executeBatch on itself",
    Reason.MALFORMED: "the arguments of the account's function do not decode",
}


def _is_about_contracts(causes: tuple[Cause, ...]) -> bool:
    """Return True when the missing function is one that calls contracts."""
    return any(set(cause.arguments) & {abi.EXECUTE, abi.EXECUTE_BATCH} for cause in causes)
