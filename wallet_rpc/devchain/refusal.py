"""Bundler errors for operations that the entry point rejects, or whose calls fail (ERC-7769)."""

from __future__ import annotations

from typing import Any

from wallet_rpc.domain.entry_point_errors import build_entry_point_error
from wallet_rpc.domain.revert import Explanation, explain
from wallet_rpc.errors import ExecutionReverted, ValidationReverted, WalletError
from wallet_rpc.primitives import Data


def build_validation_error(revert_data: bytes, *, is_deployed: bool) -> WalletError:
    """Build the error for a `handleOps` that reverted with `revert_data`."""
    explained = explain(revert_data)
    message = explained.entry_point
    if message is None:
        if len(revert_data) == 0 and not is_deployed:
            message = "AA20 account not deployed"  # the entry point reverts without data here
        else:
            text = f"validation reverted: {explained.text or 'no reason given'}"
            return ValidationReverted(text, **error_data(explained, revert_data))
    cause = Explanation(explained.causes[1:]).text
    return build_entry_point_error(message, cause=cause, **error_data(explained, revert_data))


def build_execution_error(revert_data: bytes) -> ExecutionReverted:
    """Build the error for calls that revert in estimation."""
    explained = explain(revert_data)
    text = f"execution reverted: {explained.text}" if explained.causes else "execution reverted"
    return ExecutionReverted(text, **error_data(explained, revert_data))


def error_data(explained: Explanation, revert_data: bytes) -> dict[str, Any]:
    """Return the structured error data: raw data, error names from the outermost in, and the rejecting module."""
    denial = explained.denial
    module = {} if denial is None else {"module": denial.module, "entityId": denial.entity_id}
    return {"revertData": Data(revert_data), "errors": list(explained.names), **module}
