"""The two error formats of the REST API.

Every error response of a path has the error format of that path. The response after a bug reveals no details.

Source: seeds 000 (organisations) and 004 (session tokens).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from starlette.responses import Response

from wallet_rpc import wire
from wallet_rpc.edge.guard import JsonResponse
from wallet_rpc.edge.request_context import current_context
from wallet_rpc.errors import InvalidParams, Unavailable, WalletError
from wallet_rpc.operations.operation import ErrorFormat
from wallet_rpc.wire import FieldError, shape


@shape
class Detail:
    """The error of one field."""

    field: str
    """Path of the invalid field, such as `installs[0].chainId`."""
    message: str
    """Expectation that the field does not meet."""


@shape
class OrganizationError:
    """An error on the paths of organisations; `code` is the HTTP status followed by three digits for the cause."""

    code: int
    """HTTP status times 1000, plus a number for the cause."""
    message: str
    """One sentence on the cause, for display."""
    details: tuple[Detail, ...]
    """Errors of single fields; empty if the error has no field."""
    request_id: str
    """The value of the header `X-Request-Id`."""


@shape
class TokenError:
    """An error on the paths of session tokens; `error` is the HTTP reason phrase, absent for 401 and 500."""

    status_code: int
    """HTTP status of the response."""
    message: str
    """One sentence on the cause, for display."""
    error: str | None = None
    """HTTP reason phrase of the status."""


ERROR_TYPES: Mapping[ErrorFormat, Any] = {ErrorFormat.ORGANIZATION: OrganizationError, ErrorFormat.TOKEN: TokenError}
"""The body type of each error format."""

ORGANIZATION_CODES: Mapping[str, int] = {
    "parse_error": 400001,
    "unsupported_media_type": 400001,
    "validation": 400002,
    "invalid_params": 400002,
    "missing": 400002,
    "malformed": 400002,
    "unknown_member": 400002,
    "abi_malformed": 400002,
    "bundle_too_large": 400002,
    "call_on_another_chain": 400002,
    "function_malformed": 400002,
    "rule_malformed": 400002,
    "time_malformed": 400002,
    "time_zone_unknown": 400002,
    "token_is_native": 400002,
    "too_many": 400002,
    "too_many_values": 400002,
    "address_malformed": 400003,
    "zero_address": 400003,
    "chain_unsupported": 400004,
    "unsupported_chain": 400004,
    "duplicate_chain": 400005,
    "session_registered": 400005,
    "grant_undecodable": 400006,
    "grant_signature_invalid": 400007,
    "grant_disagrees": 400008,
    "session_forgotten": 400008,
    "expiry_out_of_range": 400009,
    "pagination": 400010,
    "grant_has_private_key": 400011,
    "malformed_http": 400012,
    "webhook_url": 400013,
    "stop_scope": 400014,
    "api_key_required": 401001,
    "api_key_invalid": 401002,
    "session_token_invalid": 401002,
    "session_token_expired": 401002,
    "session_token_revoked": 401002,
    "api_key_revoked": 401003,
    "api_key_expired": 401003,
    "key_scope": 403001,
    "insufficient_scope": 403001,
    "host_not_allowed": 403002,
    "origin_not_allowed": 403002,
    "forwarded_request": 403002,
    "owner_signature_required": 403003,
    "session_not_controlled": 403003,
    "organization_not_found": 404001,
    "wallet_not_found": 404002,
    "session_not_found": 404003,
    "webhook_not_found": 404004,
    "stop_not_found": 404005,
    "approval_not_found": 404006,
    "method_not_allowed": 405001,
    "body_too_slow": 408001,
    "head_too_slow": 408001,
    "session_already_revoked": 409001,
    "session_already_expired": 409002,
    "too_many_webhooks": 409003,
    "stop_is_final": 409004,
    "approval_ended": 409005,
    "body_too_large": 413001,
    "rate_limited": 429001,
    "too_many_stops": 429002,
}
"""The code for each reason on the paths of organisations. Any other reason has the status followed by 000."""

_PHRASES: Mapping[int, str] = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Payload Too Large",
    414: "URI Too Long",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}
"""HTTP reason phrases; those of the standard library differ between Python versions."""
_FIXED_MESSAGES: Mapping[int, str] = {
    401001: "invalid or missing token",
    401002: "invalid or missing token",
    500000: "internal error",
}
"""Messages on the paths of organisations that replace the error's own message, by code."""
_RETRY_SECONDS = 1
"""The value of `Retry-After` when an upstream does not respond."""


def rest_error_response(
    error_format: ErrorFormat, status: int, error: WalletError, headers: Mapping[str, str] | None = None
) -> Response:
    """Build the HTTP response of an error."""
    current_context().record_rejection(code_of(error_format, status, error), error)
    content: Any
    match error_format:
        case ErrorFormat.ORGANIZATION:
            code = code_of(error_format, status, error)
            status = code // 1000
            details = _details(error)
            message = _FIXED_MESSAGES.get(code, error.message)
            content = OrganizationError(code=code, message=message, details=details, request_id=current_context().id)
        case ErrorFormat.TOKEN:
            message = "Internal server error" if status == 500 else error.message
            content = TokenError(status_code=status, message=message, error=_PHRASES.get(status))
        case _:
            assert_never(error_format)
    body = wire.dump_json(ERROR_TYPES[error_format], content)
    return JsonResponse(body, status, {**_headers(status, error), **(headers or {})})


def code_of(error_format: ErrorFormat, status: int, error: WalletError) -> int:
    """Return the numeric code of an error in its format: an organisation code, or the HTTP status."""
    if error_format is ErrorFormat.ORGANIZATION:
        return ORGANIZATION_CODES.get(error.reason, status * 1000)
    return status


def merge_field_errors(error_format: ErrorFormat, errors: Sequence[FieldError]) -> InvalidParams:
    """Build the error of a request with invalid fields: all of them for organisations, the first one for tokens."""
    if error_format is ErrorFormat.TOKEN:
        return InvalidParams(_sentence(errors[0]))
    reasons = {error.reason for error in errors}
    details = [
        {"field": error.field, "message": "is required" if error.reason == "missing" else error.text}
        for error in errors
    ]
    reason = reasons.pop() if len(reasons) == 1 else "validation"
    return InvalidParams("validation failed", reason=reason).with_details(details)


def _sentence(error: FieldError) -> str:
    """Format a field error as one sentence. The text of a validator that sets a reason already names the field."""
    match error.reason:
        case "missing":
            return f"{error.field} should not be empty"
        case "malformed":
            return f"{error.field or 'request'}: {error.text}"
        case _:
            return error.text


def _details(error: WalletError) -> tuple[Detail, ...]:
    """Return the details of an error, by default one with its field and text."""
    if error.details is not None:
        return tuple(Detail(**detail) for detail in error.details)
    return () if error.field is None else (Detail(field=error.field, message=error.text),)


def _headers(status: int, error: WalletError) -> dict[str, str]:
    if status == 401:
        return {"www-authenticate": "Bearer"}
    return {"retry-after": str(_RETRY_SECONDS)} if isinstance(error, Unavailable) else {}
