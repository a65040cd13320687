"""Errors of failed calls in `wallet_getCallsStatus`, in the form of the errors of `wallet_prepareCalls`.

Messages with revert reasons are truncated, because any contract can return reasons of any length.
"""

from __future__ import annotations

from typing import Any

from wallet_rpc.domain.nonce import split_nonce
from wallet_rpc.domain.records import CallRecord
from wallet_rpc.domain.revert import explain
from wallet_rpc.errors import ExecutionReverted, StaleNonce, WalletError
from wallet_rpc.primitives import Data
from wallet_rpc.wire import shape

MAX_REVERT_BYTES = 2048
"""Maximum length of reported revert data in bytes. Source: EntryPoint v0.7, REVERT_REASON_MAX_LEN."""
LONGEST_MESSAGE = 500
"""Maximum length of a message in characters."""


@shape
class CallError:
    """The failure of a call, in the form of a JSON-RPC error."""

    code: int
    message: str
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


def read_stored_error(record: CallRecord) -> CallError | None:
    """Return the rejection that a call record stores; None if it stores none."""
    stored = record.error
    if stored is None:
        return None
    return CallError(code=stored["code"], message=stored["message"], data={"reason": stored["reason"]})


def build_nonce_error(record: CallRecord) -> CallError:
    """Build the error of an operation whose nonce another one used."""
    key, sequence = split_nonce(record.nonce)
    text = f"another call used the nonce {record.nonce:#x} first; prepare the calls again and sign anew"
    return build_call_error(StaleNonce(text, entityId=key.entity_id, sequence=sequence))
