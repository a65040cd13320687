"""Explanations of on-chain rejections: the decoded errors, and the denial by the session's rules, if it is one."""

from __future__ import annotations

from typing import Any

from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.decision.contract_rules import rules_of_install
from wallet_rpc.domain.decision.diagnosis import DeniedOperation, find_denial
from wallet_rpc.domain.nonce import OWNER_ENTITY, split_nonce
from wallet_rpc.domain.revert import Explanation, explain
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.domain.validation import ValidationInstall
from wallet_rpc.errors import ExecutionReverted, ValidationReverted
from wallet_rpc.services.authority import Authority


def explain_denial(
    error: ValidationReverted | ExecutionReverted, authority: Authority, operation: UserOperation
) -> ValidationReverted | ExecutionReverted:
    """Return the error of an operation with its explanation and, of a session, with the reason of the denial."""
    denied = None
    if authority.nonce_key.entity_id != OWNER_ENTITY:
        denied = DeniedOperation(
            account=operation.sender,
            entity_id=authority.nonce_key.entity_id,
            call_data=operation.call_data,
            rules=None if authority.install is None else rules_of_install(authority.install),
        )
    return explain_rejection(error, denied)


def describe_recorded(record: CallRecord, install: ValidationInstall | None) -> DeniedOperation | None:
    """Describe the operation of a call record for `explain_rejection`; None for the owner's operations."""
    key, _ = split_nonce(record.nonce)
    if key.entity_id == OWNER_ENTITY:
        return None
    rules = None if install is None else rules_of_install(install)
    return DeniedOperation(account=record.sender, entity_id=key.entity_id, call_data=record.call_data, rules=rules)


def explain_rejection(
    error: ValidationReverted | ExecutionReverted, denied: DeniedOperation | None
) -> ValidationReverted | ExecutionReverted:
    """Return the error with the text and the names of its revert data, and with the reason of a session's denial."""
    explanation = _explain(error)
    if not explanation.causes:
        return error
    inner = [cause.text for cause in explanation.causes if cause.name not in {"FailedOp", "FailedOpWithRevert"}]
    text = ": ".join([error.text, *inner])
    facts: dict[str, Any] = {"errors": list(explanation.names)} if error.revert else {}
    denial = None if denied is None else find_denial(explanation, denied)
    if denial is None:
        return error.with_text(text, **facts)
    permissions = None if denial.permission is None else [str(denial.permission)]
    explained = error.with_text(f"{text}; {denial.text}", **facts, permissions=permissions, call=denial.call)
    return explained.with_reason(denial.reason.value)


def _explain(error: ValidationReverted | ExecutionReverted) -> Explanation:
    """Decode the revert data; an entry point's message without data counts as its error."""
    if error.revert:
        return explain(error.revert)
    message = error.entry_point if isinstance(error, ValidationReverted) else None
    return Explanation(()) if message is None else Explanation.of_entry_point(message)
