"""Session tokens: a token that the server signed reads back, and any other text is rejected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.token_signing import (
    CLAIMS,
    HEADER,
    NOW,
    PAYLOAD,
    PUBLIC_KEY,
    SECRET,
    TOKEN_SIGNER,
    data,
    forge_token,
    is_rejected,
    text,
)
from wallet_rpc.adapters.jwt_tokens import JwtTokenSigner
from wallet_rpc.domain.access import Claims, KeyId, OrganizationId, Scope, Wallet, WalletNamespace
from wallet_rpc.primitives import Address

wallets = st.builds(
    lambda address: Wallet(namespace=WalletNamespace.EVM, address=Address(address).hex0x()),
    st.binary(min_size=20, max_size=20).filter(any),
) | st.just(Wallet(namespace=WalletNamespace.SOLANA, address="DRpbCBMxVnDK7maPM5tGv6MvB3v1sRMC86PZ8okm21hy"))
some_claims = st.builds(
    Claims,
    id=st.binary(min_size=16, max_size=16).map(bytes.hex),
    wallet=wallets,
    scopes=st.lists(st.sampled_from(Scope), min_size=1, unique=True).map(tuple),
    key=st.text(max_size=30).map(KeyId),
    organization=st.text(max_size=30).map(OrganizationId),
    issued_at=st.just(NOW),
    expires_at=st.integers(NOW + 1, NOW + 3600),
)


def test_a_token_has_exactly_this_encoding() -> None:
    token = TOKEN_SIGNER.sign_token(CLAIMS)
    assert token.startswith("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.")
    assert token == forge_token()
    assert TOKEN_SIGNER.verify_token(token, now=NOW) == CLAIMS


@given(some_claims)
def test_signed_claims_read_back(claims: Claims) -> None:
    token = TOKEN_SIGNER.sign_token(claims)
    assert TOKEN_SIGNER.verify_token(token, now=NOW) == claims
    read = jwt.decode(token, SECRET, algorithms=["HS256"], audience="wallet-rpc", options={"verify_exp": False})
    assert (read["sub"], read["exp"], read["jti"]) == (claims.wallet.address, claims.expires_at, claims.id)


@given(some_claims, st.integers(0, 2**48 - 1))
def test_a_token_is_valid_from_its_issue_to_the_second_before_its_expiry(claims: Claims, now: int) -> None:
    token = TOKEN_SIGNER.sign_token(claims)
    if now < NOW - 60:
        assert is_rejected(token, now=now)
    elif now >= claims.expires_at:
        assert is_rejected(token, now=now, reason="session_token_expired")
    else:
        assert TOKEN_SIGNER.verify_token(token, now=now) == claims


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (NOW - 61, "session_token_invalid"),
        (NOW - 60, None),
        (NOW + 299, None),
        (NOW + 300, "session_token_expired"),
    ],
)
def test_the_limits_of_a_tokens_validity(now: int, reason: str | None) -> None:
    token = TOKEN_SIGNER.sign_token(CLAIMS)
    if reason is None:
        assert TOKEN_SIGNER.verify_token(token, now=now) == CLAIMS
    else:
        assert is_rejected(token, now=now, reason=reason)


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "none ", "", None, 0, [], "HS384", "HS512", "hs256"])
@pytest.mark.parametrize("signature_of", [lambda *_: b"", None], ids=["unsigned", "signed"])
def test_no_other_algorithm_is_accepted(alg: Any, signature_of: Callable[..., bytes] | None) -> None:
    assert is_rejected(forge_token({"alg": alg, "typ": "JWT"}, signature_of=signature_of))
    assert is_rejected(forge_token({"typ": "JWT"}, signature_of=signature_of))


@pytest.mark.parametrize("alg", ["RS256", "ES256", "PS256", "EdDSA", "HS256"])
def test_a_public_key_is_not_accepted_as_the_secret(alg: str) -> None:
    """Algorithm confusion: a verifier that takes a public key as shared secret accepts tokens signed with that key."""
    assert is_rejected(forge_token({"alg": alg, "typ": "JWT"}, secret=PUBLIC_KEY))
    assert is_rejected(forge_token({"alg": alg, "typ": "JWT"}) if alg != "HS256" else forge_token(secret=b""))


@pytest.mark.parametrize(
    "header",
    [
        {**HEADER, "kid": "../../dev/null"},
        {**HEADER, "kid": "key_0123456789abcdef0123"},
        {**HEADER, "jku": "https://attacker.example/keys.json"},
        {**HEADER, "jwk": {"kty": "oct", "k": "YWFh"}},
        {**HEADER, "x5u": "https://attacker.example/cert"},
        {**HEADER, "crit": ["exp"]},
        {**HEADER, "crit": []},
        {**HEADER, "b64": False, "crit": ["b64"]},
        {**HEADER, "zip": "DEF"},
        {**HEADER, "cty": "JWT"},
        {"alg": "HS256"},
        {"alg": "HS256", "typ": "at+jwt"},
        {"typ": "JWT", "alg": "HS256"},
        b'{"alg": "HS256", "typ": "JWT"}',
        b'{"alg":"none","alg":"HS256","typ":"JWT"}',
        b'{"alg":"HS256","typ":"JWT"}\n',
        b"[]",
        b"null",
        b"",
        b"\xff",
    ],
)
def test_no_other_header_is_accepted_even_with_a_valid_signature(header: Any) -> None:
    assert is_rejected(forge_token(header))


@given(st.data())
def test_no_bit_of_a_token_can_be_changed(draw: st.DataObject) -> None:
    token = TOKEN_SIGNER.sign_token(CLAIMS)
    parts = token.split(".")
    which = draw.draw(st.integers(0, 2))
    raw = bytearray(data(parts[which]))
    bit = draw.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    parts[which] = text(bytes(raw))
    assert is_rejected(".".join(parts))


@given(st.data())
def test_no_letter_of_a_token_can_be_changed(draw: st.DataObject) -> None:
    """This includes other base64 encodings of the same bytes: a token has one encoding."""
    token = TOKEN_SIGNER.sign_token(CLAIMS)
    index = draw.draw(st.integers(0, len(token) - 1))
    letter = draw.draw(st.characters().filter(lambda other: other != token[index]))
    assert is_rejected(token[:index] + letter + token[index + 1 :])


@pytest.mark.parametrize("letter", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=")
def test_the_last_letter_has_one_valid_value(letter: str) -> None:
    token = TOKEN_SIGNER.sign_token(CLAIMS)
    if letter != token[-1]:
        assert is_rejected(token[:-1] + letter)


@given(st.data())
def test_a_part_of_a_token_is_rejected(draw: st.DataObject) -> None:
    token = TOKEN_SIGNER.sign_token(CLAIMS)
    cut = draw.draw(st.integers(1, len(token) - 1))
    assert is_rejected(token[:cut])
    assert is_rejected(token[cut:])


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token + ".",
        lambda token: "." + token,
        lambda token: token + "=",
        lambda token: token + "\n",
        lambda token: " " + token,
        lambda token: token + "." + token,
        lambda token: token + "." + token.split(".")[2],
        lambda token: token.replace(".", "..", 1),
        lambda token: ".".join([*token.split(".")[:2], ""]),
        lambda token: ".".join([token.split(".")[0], "", token.split(".")[2]]),
        lambda token: ".".join(token.split(".")[:2]),
        lambda token: ".".join(reversed(token.split("."))),
        lambda token: token.replace(".", "\u2024"),
        lambda token: token + "\ud800",
        lambda token: "Bearer " + token,
    ],
)
def test_missing_or_additional_parts_are_rejected(change: Callable[[str], str]) -> None:
    assert is_rejected(change(TOKEN_SIGNER.sign_token(CLAIMS)))


@given(st.text() | st.from_regex(r"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]{43}"))
def test_an_arbitrary_text_is_rejected(token: str) -> None:
    assert is_rejected(token)


@pytest.mark.parametrize("size", [10_000, 10_000_000])
def test_a_huge_token_is_rejected(size: int) -> None:
    assert is_rejected(forge_token({**HEADER, "x": "y" * size}))
    assert is_rejected(forge_token(payload={**PAYLOAD, "x": "y" * size}))
    assert is_rejected("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + "A" * size)
    assert is_rejected("." * size)


@pytest.mark.parametrize(
    "value", [None, "", "x", -1, 1.5, True, [], {}, "wallet-rpc.", ["wallet-rpc"], 2**53], ids=repr
)
@pytest.mark.parametrize("claim", list(PAYLOAD))
def test_a_claim_of_another_type_is_rejected(claim: str, value: Any) -> None:
    """The signature is valid, as if an older server, or another program with the secret, had signed it."""
    token = forge_token(payload={**PAYLOAD, claim: value})
    if claim in {"key", "org"} and isinstance(value, str):  # the authenticator looks these up
        assert value in {
            TOKEN_SIGNER.verify_token(token, now=NOW).key,
            TOKEN_SIGNER.verify_token(token, now=NOW).organization,
        }
    else:
        assert is_rejected(token)


@pytest.mark.parametrize("claim", list(PAYLOAD))
def test_a_missing_claim_is_rejected(claim: str) -> None:
    assert is_rejected(forge_token(payload={name: value for name, value in PAYLOAD.items() if name != claim}))


@pytest.mark.parametrize(
    "changes",
    [
        {"scope": "wallet:write"},
        {"scope": "wallet:read  transactions:build"},
        {"scope": "wallet:read wallet:write"},
        {"scope": " wallet:read"},
        {"scope": "*"},
        {"ns": "solana"},
        {"ns": "eip155:1"},
        {"sub": "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"},  # not the checksummed form
        {"sub": "0x0000000000000000000000000000000000000000"},
        {"sub": "DRpbCBMxVnDK7maPM5tGv6MvB3v1sRMC86PZ8okm21hy"},
        {"jti": "0123456789ABCDEF" * 2},
        {"jti": "0123456789abcdef" * 2 + "\n"},
        {"iss": "another"},
        {"aud": "another"},
        {"aud": ["wallet-rpc", "another"]},
        {"exp": float(NOW + 300)},
        {"exp": hex(NOW + 300)},
        {"iat": float(NOW)},
        {"iat": hex(NOW)},
        {"nbf": 2**40},
        {"exp": 2**48},
    ],
    ids=str,
)
def test_claims_that_the_server_never_signs_are_rejected(changes: dict[str, Any]) -> None:
    assert is_rejected(forge_token(payload={**PAYLOAD, **changes}))


def test_times_are_checked_against_the_given_clock_and_not_the_systems() -> None:
    future = replace(CLAIMS, issued_at=2**40, expires_at=2**40 + 300)
    assert TOKEN_SIGNER.verify_token(TOKEN_SIGNER.sign_token(future), now=2**40) == future


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b'"a"', b"{", b"\xff", b"[" * 1000, b"1e400"])
def test_a_payload_that_is_not_an_object_is_rejected_with_a_valid_signature(payload: bytes) -> None:
    assert is_rejected(forge_token(payload=payload))


def test_a_token_of_another_issuer_is_rejected() -> None:
    ours, theirs = JwtTokenSigner((SECRET,), "https://a.example"), JwtTokenSigner((SECRET,), "https://b.example")
    assert ours.verify_token(ours.sign_token(CLAIMS), now=NOW) == CLAIMS
    assert is_rejected(ours.sign_token(CLAIMS), theirs)
    assert is_rejected(ours.sign_token(CLAIMS))
