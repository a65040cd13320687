"""Every error a caller can see.

    WalletError
    ├── ParseError                 -32700
    ├── InvalidRequest             -32600
    │   └── SponsorshipFailed      -32600  no policy pays for the operation
    ├── MethodNotFound             -32601
    ├── InvalidParams              -32602
    ├── Rejected                   -32000  a precheck the caller can mend
    │   ├── StaleNonce             -32000  prepare again
    │   ├── AccountDeployed        -32000  prepare again
    │   ├── AlreadyKnown           -32000  it was taken before
    │   ├── UnreadableAnswer       -32000  not a contract of the kind that was asked
    │   ├── InstallPending         -32000  wait, then prepare again
    │   └── SessionNotInstalled    -32000  prepare again
    ├── LimitExceeded              -32005
    │   └── RateLimited            -32005  HTTP 429
    ├── Unauthorized                4100   HTTP 401
    │   └── Forbidden               4100   HTTP 403
    ├── SessionEnded                4100   revoked, or past the end it was registered with
    ├── NotFound                   -32001  HTTP 404
    ├── Conflict                   -32002  HTTP 409
    ├── ValidationReverted         -32500  the account refused the user operation
    │   ├── PaymasterRejected       -32501
    │   ├── OutOfTimeRange         -32503
    │   └── SignatureInvalid       -32507
    ├── ExecutionReverted          -32521
    ├── UnsupportedCapability       5700
    ├── UnsupportedChain            5710
    ├── UnknownBundle               5730
    ├── BundleTooLarge              5740
    ├── Unavailable                -32603  a part behind us does not answer; worth a retry
    │   └── OutcomeUnknown         -32603  a write that may have happened
    └── InternalError              -32603  a bug of ours, with its incident number

The rule: a message says what was given, what was expected and where; `reason` is a stable word for programs.
Anything that is not a `WalletError` is a bug: it is logged once and answered as `InternalError`.
Codes: JSON-RPC 2.0; EIP-1193 (4100); EIP-1474 (-32000..-32005); ERC-7769 (-32500..-32521); EIP-5792 (5700..5740).
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

from wallet_rpc.primitives import preview


class WalletError(Exception):
    """An error the caller can see. `facts` travel as `error.data` beside `reason`."""

    code: ClassVar[int] = -32603
    status: ClassVar[int] = 400
    """The HTTP status where the envelope has no code of its own (REST)."""
    default_reason: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False
    sets_http_status: ClassVar[bool] = False
    """True: JSON-RPC over HTTP has the status of this error too, and `data` repeats it with the message, as in REST."""

    def __init__(self, message: str, *, reason: str | None = None, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.reason = self.default_reason if reason is None else reason
        self.facts = facts

    @property
    def data(self) -> dict[str, Any]:
        """`error.data` on the wire: reason, then the facts that are known."""
        seen = {"statusCode": self.status, "message": self.message} if self.sets_http_status else {}
        known = {key: value for key, value in self.facts.items() if value is not None}
        return {**seen, "reason": self.reason, **({"retryable": True} if self.retryable else {}), **known}


class ParseError(WalletError):
    """The body is not JSON."""

    code = -32700
    default_reason = "parse_error"


class InvalidRequest(WalletError):
    """The body is JSON but not a JSON-RPC 2.0 request."""

    code = -32600
    default_reason = "invalid_request"


class SponsorshipFailed(InvalidRequest):
    """None of the named policies pays for the operation; the code is the hosted service's."""

    default_reason = "sponsorship_failed"


class MethodNotFound(WalletError):
    """No operation has this name."""

    code = -32601
    status = 404
    default_reason = "method_not_found"

    @classmethod
    def from_name(cls, method: str) -> Self:
        """The error of a method's name, in the words by which clients know it."""
        return cls(f"the method {preview(method)} does not exist or is not available")


class InvalidParams(WalletError):
    """The request cannot be granted as it stands; `field` says where, `reason` why."""

    code = -32602
    default_reason = "invalid_params"


class Rejected(WalletError):
    """A precheck failed: the same request may pass when the facts of the chain change."""

    code = -32000
    default_reason = "precheck_failed"


