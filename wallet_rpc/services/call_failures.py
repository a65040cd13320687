"""Errors of failed calls in `wallet_getCallsStatus`, in the form of the errors of `wallet_prepareCalls`.

Messages with revert reasons are truncated, because any contract can return reasons of any length.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.decision.diagnosis import DeniedOperation
from wallet_rpc.domain.nonce import split_nonce
from wallet_rpc.domain.revert import MAX_REVERT_BYTES
from wallet_rpc.domain.validation import ValidationInstall
from wallet_rpc.errors import (
    ExecutionReverted,
    InvalidParams,
    LimitExceeded,
    OutOfTimeRange,
    PaymasterRejected,
    Rejected,
    RuleDenied,
    SessionEnded,
    SessionPaused,
    SignatureInvalid,
    StaleNonce,
    ValidationReverted,
    WalletError,
)
from wallet_rpc.errors.reasons import REASONS
from wallet_rpc.primitives import Data
from wallet_rpc.services.denial_reasons import describe_recorded, explain_rejection
from wallet_rpc.wire import shape

LONGEST_MESSAGE = 500
"""Maximum length of a message in characters."""

_REFUSALS: tuple[type[WalletError], ...] = (
    Rejected,
    InvalidParams,
    LimitExceeded,
    ValidationReverted,
    PaymasterRejected,
    OutOfTimeRange,
    SignatureInvalid,
    ExecutionReverted,
    SessionEnded,
    SessionPaused,
    RuleDenied,
)
"""Classes of the errors with which a bundler or this server refuses a call; some have the same code."""
_OWN_MEMBERS = frozenset({"reason", "field", "details", "retryable", "statusCode", "message"})
"""Members of `error.data` that an error makes from its other parts."""


@shape
class CallError:
    """The failure of a call, in the form of a JSON-RPC error."""

    code: int
    """Code of the error, as in a JSON-RPC response."""
    message: str
    """One sentence on the cause, for display."""
    data: dict[str, Any]
    """`reason`; for a revert also `revert` (raw revert data) and `errors` (error names, outermost first)."""


def build_call_error(error: WalletError) -> CallError:
    """Convert a `WalletError` to a part of the response."""
    return _shorten(CallError(code=error.code, message=error.message, data=error.data))


def _shorten(error: CallError) -> CallError:
    message = error.message
    is_long = len(message) > LONGEST_MESSAGE
    return replace(error, message=f"{message[:LONGEST_MESSAGE]}…") if is_long else error


def build_revert_error(data: bytes, denied: DeniedOperation | None) -> CallError:
    """Build the error of calls that reverted on chain with this revert data, which may be empty."""
    if not data:
        text = "execution reverted without a reason, possibly for lack of gas or of balance for a call's value"
        return build_call_error(ExecutionReverted(text))
    error = ExecutionReverted("execution reverted", revert=Data(data[:MAX_REVERT_BYTES]))
    return build_call_error(explain_rejection(error, denied))


def store_error(error: WalletError) -> dict[str, Any]:
    """Convert a `WalletError` to its form in a call's record."""
    return {"code": error.code, "message": error.message, "reason": error.reason, "data": error.data}


def read_stored_error(record: CallRecord, denied: DeniedOperation | None) -> CallError | None:
    """Return the error that a call record stores, with the reason of a session's denial; None if it stores none."""
    stored = record.error
    if stored is None:
        return None
    error = _restore_error(stored)
    if isinstance(error, ValidationReverted | ExecutionReverted):
        return build_call_error(explain_rejection(error, denied))
    return _shorten(
        CallError(
            code=stored["code"],
            message=stored["message"],
            data=stored.get("data", {"reason": stored["reason"]}),
        )
    )


def find_call_error(record: CallRecord, install: ValidationInstall | None) -> CallError | None:
    """Return the error of a call that reverted or was not sent, with the reason of a denial by its session's grant.

    None for other calls.
    """
    if record.succeeded or not (record.receipt is not None or record.state.is_final):
        return None
    denied = describe_recorded(record, install)
    if record.receipt is not None:
        return build_revert_error(record.revert_data, denied)
    return read_stored_error(record, denied)


def rebuild_error(record: CallRecord) -> WalletError:
    """Return the refusal of a call, to answer a repeated send, and what to do instead of repeating it."""
    advice = "the call was refused and is never sent again; prepare the calls again, with other fees if you set any"
    if record.error is None:
        return Rejected(advice, reason="call_refused")
    error = _restore_error(record.error)
    return error.with_text(f"{error.text}; {advice}")


def _restore_error(stored: dict[str, Any]) -> WalletError:
    """Restore the refusal of a call from its stored form."""
    kinds = [kind for kind in _REFUSALS if kind.code == stored["code"]]
    kind = next((kind for kind in kinds if stored["reason"] in REASONS[kind]), kinds[0] if kinds else Rejected)
    facts = {key: value for key, value in stored.get("data", {}).items() if key not in _OWN_MEMBERS}
    known: dict[str, Any] = {}
    if issubclass(kind, ValidationReverted | ExecutionReverted) and "revert" in facts:
        known["revert"] = Data.parse(facts["revert"])
    if issubclass(kind, ValidationReverted):
        known["entry_point"] = facts.get("entryPoint")
    return kind(stored["message"], reason=stored["reason"], **known).with_text(stored["message"], **facts)


def nonce_used_error(record: CallRecord) -> dict[str, Any]:
    """Return the stored error of an operation whose nonce another one used."""
    key, sequence = split_nonce(record.nonce)
    text = f"another call used the nonce {record.nonce:#x} first; prepare the calls again and sign anew"
    return store_error(StaleNonce(text, entityId=key.entity_id, sequence=sequence))


def expired_error(record: CallRecord) -> dict[str, Any]:
    """Return the stored error of an operation that was not included in time."""
    text = f"the call was valid until {record.valid_until} and was not included by then; prepare the calls again"
    return store_error(OutOfTimeRange(text, reason="call_expired", validUntil=record.valid_until))
