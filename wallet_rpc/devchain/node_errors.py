"""The errors only a node has, with the codes and words of geth, so that client libraries recognise them."""

from __future__ import annotations

from typing import Any

from wallet_rpc.errors import Rejected, WalletError


class CallReverted(WalletError):
    """A looked-at call reverted: code 3, the raw revert data as `data`."""

    code = 3
    default_reason = "execution_reverted"

    def __init__(self, message: str, output: bytes) -> None:
        super().__init__(message)
        self.output = output

    @property
    def data(self) -> Any:
        """The raw revert data, hex: libraries decode it themselves."""
        return "0x" + self.output.hex()


class NodeRejection(Rejected):
    """What a node refuses with code -32000: by its words alone, as web3.py takes any `data` for that of a revert."""

    @property
    def data(self) -> Any:
        """Nothing."""
        return None


class UnknownBlock(NodeRejection):
    """The block is not kept by this chain."""

    default_reason = "unknown_block"

    def __init__(self) -> None:
        super().__init__("header not found")


class ExecutionTimeout(NodeRejection):
    """Code ran longer than one request's code may."""

    default_reason = "execution_timeout"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"execution aborted (timeout = {seconds:g}s)")


class UpstreamFailed(WalletError):
    """The forked chain's node did not answer, or not with what was asked."""

    code = -32603
    status = 503
    default_reason = "fork_unavailable"
    retryable = True
