"""Tests of the protection of credentials in text that errors and logs repeat."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_rpc.domain.secret_text import format_received, mask_credentials
from wallet_rpc.primitives import preview

PASSWORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\"'<>@"), min_size=8)
HOST = "10.0.0.7:6379"


@given(PASSWORDS, st.sampled_from(["redis", "rediss", "http", "https", "unix", "x-y+z.1"]), st.integers(1, 3))
def test_no_password_of_a_url_is_left(password: str, scheme: str, slashes: int) -> None:
    url = f"{scheme}:{'/' * slashes}user:{password}@{HOST}/0"

    assert mask_credentials(f"cannot reach {url} or {url}") == "cannot reach {0} or {0}".format(
        f"{scheme}:{'/' * slashes}…@{HOST}/…"
    )
    assert format_received(url) == ""


@given(st.text("abcdefghijklmnop0123456789-_/?=&.", min_size=1))
def test_no_key_in_path_or_query_of_a_url_is_left(tail: str) -> None:
    for start in ("/v2/", "/?apiKey=", "?apiKey=", "#"):
        assert mask_credentials(f"https://node.example{start}{tail} failed") == "https://node.example/… failed"


@given(PASSWORDS.filter(lambda text: not text.startswith("/")), st.sampled_from(["", "user"]))
def test_no_password_of_a_pair_is_left(password: str, user: str) -> None:
    masked = mask_credentials(f"{user}:{password}@{HOST}")

    assert masked.endswith(f"…@{HOST}")
    assert password not in masked
    assert format_received(f"{user}:{password}@{HOST}") == ""


@given(st.binary(min_size=32, max_size=32), st.sampled_from(["{}", "key={}", "'{}'", "(0x{})", "0x{}, 1"]))
def test_no_key_or_token_is_left(secret: bytes, where: str) -> None:
    letters = base64.urlsafe_b64encode(secret).decode().rstrip("=")
    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256"}).encode()).decode().rstrip("=")
    for key in (secret.hex(), f"0x{secret.hex()}"):
        assert key[2:20] not in mask_credentials(f"expected an address, got {preview(key)}")
    for written in (f"wrk_{letters}", f"{head}.{letters}.{letters}", f"{head}.{letters[:9]}", secret.hex()):
        text = where.format(written)
        assert written not in mask_credentials(text)
        assert mask_credentials(text) != text
        assert format_received(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "expected a URL starting with http:// or https://, with a host",
        "redis://10.0.0.7:6379",
        "http://127.0.0.1:4337/",
        "http://[::1]:4337",
        'WALLET_RPC_CHAINS: chain 1 (Home): the node serves chain "2", expected chain 1',
        "WALLET_RPC_DATA_DIR: another wallet-rpc (process 7) uses /data/a@b",
        "2026-11-29T10:44:35Z ops@example.com",
        "0x5FF137D4b0FDCD49DcA30c7CF57E578a026d2789",
        "examples.of.words",
    ],
)
def test_other_text_is_not_masked(text: str) -> None:
    assert mask_credentials(text) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ', got ""'),
        ("YES", ', got "YES"'),
        ("eip155,bitcoin", ', got "eip155,bitcoin"'),
        (7, ", got 7"),
        (None, ", got null"),
        ([1], ", got an array of 1"),
        ("0x5FF137D4b0FDCD49DcA30c7CF57E578a026d2789", ', got "0x5FF137D4b0FDCD49DcA30c7CF57E578a026d2789"'),
        ("0x5FF137D4b0FDCD49DcA30c7CF57E578a026d27891", ""),
        ("a=b", ""),
        ("a" * 20, ""),
    ],
)
def test_only_a_value_that_cannot_be_a_credential_is_repeated(value: object, expected: str) -> None:
    assert format_received(value) == expected
