"""Sample claims and tickets, and functions to forge and check tokens."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest

from wallet_rpc.adapters.jwt_tokens import JwtTokenSigner
from wallet_rpc.domain.access import Claims, KeyId, OrganizationId, Scope, Wallet, WalletNamespace
from wallet_rpc.domain.ticket import Ticket
from wallet_rpc.errors import Forbidden, Unauthorized
from wallet_rpc.primitives import Address, Hash32

HEADER = {"alg": "HS256", "typ": "JWT"}
SECRET, OLDER, OLDEST = (bytes([letter]) * 32 for letter in b"abc")
NOW = 1_775_736_000
TOKEN_SIGNER = JwtTokenSigner((SECRET,))
PUBLIC_KEY = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9
q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==
-----END PUBLIC KEY-----
"""
"""Public key of RFC 7515's example for ES256."""
CLAIMS = Claims(
    id="0123456789abcdef" * 2,
    wallet=Wallet(namespace=WalletNamespace.EVM, address="0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"),
    scopes=(Scope.WALLET_READ, Scope.TRANSACTIONS_BUILD),
    key=KeyId("key_0123456789abcdef0123"),
    organization=OrganizationId("org_01234567890123456789"),
    issued_at=NOW,
    expires_at=NOW + 300,
)
PAYLOAD: dict[str, Any] = {
    "iss": "wallet-rpc",
    "aud": "wallet-rpc",
    "sub": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "ns": "eip155",
    "scope": "wallet:read transactions:build",
    "key": "key_0123456789abcdef0123",
    "org": "org_01234567890123456789",
    "iat": NOW,
    "exp": NOW + 300,
    "jti": "0123456789abcdef" * 2,
}
TICKET = Ticket(hash=Hash32(b"\1" * 32), wallet=Address(b"\2" * 20), chain_id=8453, expires_at=NOW + 600)


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def data(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def forge_token(
    header: Any = HEADER,
    payload: Any = PAYLOAD,
    secret: bytes = SECRET,
    signature_of: Callable[..., bytes] | None = None,
) -> str:
    """Build a token by hand; with default arguments it is equal to the server's."""
    parts = [part if isinstance(part, bytes) else json.dumps(part, separators=(",", ":")) for part in (header, payload)]
    signed = ".".join(text(part if isinstance(part, bytes) else part.encode()) for part in parts)
    signature = (
        hmac.digest(secret, signed.encode(), "sha256")
        if signature_of is None
        else signature_of(secret, signed.encode())
    )
    return f"{signed}.{text(signature)}"


def is_rejected(
    token: str, token_signer: JwtTokenSigner = TOKEN_SIGNER, now: int = NOW, reason: str = "session_token_invalid"
) -> bool:
    with pytest.raises(Unauthorized) as error_info:
        token_signer.verify_token(token, now=now)
    messages = {"session_token_invalid": "Invalid session token", "session_token_expired": "Session expired"}
    error = error_info.value
    return (error.status, error.reason, error.message) == (401, reason, messages[reason])


def is_invalid_ticket(ticket: str, token_signer: JwtTokenSigner = TOKEN_SIGNER) -> bool:
    with pytest.raises(Forbidden) as error_info:
        token_signer.read_ticket(ticket)
    return error_info.value.reason == "submission_ticket_invalid"
