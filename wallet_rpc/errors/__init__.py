"""Errors that a caller can see: JSON-RPC codes, HTTP statuses and stable reasons.

    WalletError
    ├── ParseError                 -32700
    ├── InvalidRequest             -32600
    │   └── SponsorshipFailed      -32600  no policy sponsors the operation
    ├── MethodNotFound             -32601
    ├── InvalidParams              -32602
    ├── Rejected                   -32000  a precheck failed; the caller can correct the cause
    │   ├── StaleNonce             -32000  prepare again
    │   ├── AccountDeployed        -32000  prepare again
    │   ├── AlreadyKnown           -32000  accepted before
    │   ├── UnreadableAnswer       -32000  unexpected return data of a contract
    │   ├── InstallPending         -32000  wait, then prepare again
    │   └── SessionNotInstalled    -32000  prepare again
    ├── LimitExceeded              -32005
    │   └── RateLimited            -32005  HTTP 429
    ├── Unauthorized                4100   HTTP 401
    │   └── Forbidden               4100   HTTP 403
    ├── SessionEnded                4100   revoked or expired
    ├── SessionPaused               4100   paused; it can be resumed
    ├── RuleDenied                  4100   a rule of the session, kept by this server, denies the operation
    ├── NotFound                   -32001  HTTP 404
    ├── Conflict                   -32002  HTTP 409
    ├── ValidationReverted         -32500  the account rejected the user operation
    │   ├── PaymasterRejected      -32501
    │   ├── OutOfTimeRange         -32503
    │   └── SignatureInvalid       -32507
    ├── ExecutionReverted          -32521
    ├── UnsupportedCapability       5700
    ├── UnsupportedChain            5710
    ├── UnknownBundle               5730
    ├── BundleTooLarge              5740
    ├── Unavailable                -32603  a dependency (node, bundler, Redis) does not respond; retry
    │   ├── OutcomeUnknown         -32603  a write that may have happened
    │   └── ShuttingDown           -32603  HTTP 503; cut by the end of the server
    └── InternalError              -32603  a bug of this server, with its incident number

A message is as `base` says; `reason` is a stable word. Any other exception is a bug, logged once, and `InternalError`.
Codes: JSON-RPC 2.0; EIP-1193 (4100); EIP-1474 (-32000..-32005); ERC-7769 (-32500..-32521); EIP-5792 (5700..5740).
"""

from __future__ import annotations

from typing import Any, Self

from wallet_rpc.errors.base import WalletError as WalletError
from wallet_rpc.errors.sessions import RuleDenied as RuleDenied
from wallet_rpc.errors.sessions import SessionEnded as SessionEnded
from wallet_rpc.errors.sessions import SessionPaused as SessionPaused
from wallet_rpc.primitives import Data, preview


class ParseError(WalletError):
    """The body is not JSON."""

    code = -32700
    default_reason = "parse_error"


class InvalidRequest(WalletError):
    """The body is JSON but not a JSON-RPC 2.0 request."""

    code = -32600
    default_reason = "invalid_request"


class SponsorshipFailed(InvalidRequest):
    """None of the named policies sponsors the operation; the code is that of the hosted service."""

    default_reason = "sponsorship_failed"


class MethodNotFound(WalletError):
    """No operation has this name."""

    code = -32601
    status = 404
    default_reason = "method_not_found"

    @classmethod
    def from_name(cls, method: str) -> Self:
        """Build the error for a method's name, with the message text that clients match."""
        is_test = method.startswith("wallet_test_")
        hint = "; wallet-rpc dev alone has methods named wallet_test_…, at the wallet's URLs" if is_test else ""
        return cls(f"the method {preview(method)} does not exist or is not available{hint}")


class InvalidParams(WalletError):
    """A parameter has an invalid value: `field` names it, `reason` gives the cause."""

    code = -32602
    default_reason = "invalid_params"


class Rejected(WalletError):
    """A precheck failed; the same request may pass when the chain state changes."""

    code = -32000
    default_reason = "precheck_failed"


class StaleNonce(Rejected):
    """Another operation used the nonce first; preparing again returns a fresh one."""

    default_reason = "stale_nonce"
    retryable = True


class AccountDeployed(Rejected):
    """The operation would deploy an account that another operation has deployed since; preparing again works."""

    default_reason = "account_deployed"
    retryable = True


class AlreadyKnown(Rejected):
    """A bundler or a node already has this operation or transaction, so an earlier submission succeeded."""

    default_reason = "already_known"


