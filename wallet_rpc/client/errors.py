"""Errors of the client.

ClientError
├── RpcError             the server returned an error
├── ConnectionFailed     no response arrived
├── UnexpectedResponse   the response is not that of a wallet server
└── NotFinal             a call was not final in time
"""

from __future__ import annotations

from typing import Any

from wallet_rpc.primitives import Data


class ClientError(Exception):
    """An error of a request."""


class RpcError(ClientError):
    """An error that the server returned."""

    def __init__(self, method: str, *, code: int, message: str, data: Any = None) -> None:
        super().__init__(f"{message} (code {code})")
        self.method = method
        """Method that was called."""
        self.code = code
        """JSON-RPC code, such as -32602 for an invalid parameter."""
        self.message = message
        """Message for people; programs decide by `code` and `reason`."""
        self.data: dict[str, Any] = data if isinstance(data, dict) else {}
        """Facts about the error; empty when the server sent none."""

    @property
    def reason(self) -> str | None:
        """Stable word for the cause, such as `stale_nonce`; None for an error of another server."""
        return self._text("reason")

    @property
    def field(self) -> str | None:
        """Path of the invalid value, such as `params.calls[0].to`; None when the error is about no value."""
        return self._text("field")

    @property
    def is_retryable(self) -> bool:
        """True if a new attempt may succeed. After `stale_nonce`, for example, that is to prepare and sign again."""
        return self.data.get("retryable") is True

    def _text(self, name: str) -> str | None:
        value = self.data.get(name)
        return value if isinstance(value, str) else None


class ConnectionFailed(ClientError):
    """A request without a response."""

    def __init__(self, method: str, text: str, *, was_sent: bool) -> None:
        super().__init__(f"{method}: {text}")
        self.method = method
        """Method that was called."""
        self.was_sent = was_sent
        """False if the server cannot have received the request; True if it may have run it."""


class UnexpectedResponse(ClientError):
    """A response that is no JSON-RPC response, or whose result does not have the method's type."""


class NotFinal(ClientError):
    """A call that was not final before the deadline of `wait`. It may still become final."""

    def __init__(self, call_id: Data, *, status: int, seconds: float) -> None:
        super().__init__(f"call {call_id} still has status {status} after {seconds:g} seconds")
        self.call_id = call_id
        """Call that was waited for."""
        self.status = status
        """Last status that the server reported."""
