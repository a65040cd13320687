"""Tests of unpadded base64url."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_rpc.primitives.base64url import decode_base64url, encode_base64url


@pytest.mark.parametrize(
    ("text", "data"), [("", b""), ("Zg", b"f"), ("Zm8", b"fo"), ("Zm9v", b"foo"), ("-_8", b"\xfb\xff")]
)
def test_text_and_bytes_match_rfc_4648(text: str, data: bytes) -> None:
    assert encode_base64url(data) == text
    assert decode_base64url(text) == data


@given(st.binary(max_size=40))
def test_decoding_reverses_encoding(data: bytes) -> None:
    assert decode_base64url(encode_base64url(data)) == data


@pytest.mark.parametrize("text", ["Zg==", "Zm8=", "=", "A", "Zm9vA", "Zm 9v", "Zm9v\n", "Zm9!", "Zé8"])
def test_other_text_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_base64url(text)
