"""`wallet_approveCalls`: approve calls that wait because of a rule of their session, and deliver them."""

from __future__ import annotations

from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.call_state import CallState
from wallet_rpc.domain.prepared import NestedCallId, format_call_id
from wallet_rpc.errors import (
    Conflict,
    ExecutionReverted,
    Forbidden,
    LimitExceeded,
    NotFound,
    OutOfTimeRange,
    PaymasterRejected,
    Rejected,
    RuleDenied,
    SessionEnded,
    SessionPaused,
    SignatureInvalid,
    StaleNonce,
    UnsupportedChain,
    ValidationReverted,
)
from wallet_rpc.operations import reasons
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Data
from wallet_rpc.services.approval_decisions import approve_call
from wallet_rpc.services.owner_consent import CONSENT_REASONS, OwnerSignature
from wallet_rpc.wire import shape, strict_shape

DECISION_REASONS = (
    *CONSENT_REASONS,
    "approval_ended",
    "approval_not_found",
    "owner_signature_required",
    "not_an_account",
    "signature_malformed",
)
"""Reasons of requests that decide on a waiting call."""


@strict_shape
class DecideCalls:
    """The waiting calls, and the owner's signature of the decision, which an API key of the organisation can omit."""

    call_id: NestedCallId
    """Call id: chain id (32 bytes) | user operation hash (32 bytes)."""
    owner_signature: OwnerSignature | None = None
    """Signature of the decision by the account's owner. Default: the caller's API key decides."""


@shape
class DecidedCalls:
    """The calls after the decision."""

    id: Data
    """Call id of the request."""
    state: CallState
    """State of the calls, as `wallet_getCallsStatus` reports it."""

    @classmethod
    def from_record(cls, call: CallRecord) -> DecidedCalls:
        """Build the answer from the record after the decision."""
        return cls(id=format_call_id(call.chain_id, call.hash), state=call.state)


async def run(ports: Ports, request: DecideCalls) -> DecidedCalls:
    """Approve the calls, and return their state after the first attempt to deliver them."""
    return DecidedCalls.from_record(await approve_call(ports, request.call_id, request.owner_signature))


OPERATION: Operation[Ports, DecideCalls, DecidedCalls] = Operation(
    "wallet_approveCalls",
    DecideCalls,
    DecidedCalls,
    run,
    "Approve calls that wait for an approval, and deliver them.",
    (
        Conflict,
        Forbidden,
        NotFound,
        RuleDenied,
        SessionEnded,
        SessionPaused,
        SignatureInvalid,
        StaleNonce,
        Rejected,
        ValidationReverted,
        PaymasterRejected,
        OutOfTimeRange,
        ExecutionReverted,
        LimitExceeded,
        UnsupportedChain,
    ),
    reasons=(*DECISION_REASONS, *reasons.USED_BUNDLER),
    description=(
        "An API key that may write decides on calls that were sent through its organisation, and the account's owner "
        "by a signature; a session token never does. The calls are delivered as they were signed: if their fees are "
        "too low by now, their status says so."
    ),
)
