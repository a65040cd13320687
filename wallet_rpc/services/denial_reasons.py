"""Explanations of on-chain rejections: the decoded errors, and the session permission that denies the operation."""

from __future__ import annotations

from wallet_rpc.domain.call_data import decode_calls
from wallet_rpc.domain.denial import Attempt, find_session_denial
from wallet_rpc.domain.revert import explain
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import ExecutionReverted, ValidationReverted
from wallet_rpc.services.authority import Authority


def explain_denial(
    error: ValidationReverted | ExecutionReverted, authority: Authority, operation: UserOperation
) -> ValidationReverted | ExecutionReverted:
    """Return the error with an explanation of its revert data; unchanged when there is no such data."""
    if not error.revert:
        return error
    explanation = explain(error.revert)
    denial = find_session_denial(explanation, _attempt(authority, operation)) if authority.nonce_key.entity_id else None
    inner = [cause.text for cause in explanation.causes if cause.name not in {"FailedOp", "FailedOpWithRevert"}]
    text = ": ".join([error.text, *inner]) + ("" if denial is None else f"; {denial.text}")
    permissions = None if denial is None or denial.permission is None else [denial.permission]
    return error.with_text(text, errors=list(explanation.names), permissions=permissions)


def _attempt(authority: Authority, operation: UserOperation) -> Attempt:
    return Attempt(
        entity_id=authority.nonce_key.entity_id,
        permissions=None if authority.session is None else authority.session.permissions,
        account=operation.sender,
        calls=decode_calls(operation.sender, operation.call_data),
    )
