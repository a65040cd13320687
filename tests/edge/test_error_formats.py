"""The error formats of REST: codes for organisations, reason phrases for tokens, and nothing of a bug."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_rpc.edge.error_formats import ORGANIZATION_CODES, merge_field_errors, rest_error_response
from wallet_rpc.errors import InternalError, InvalidParams, Unavailable, WalletError
from wallet_rpc.operations.operation import ErrorFormat
from wallet_rpc.wire import FieldError

DOCUMENTED = {
    400001: {"parse_error", "unsupported_media_type"},
    400002: {
        *("validation", "invalid_params", "missing", "malformed", "unknown_member"),
        *("rule_malformed", "function_malformed", "time_malformed", "time_zone_unknown", "token_is_native"),
        *("abi_malformed", "bundle_too_large", "call_on_another_chain", "too_many", "too_many_values"),
    },
    400003: {"address_malformed", "zero_address"},
    400004: {"chain_unsupported", "unsupported_chain"},
    400005: {"duplicate_chain", "session_registered"},
    400006: {"grant_undecodable"},
    400007: {"grant_signature_invalid"},
    400008: {"grant_disagrees", "session_forgotten"},
    400009: {"expiry_out_of_range"},
    400010: {"pagination"},
    400011: {"grant_has_private_key"},
    400012: {"malformed_http"},
    400013: {"webhook_url"},
    400014: {"stop_scope"},
    401001: {"api_key_required"},
    401002: {"api_key_invalid", "session_token_invalid", "session_token_expired", "session_token_revoked"},
    401003: {"api_key_revoked", "api_key_expired"},
    403001: {"key_scope", "insufficient_scope"},
    403002: {"host_not_allowed", "origin_not_allowed", "forwarded_request"},
    403003: {"owner_signature_required", "session_not_controlled"},
    404001: {"organization_not_found"},
    404002: {"wallet_not_found"},
    404003: {"session_not_found"},
    404004: {"webhook_not_found"},
    404005: {"stop_not_found"},
    404006: {"approval_not_found"},
    405001: {"method_not_allowed"},
    408001: {"body_too_slow", "head_too_slow"},
    409001: {"session_already_revoked"},
    409002: {"session_already_expired"},
    409003: {"too_many_webhooks"},
    409004: {"stop_is_final"},
    409005: {"approval_ended"},
    413001: {"body_too_large"},
    429001: {"rate_limited"},
    429002: {"too_many_stops"},
}
"""Source: specs/http.md."""


def format_error(error_format: ErrorFormat, status: int, error: WalletError) -> tuple[int, Any]:
    response = rest_error_response(error_format, status, error)
    return response.status_code, json.loads(bytes(response.body))


def test_every_reason_has_its_documented_code() -> None:
    reasons: dict[int, set[str]] = {}
    for reason, code in ORGANIZATION_CODES.items():
        reasons.setdefault(code, set()).add(reason)

    assert reasons == DOCUMENTED


@given(
    st.sampled_from(sorted(ORGANIZATION_CODES)) | st.text(),
    st.sampled_from([400, 401, 403, 404, 409, 429, 500, 503]),
    st.text(),
)
def test_the_code_contains_the_status_and_the_message_is_that_of_the_error(
    reason: str, status: int, message: str
) -> None:
    error = InvalidParams(message.encode(errors="replace").decode(), reason=reason)
    (code_status, organization), (token_status, token) = (
        format_error(error_format, status, error) for error_format in ErrorFormat
    )

    assert organization["code"] // 1000 == code_status
    assert token["statusCode"] == token_status == status
    assert ("error" in token) == (status not in {401, 500})
    assert organization["message"] in {error.message, "invalid or missing token", "internal error"}
    assert token["message"] == (error.message if status != 500 else "Internal server error")


@pytest.mark.parametrize("error_format", ErrorFormat)
def test_the_response_to_a_bug_reveals_nothing(error_format: ErrorFormat) -> None:
    assert "4f1c" not in str(format_error(error_format, 500, InternalError("4f1c")))


@pytest.mark.parametrize("error_format", ErrorFormat)
def test_an_unavailable_error_has_retry_after(error_format: ErrorFormat) -> None:
    assert rest_error_response(error_format, 503, Unavailable("redis: no answer")).headers["retry-after"] == "1"
    assert "retry-after" not in rest_error_response(error_format, 400, InvalidParams("no")).headers
    assert rest_error_response(error_format, 405, InvalidParams("no"), {"allow": "GET"}).headers["allow"] == "GET"


validation_errors = st.lists(
    st.builds(
        FieldError,
        field=st.sampled_from(["a", "b[0].c", ""]),
        text=st.just("must be 1"),
        reason=st.sampled_from(["missing", "malformed", "validation", "pagination", "address_malformed"]),
    ),
    min_size=1,
)


@given(validation_errors)
def test_organisations_get_all_field_errors_and_tokens_the_first(errors: list[FieldError]) -> None:
    _, organization = format_error(ErrorFormat.ORGANIZATION, 400, merge_field_errors(ErrorFormat.ORGANIZATION, errors))
    _, token = format_error(ErrorFormat.TOKEN, 400, merge_field_errors(ErrorFormat.TOKEN, errors))

    kinds = {ORGANIZATION_CODES[each.reason] for each in errors}
    assert organization["message"] == "validation failed"
    assert organization["code"] == (kinds.pop() if len({each.reason for each in errors}) == 1 else 400002)
    assert [detail["field"] for detail in organization["details"]] == [each.field for each in errors]
    assert {detail["message"] for detail in organization["details"]} <= {"must be 1", "is required"}
    assert token["message"] in {
        f"{errors[0].field} should not be empty",
        f"{errors[0].field or 'request'}: must be 1",
        "must be 1",
    }
