"""Errors of failed calls in `wallet_getCallsStatus`, in the form of the errors of `wallet_prepareCalls`.

Messages with revert reasons are truncated, because any contract can return reasons of any length.
"""

from __future__ import annotations

from typing import Any

from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.nonce import split_nonce
from wallet_rpc.domain.revert import explain
from wallet_rpc.errors import (
    ExecutionReverted,
    InvalidParams,
    LimitExceeded,
    OutOfTimeRange,
    PaymasterRejected,
    Rejected,
    SignatureInvalid,
    StaleNonce,
    ValidationReverted,
    WalletError,
)
from wallet_rpc.primitives import Data
from wallet_rpc.wire import shape

MAX_REVERT_BYTES = 2048
"""Maximum length of reported revert data in bytes. Source: EntryPoint v0.7, REVERT_REASON_MAX_LEN."""
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
)
"""Classes of the errors with which a bundler refuses a call, one for each code."""
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
    message = error.message
    if len(message) > LONGEST_MESSAGE:
        message = f"{message[:LONGEST_MESSAGE]}…"
    return CallError(code=error.code, message=message, data=error.data)


def build_revert_error(data: bytes) -> CallError:
    """Build the error of calls that reverted on chain with this revert data, which may be empty."""
    revert_data = Data(data[:MAX_REVERT_BYTES])
    explanation = explain(revert_data)
    if not explanation.causes:
        text = "execution reverted without a reason, possibly for lack of gas or of balance for a call's value"
        return build_call_error(ExecutionReverted(text))
    text = ": ".join(["execution reverted", explanation.text])
    return build_call_error(ExecutionReverted(text, revert=revert_data, errors=list(explanation.names)))


def store_error(error: WalletError) -> dict[str, Any]:
    """Convert a `WalletError` to its form in a call's record."""
    return {"code": error.code, "message": error.message, "reason": error.reason, "data": error.data}


def read_stored_error(record: CallRecord) -> CallError | None:
    """Return the error that a call record stores; None if it stores none."""
    stored = record.error
    if stored is None:
        return None
    message = stored["message"]
    if len(message) > LONGEST_MESSAGE:
        message = f"{message[:LONGEST_MESSAGE]}…"
    return CallError(code=stored["code"], message=message, data=stored.get("data", {"reason": stored["reason"]}))


def rebuild_error(record: CallRecord) -> WalletError:
    """Return the refusal of a call, to answer a repeated send, and what to do instead of repeating it."""
    advice = "the call was refused and is never sent again; prepare the calls again, with other fees if you set any"
    stored = record.error
    if stored is None:
        return Rejected(advice, reason="call_refused")
    kind = next((kind for kind in _REFUSALS if kind.code == stored["code"]), Rejected)
    facts = {key: value for key, value in stored.get("data", {}).items() if key not in _OWN_MEMBERS}
    return kind("", reason=stored["reason"]).with_text(f"{stored['message']}; {advice}", **facts)


def nonce_used_error(record: CallRecord) -> dict[str, Any]:
    """Return the stored error of an operation whose nonce another one used."""
    key, sequence = split_nonce(record.nonce)
    text = f"another call used the nonce {record.nonce:#x} first; prepare the calls again and sign anew"
    return store_error(StaleNonce(text, entityId=key.entity_id, sequence=sequence))


def expired_error(record: CallRecord) -> dict[str, Any]:
    """Return the stored error of an operation that was not included in time."""
    text = f"the call was valid until {record.valid_until} and was not included by then; prepare the calls again"
    return store_error(OutOfTimeRange(text, reason="call_expired", validUntil=record.valid_until))
