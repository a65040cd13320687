"""A refusal of the chain in words: the decoded errors, and the permission that did not cover the call."""

from __future__ import annotations

from typing import TypeVar

from wallet_rpc.domain.denial import denying_permissions
from wallet_rpc.domain.revert import explain
from wallet_rpc.errors import ExecutionReverted, ValidationReverted
from wallet_rpc.operations._authority import Authority
from wallet_rpc.primitives import Data

E = TypeVar("E", bound=ValidationReverted | ExecutionReverted)


def explained(refusal: E, authority: Authority) -> E:
    """The same refusal with what its revert data says; unchanged when there is no such data."""
    raw = refusal.facts.get("revert")
    if not isinstance(raw, str) or raw == "0x":
        return refusal
    explanation = explain(Data.parse(raw))
    permissions = () if authority.session is None else authority.session.permissions
    kinds = denying_permissions(explanation, entity_id=authority.nonce_key.entity_id, permissions=permissions)
    inner = [cause.text for cause in explanation.causes if cause.name not in {"FailedOp", "FailedOpWithRevert"}]
    denied = f"; denied by the session's permission {' or '.join(kinds)}" if kinds else ""
    if authority.session is not None and not kinds and "ValidationFunctionMissing" in explanation.names:
        denied = "; no permission of the session covers that function of the account"
    message = ": ".join([refusal.message, *inner]) + denied
    facts = {**refusal.facts, "errors": list(explanation.names), "permissions": list(kinds) or None}
    return type(refusal)(message, reason=refusal.reason, **facts)
