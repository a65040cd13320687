"""Tests of serialized grants: two forms are parsed, and errors repeat nothing of any text."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.domain.strategies import addresses, blobs
from wallet_rpc.domain.context import InstalledContext, LocalContext, RemoteContext, format_context
from wallet_rpc.domain.serialized_grant import (
    MAX_CHARACTERS,
    MAX_GRANT_LEVELS,
    SAFE_INTEGER,
    SerializedGrant,
    parse_grant,
)
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Data, SessionId

SECRET = "0x" + "5ec2e7" * 10 + "beef"
SESSION = "0x" + "11" * 16
ZERODEV = {"permissionParams": {"policies": [], "permissionId": "0x01020304"}, "enableSignature": "0x12"}

session_ids = st.binary(min_size=16, max_size=16).map(SessionId)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


def pack(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def catch_error(text: str) -> InvalidParams:
    with pytest.raises(InvalidParams) as error_info:
        parse_grant(text)
    return error_info.value


def outcome(text: str) -> SerializedGrant | str:
    """Return the parsed grant, or the reason of its rejection."""
    try:
        return parse_grant(text)
    except InvalidParams as error:
        return error.reason


@given(session_ids, blobs)
def test_a_context_is_read_as_the_sdk_writes_it(session_id: SessionId, signature: Data) -> None:
    context = format_context(RemoteContext(session_id=session_id, signature=signature))

    assert parse_grant(context.hex0x()) == SerializedGrant(session_id=session_id, signature=signature)


@given(
    st.builds(
        SerializedGrant,
        session_id=session_ids,
        signature=blobs,
        account=st.none() | addresses,
        chain_id=st.none() | st.integers(1, SAFE_INTEGER),
    ),
    st.booleans(),
    st.booleans(),
)
def test_json_is_read_in_either_alphabet_padded_or_not(grant: SerializedGrant, is_url: bool, is_padded: bool) -> None:
    value = {
        "v": 1,
        "sessionId": grant.session_id.hex0x(),
        "signature": grant.signature.hex0x(),
        **({} if grant.account is None else {"account": grant.account.hex0x()}),
        **({} if grant.chain_id is None else {"chainId": grant.chain_id}),
        "extra": None,
    }
    encode = base64.urlsafe_b64encode if is_url else base64.b64encode
    text = encode(json.dumps(value).encode()).decode()

    assert parse_grant(text if is_padded else text.rstrip("=")) == grant


@given(st.text() | st.text(alphabet='0x123456789abcdefABCDEF={}[]"-_+/ \n', max_size=80) | json_values.map(pack))
@example("0x")
@example("0x0")
@example("===")
@example(pack("a"))
@example(pack(None))
@example("\ud800")
@example("{\ud800")
def test_any_text_is_a_grant_or_refused(text: str) -> None:
    result = outcome(text)

    assert isinstance(result, SerializedGrant) or result in {"grant_undecodable", "grant_has_private_key"}


@given(st.binary(max_size=120))
def test_any_bytes_in_either_form_are_a_grant_or_refused(raw: bytes) -> None:
    for text in ("0x" + raw.hex(), base64.b64encode(raw).decode(), raw.decode("latin-1")):
        result = outcome(text)
        assert result == "grant_undecodable" if isinstance(result, str) else bytes(result.session_id) in raw


@given(json_values, st.lists(st.booleans(), max_size=MAX_GRANT_LEVELS - 2), st.booleans())
def test_a_private_key_is_found_at_any_depth_and_never_repeated(other: Any, path: list[bool], is_plain: bool) -> None:
    value: Any = {"privateKey": SECRET, "beside": other}
    for is_list in path:
        value = [other, value] if is_list else {"a": other, "b": value}

    error = catch_error(json.dumps(value) if is_plain else pack(value))

    if len(json.dumps(value)) * 4 / 3 < MAX_CHARACTERS - 4:
        assert error.reason == "grant_has_private_key"
    assert SECRET[2:12] not in str(error.data) + error.message


def test_a_private_key_in_a_permission_account_has_precedence() -> None:
    assert catch_error(pack({**ZERODEV, "privateKey": SECRET})).reason == "grant_has_private_key"


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "expected 1 to 16384 characters, got 0"),
        ("0x00" + "11" * MAX_CHARACTERS, "expected 1 to 16384 characters, got 32772"),
        ("0x00112", "hex of whole bytes"),
        ("0xzz", "hex of whole bytes"),
        ("0x" + "00" * 16, "a session id of 16 bytes"),
        ("0x03" + "11" * 30, "a session id of 16 bytes"),
        (format_context(LocalContext(blob=Data(b"\1" * 70))).hex0x(), "version 0x01 are not supported"),
        (format_context(InstalledContext(is_global=True, entity_id=1)).hex0x(), "version 0x02 are not supported"),
        ("not base64!", "hex, or JSON in base64"),
        (" 0x00", "hex, or JSON in base64"),
        ("e30=\n", "hex, or JSON in base64"),
        ("e30==", "hex, or JSON in base64"),
        ("e30", "JSON with v 1"),
        (pack([1]), "JSON with v 1"),
        (json.dumps({"v": 1, "sessionId": SESSION, "signature": "0x"}), "got JSON as it is"),
        (pack({"v": 2, "sessionId": SESSION, "signature": "0x"}), "JSON with v 1"),
        (pack({"v": True, "sessionId": SESSION, "signature": "0x"}), "JSON with v 1"),
        (pack({"v": 1, "sessionId": SESSION}), "JSON with v 1"),
        (pack({"v": 1, "sessionId": SESSION, "signature": "0x", "chainId": "1"}), "JSON with v 1"),
        (pack({"v": 1, "sessionId": SESSION, "signature": "0x", "chainId": True}), "JSON with v 1"),
        (pack({"v": 1, "sessionId": SESSION, "signature": "0x", "account": "0x12"}), "JSON with v 1"),
        (pack(ZERODEV), "grant format not supported"),
    ],
)
def test_other_texts_are_refused(text: str, detail: str) -> None:
    error = catch_error(text)

    assert error.reason == "grant_undecodable"
    assert detail in error.message


def test_json_that_is_too_deep_to_be_looked_through_is_refused() -> None:
    value: Any = {"privateKey": SECRET}
    for _ in range(MAX_GRANT_LEVELS):
        value = [value]

    error = catch_error(pack(value))

    assert error.reason == "grant_undecodable"
    assert "32 levels" in error.message
    assert catch_error(base64.b64encode(b"[" * 12_000).decode()).reason == "grant_undecodable"


@given(st.text(alphabet="0123456789abcdef", min_size=40, max_size=64))
def test_no_refusal_repeats_what_was_sent(secret: str) -> None:
    for text in (secret, "0x" + secret + "g", pack({"v": 1, "signature": secret}), json.dumps({"key": secret})):
        error = catch_error(text)
        assert secret[:12] not in error.message + str(error.data)
