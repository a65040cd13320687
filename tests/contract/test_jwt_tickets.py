"""Submission tickets, which are not valid as tokens, and the secrets of both."""

from __future__ import annotations

import hmac
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.token_signing import (
    CLAIMS,
    NOW,
    OLDER,
    OLDEST,
    PUBLIC_KEY,
    SECRET,
    TICKET,
    TOKEN_SIGNER,
    data,
    is_invalid_ticket,
    is_rejected,
    text,
)
from wallet_rpc.adapters.jwt_tokens import JwtTokenSigner
from wallet_rpc.domain.ticket import Ticket
from wallet_rpc.primitives import Address, Hash32, SessionId

tickets = st.builds(
    Ticket,
    hash=st.binary(min_size=32, max_size=32).map(Hash32),
    wallet=st.binary(min_size=20, max_size=20).map(Address),
    chain_id=st.integers(0, 2**32 - 1),
    session_id=st.none() | st.binary(min_size=16, max_size=16).map(SessionId),
    expires_at=st.integers(0, 2**48 - 1),
)


@given(tickets)
def test_a_signed_ticket_reads_back(ticket: Ticket) -> None:
    assert TOKEN_SIGNER.read_ticket(TOKEN_SIGNER.sign_ticket(ticket)) == ticket


@given(st.data())
def test_no_letter_of_a_ticket_can_be_changed(draw: st.DataObject) -> None:
    ticket = TOKEN_SIGNER.sign_ticket(TICKET)
    index = draw.draw(st.integers(0, len(ticket) - 1))
    letter = draw.draw(st.characters().filter(lambda other: other != ticket[index]))
    assert is_invalid_ticket(ticket[:index] + letter + ticket[index + 1 :])
    assert is_invalid_ticket(ticket[:index])


@given(st.text())
def test_an_arbitrary_text_is_not_a_ticket(ticket: str) -> None:
    assert is_invalid_ticket(ticket)


def test_a_ticket_is_no_token_and_a_token_is_no_ticket() -> None:
    header, payload, signature = TOKEN_SIGNER.sign_token(CLAIMS).split(".")
    for part in (
        f"{header}.{payload}.{signature}",
        f"{payload}.{signature}",
        f"{header}.{signature}",
        f"{header}.{payload}",
    ):
        assert is_invalid_ticket(part)
    body, ticket_signature = TOKEN_SIGNER.sign_ticket(TICKET).split(".")
    assert is_rejected(f"{body}.{ticket_signature}")
    assert is_rejected(f"{header}.{body}.{ticket_signature}")
    as_ticket = hmac.digest(SECRET, body.encode(), "sha256")
    assert is_invalid_ticket(f"{body}.{text(as_ticket)}")  # the key of tickets is derived from the secret


@pytest.mark.parametrize("payload", [b"{}", b"null", b"\xff", b'{"h":"0x","w":"0x","c":1,"exp":0}'])
def test_a_ticket_of_another_version_is_refused(payload: bytes) -> None:
    key = hmac.digest(SECRET, b"wallet-rpc submission ticket", "sha256")
    body = text(payload)
    assert is_invalid_ticket(f"{body}.{text(hmac.digest(key, body.encode(), 'sha256'))}")


def test_a_ticket_contains_only_its_fields() -> None:
    one, other = TOKEN_SIGNER.sign_ticket(TICKET), TOKEN_SIGNER.sign_ticket(replace(TICKET, chain_id=1))
    assert one.split(".")[1] != other.split(".")[1]
    assert json.loads(data(one.split(".")[0])) == {
        "h": "0x" + "01" * 32,
        "w": Address(b"\2" * 20).hex0x(),
        "c": "0x2105",
        "exp": NOW + 600,
    }


def test_a_secret_verifies_until_its_second_successor() -> None:
    first, second, third = JwtTokenSigner((OLDEST,)), JwtTokenSigner((OLDER, OLDEST)), JwtTokenSigner((SECRET, OLDER))
    token, ticket = first.sign_token(CLAIMS), first.sign_ticket(TICKET)
    assert second.verify_token(token, now=NOW) == CLAIMS
    assert second.read_ticket(ticket) == TICKET
    assert is_rejected(token, third)
    assert is_invalid_ticket(ticket, third)


def test_the_first_secret_signs() -> None:
    token, ticket = (
        JwtTokenSigner((SECRET, OLDER)).sign_token(CLAIMS),
        JwtTokenSigner((SECRET, OLDER)).sign_ticket(TICKET),
    )
    assert TOKEN_SIGNER.verify_token(token, now=NOW) == CLAIMS
    assert TOKEN_SIGNER.read_ticket(ticket) == TICKET
    assert is_rejected(token, JwtTokenSigner((OLDER,)))


@pytest.mark.parametrize(
    "secrets",
    [
        (),
        (b"a" * 31,),
        (SECRET, b""),
        (SECRET, OLDER, OLDEST),
        (PUBLIC_KEY,),
        (b'{"kty":"oct","k":"YWJjZGVmZ2hpamtsbW5vcA"}',),
    ],
)
def test_secrets_that_are_not_secret_are_rejected(secrets: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="secret") as error_info:
        JwtTokenSigner(secrets)
    assert "PUBLIC" not in str(error_info.value)
