"""The two dialects in which REST says what went wrong.

The rule: every refusal of a path is told in the path's own dialect, whoever refuses; nothing of a bug is told.

Source: seeds 000 (organisations) and 004 (session tokens).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from starlette.responses import Response

from wallet_rpc import wire
from wallet_rpc.edge import observe
from wallet_rpc.edge.envelope import dump_json, to_json_value
from wallet_rpc.edge.guard import json_response
from wallet_rpc.errors import InvalidParams, Unavailable, WalletError
from wallet_rpc.operations.operation import ErrorFormat
from wallet_rpc.wire import FieldError, shape


@shape
class Detail:
    """What is wrong with one field."""

    field: str
    message: str


@shape
class OrganizationError:
    """A refusal on the paths of organisations; `code` is the HTTP status and three digits that say why."""

    code: int
    message: str
    details: tuple[Detail, ...]
    request_id: str
    """As the header `X-Request-Id`."""


@shape
class TokenError:
    """A refusal on the paths of session tokens; `error` is the status in words, absent for 401 and 500."""

    status_code: int
    message: str
    error: str | None = None


ERROR_TYPES: Mapping[ErrorFormat, Any] = {ErrorFormat.ORGANIZATION: OrganizationError, ErrorFormat.TOKEN: TokenError}
"""The type of each dialect's bodies."""

ORGANIZATION_CODES: Mapping[str, int] = {
    "parse_error": 400001,
    "unsupported_media_type": 400001,
    "validation": 400002,
    "invalid_params": 400002,
    "missing": 400002,
    "malformed": 400002,
    "unknown_member": 400002,
    "address_malformed": 400003,
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
    "organization_not_found": 404001,
    "wallet_not_found": 404002,
    "session_not_found": 404003,
    "method_not_allowed": 405001,
    "body_too_slow": 408001,
    "head_too_slow": 408001,
    "session_already_revoked": 409001,
    "session_already_expired": 409002,
    "body_too_large": 413001,
    "rate_limited": 429001,
}
"""What organisations are told for a reason: the status and three digits. Any other reason: the status and 000."""

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
"""A status in words. Python's own differ between its versions."""
_FIXED_MESSAGES: Mapping[int, str] = {
    401001: "invalid or missing token",
    401002: "invalid or missing token",
    500000: "internal error",
}
"""What organisations read instead of the error's own message."""
_RETRY_SECONDS = 1
"""When to try again where a part behind us does not answer."""


def rest_error_response(
    error_format: ErrorFormat, status: int, error: WalletError, headers: Mapping[str, str] | None = None
) -> Response:
    """The whole answer of a refusal."""
    told: Any
    match error_format:
        case ErrorFormat.ORGANIZATION:
            code = code_of(error_format, status, error)
            status = code // 1000
            details = tuple(Detail(**detail) for detail in _details(error))
            message = _FIXED_MESSAGES.get(code, error.message)
            told = OrganizationError(code=code, message=message, details=details, request_id=observe.request_id())
        case ErrorFormat.TOKEN:
            message = "Internal server error" if status == 500 else error.message
            told = TokenError(status_code=status, message=message, error=_PHRASES.get(status))
        case _:
            assert_never(error_format)
    body = dump_json(wire.encode(ERROR_TYPES[error_format], told))
    return json_response(body, status, {**_headers(status, error), **(headers or {})})


def code_of(error_format: ErrorFormat, status: int, error: WalletError) -> int:
    """The number by which the dialect tells errors apart."""
    return ORGANIZATION_CODES.get(error.reason, status * 1000) if error_format is ErrorFormat.ORGANIZATION else status


def merge_field_errors(error_format: ErrorFormat, errors: Sequence[FieldError]) -> InvalidParams:
    """The error of a request with faults: organisations are told all of them, for tokens the first says it."""
    if error_format is ErrorFormat.TOKEN:
        return InvalidParams(_sentence(errors[0]))
    reasons = {fault.reason for fault in errors}
    return InvalidParams(
        "validation failed",
        reason=reasons.pop() if len(reasons) == 1 else "validation",
        details=[
            {"field": fault.field, "message": "is required" if fault.reason == "missing" else fault.text}
            for fault in errors
        ],
    )


def _sentence(error: FieldError) -> str:
    """A fault where no field stands beside it; a validator's own words say which they mean."""
    match error.reason:
        case "missing":
            return f"{error.field} should not be empty"
        case "malformed":
            return f"{error.field or 'request'}: {error.text}"
        case _:
            return error.text


def _details(error: WalletError) -> Any:
    """The fact `details`; of an error that names a field, its message."""
    field = error.facts.get("field")
    named = [] if field is None else [{"field": field, "message": error.message}]
    return to_json_value(error.facts.get("details", named))


def _headers(status: int, error: WalletError) -> dict[str, str]:
    if status == 401:
        return {"www-authenticate": "Bearer"}
    return {"retry-after": str(_RETRY_SECONDS)} if isinstance(error, Unavailable) else {}