class StaleNonce(Rejected):
    """Another operation used the nonce first; preparing again gives a fresh one."""

    default_reason = "stale_nonce"
    retryable = True


class AccountDeployed(Rejected):
    """The operation would deploy the account, which another one has done meanwhile; preparing again works."""

    default_reason = "account_deployed"
    retryable = True


class AlreadyKnown(Rejected):
    """A bundler or a node has this operation or transaction already: whoever sent it has reached its end."""

    default_reason = "already_known"


class InstallPending(Rejected):
    """The session's installation is on its way in an earlier call; once it has landed, preparing again works."""

    default_reason = "session_install_pending"
    retryable = True


class SessionNotInstalled(Rejected):
    """The call was prepared for an installed session, but the session is not on the chain; prepare again."""

    default_reason = "session_not_installed"
    retryable = True


class UnreadableAnswer(Rejected):
    """A contract answers what no account or module of ours answers."""

    default_reason = "unreadable_answer"


class LimitExceeded(WalletError):
    """Too much, too fast."""

    code = -32005
    status = 429
    default_reason = "limit_exceeded"


class RateLimited(LimitExceeded):
    """The key or token asks more often than it may; `retryAfter` is in seconds."""

    default_reason = "rate_limited"
    sets_http_status = True


class Unauthorized(WalletError):
    """No credential, or one that is not or no longer valid (EIP-1193)."""

    code = 4100
    status = 401
    default_reason = "unauthorized"
    sets_http_status = True


class Forbidden(Unauthorized):
    """The credential is valid and does not allow this."""

    status = 403
    default_reason = "forbidden"


class SessionEnded(WalletError):
    """The session was revoked, or its registered end has come."""

    code = 4100
    status = 409
    default_reason = "session_revoked"


class NotFound(WalletError):
    """What the path or a field names is not there, or not the caller's."""

    code = -32001
    status = 404
    default_reason = "not_found"


class Conflict(WalletError):
    """What is asked has been done already, or cannot be done any more."""

    code = -32002
    status = 409
    default_reason = "conflict"


class ValidationReverted(WalletError):
    """The account or the entry point refused the user operation during validation (ERC-7769)."""

    code = -32500
    default_reason = "validation_reverted"


class PaymasterRejected(ValidationReverted):
    """The paymaster refused the user operation (ERC-7769)."""

    code = -32501
    default_reason = "paymaster_refused"


class OutOfTimeRange(ValidationReverted):
    """The operation is expired or not due yet (ERC-7769)."""

    code = -32503
    default_reason = "out_of_time_range"


class SignatureInvalid(ValidationReverted):
    """The signature does not belong to the signer the account expects (ERC-7769)."""

    code = -32507
    default_reason = "signature_invalid"


class ExecutionReverted(WalletError):
    """The calls themselves revert (ERC-7769); nothing was sent."""

    code = -32521
    default_reason = "execution_reverted"


class UnsupportedCapability(WalletError):
    """A required capability is not one of ours (EIP-5792)."""

    code = 5700
    default_reason = "unsupported_capability"


class UnsupportedChain(WalletError):
    """No chain of that id is configured (EIP-5792)."""

    code = 5710
    default_reason = "unsupported_chain"


class UnknownBundle(WalletError):
    """No call of that id is known (EIP-5792)."""

    code = 5730
    status = 404
    default_reason = "unknown_call_id"


class BundleTooLarge(WalletError):
    """More calls than one request may carry (EIP-5792)."""

    code = 5740
    default_reason = "bundle_too_large"


class Unavailable(WalletError):
    """A part behind the server (node, bundler, Redis) did not answer; the same request may pass later."""

    status = 503
    default_reason = "unavailable"
    retryable = True


class OutcomeUnknown(Unavailable):
    """A write whose answer did not come: it may have happened. Asking about it, or sending it again, is safe."""

    default_reason = "outcome_unknown"


class InternalError(WalletError):
    """A bug of ours. The caller sees the incident number, the log has the rest."""

    status = 500
    default_reason = "internal_error"

    def __init__(self, incident: str) -> None:
        super().__init__(f"internal error, incident {incident}", incident=incident)
