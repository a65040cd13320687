"""Errors of a node, with geth's codes and messages, so that client libraries recognise them."""

from __future__ import annotations

from typing import Any

from wallet_rpc.errors import Rejected, WalletError


class CallReverted(WalletError):
    """An `eth_call` or an estimation reverted: code 3, with the raw revert data as `data`."""

    code = 3
    default_reason = "execution_reverted"

    def __init__(self, message: str, output: bytes) -> None:
        super().__init__(message)
        self.output = output

    @property
    def data(self) -> Any:
        """The raw revert data as hex; client libraries decode it themselves."""
        return "0x" + self.output.hex()


class NodeRejection(Rejected):
    """A rejection by the node, code -32000, without `data`: web3.py would take any `data` for revert data."""

    @property
    def data(self) -> Any:
        """Always None."""
        return None


class UnknownBlock(NodeRejection):
    """The block is not stored by this chain."""

    default_reason = "unknown_block"

    def __init__(self) -> None:
        super().__init__("header not found")


class ExecutionTimeout(NodeRejection):
    """Code exceeded the maximum run time of one request."""

    default_reason = "execution_timeout"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"execution aborted (timeout = {seconds:g}s)")


class UpstreamFailed(WalletError):
    """The forked chain's node did not respond, or returned an error or an unusable response."""

    code = -32603
    status = 503
    default_reason = "fork_unavailable"
    retryable = True
