"""Why a sent call came to nothing, as `wallet_getCallsStatus` tells it: the error that preparing it would have raised.

The rule: a contract's own words are cut to a bounded length, since anyone may write them.
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
"""Revert data that is told; the entry point itself keeps no more. Source: EntryPoint v0.7, REVERT_REASON_MAX_LEN."""
LONGEST_MESSAGE = 500


@shape
class CallError:
    """Why a call failed, in the form of a JSON-RPC error."""

    code: int
    message: str
    data: dict[str, Any]
    """`reason`, and of a revert `revert` (raw revert data) and `errors` (names, outside in)."""


def build_call_error(error: WalletError) -> CallError:
    """An error of ours as part of an answer."""
    message = error.message
    if len(message) > LONGEST_MESSAGE:
        message = f"{message[:LONGEST_MESSAGE]}…"
    return CallError(code=error.code, message=message, data=error.data)


def build_revert_error(data: bytes) -> CallError:
    """The error of calls that reverted on chain with this revert data, which may be empty."""
    kept = Data(data[:MAX_REVERT_BYTES])
    explanation = explain(kept)
    if not explanation.causes:
        text = "execution reverted without a reason, as for lack of gas or of money for a call's value"
        return build_call_error(ExecutionReverted(text))
    text = ": ".join(["execution reverted", explanation.text])
    return build_call_error(ExecutionReverted(text, revert=kept.hex0x(), errors=list(explanation.names)))


def read_stored_error(record: CallRecord) -> CallError | None:
    """The refusal that a record keeps."""
    if record.error is None:
        return None
    kept = record.error
    return CallError(code=kept["code"], message=kept["message"], data={"reason": kept["reason"]})


def build_nonce_error(record: CallRecord) -> CallError:
    """The error of an operation whose nonce another one used."""
    key, sequence = split_nonce(record.nonce)
    text = f"another call used the nonce {record.nonce:#x} first; prepare the calls again and sign anew"
    return build_call_error(StaleNonce(text, entityId=key.entity_id, sequence=sequence))