class InstallPending(Rejected):
    """An earlier, pending call installs the session; preparing again works once that call is included."""

    default_reason = "session_install_pending"
    retryable = True


class SessionNotInstalled(Rejected):
    """The call was prepared for an installed session, but the session is not installed on chain; prepare again."""

    default_reason = "session_not_installed"
    retryable = True


class UnreadableAnswer(Rejected):
    """A contract returns data that no supported account or module returns."""

    default_reason = "unreadable_answer"


class LimitExceeded(WalletError):
    """A limit of size, number or rate is exceeded."""

    code = -32005
    status = 429
    default_reason = "limit_exceeded"


class RateLimited(LimitExceeded):
    """The API key or session token exceeds its rate limit; `retryAfter` is in seconds."""

    default_reason = "rate_limited"
    sets_http_status = True


class Unauthorized(WalletError):
    """The credential is missing, invalid, expired or revoked (EIP-1193)."""

    code = 4100
    status = 401
    default_reason = "unauthorized"
    sets_http_status = True


class Forbidden(Unauthorized):
    """The credential is valid but does not allow this request."""

    status = 403
    default_reason = "forbidden"


class NotFound(WalletError):
    """The resource that the path or a field names does not exist, or does not belong to the caller."""

    code = -32001
    status = 404
    default_reason = "not_found"


class Conflict(WalletError):
    """The requested change was already made, or is no longer possible."""

    code = -32002
    status = 409
    default_reason = "conflict"


class ValidationReverted(WalletError):
    """The account or the entry point rejected the user operation during validation (ERC-7769)."""

    code = -32500
    default_reason = "validation_reverted"

    def __init__(self, text: str, *, entry_point: str | None = None, revert: Data | None = None, **rest: Any) -> None:
        super().__init__(text, entryPoint=entry_point, revert=None if revert is None else revert.hex0x(), **rest)
        self.entry_point = entry_point
        """The code of the entry point's message, such as `AA23`; None if it is not known."""
        self.revert = revert
        """The raw revert data; None if it is not known."""


class PaymasterRejected(ValidationReverted):
    """The paymaster rejected the user operation (ERC-7769)."""

    code = -32501
    default_reason = "paymaster_refused"


class OutOfTimeRange(ValidationReverted):
    """The operation is expired or not valid yet (ERC-7769)."""

    code = -32503
    default_reason = "out_of_time_range"


class SignatureInvalid(ValidationReverted):
    """The signature does not belong to the signer the account expects (ERC-7769)."""

    code = -32507
    default_reason = "signature_invalid"


class ExecutionReverted(WalletError):
    """The calls of the operation revert (ERC-7769); nothing was sent."""

    code = -32521
    default_reason = "execution_reverted"

    def __init__(self, text: str, *, revert: Data | None = None, **rest: Any) -> None:
        super().__init__(text, revert=None if revert is None else revert.hex0x(), **rest)
        self.revert = revert
        """The raw revert data; None if it is not known."""

    @property
    def is_empty(self) -> bool:
        """True without revert data or with none known, as for a transfer without sufficient balance."""
        return not self.revert


class UnsupportedCapability(WalletError):
    """A required capability is not supported (EIP-5792)."""

    code = 5700
    default_reason = "unsupported_capability"


class UnsupportedChain(WalletError):
    """No chain with this id is configured (EIP-5792)."""

    code = 5710
    default_reason = "unsupported_chain"


class UnknownBundle(WalletError):
    """No call with this id is known (EIP-5792)."""

    code = 5730
    status = 404
    default_reason = "unknown_call_id"


class BundleTooLarge(WalletError):
    """The request carries more calls than allowed (EIP-5792)."""

    code = 5740
    default_reason = "bundle_too_large"


class Unavailable(WalletError):
    """A dependency of the server (node, bundler, Redis) did not respond; the same request may pass later."""

    status = 503
    default_reason = "unavailable"
    retryable = True


class OutcomeUnknown(Unavailable):
    """A write without a response, which may have happened. A status request or a second submission is safe."""

    default_reason = "outcome_unknown"


class ShuttingDown(Unavailable):
    """A request that was running when the time to shut down had passed."""

    default_reason = "shutting_down"
    sets_http_status = True


class InternalError(WalletError):
    """A bug of this server. The caller sees the incident number; the log has the details."""

    status = 500
    default_reason = "internal_error"

    def __init__(self, incident: str) -> None:
        super().__init__(f"internal error, incident {incident}", incident=incident)
