"""Session tokens (JSON Web Tokens) and submission tickets, both signed by HMAC-SHA256 with the server's secrets.

Only the exact encoding that `sign_token` and `sign_ticket` produce is accepted. The first secret signs. The previous
secret still verifies, so that secrets can be rotated while tokens are in use. A token is not valid as a ticket, nor a
ticket as a token.

Source: RFC 7519 (JWT), RFC 7515 (JWS, HS256).
"""

from __future__ import annotations

import hmac
import json
import re
from contextlib import suppress
from typing import Annotated, Any

import jwt
from pydantic import Field
from pydantic_core import from_json

from wallet_rpc.domain.access import (
    Claims,
    KeyId,
    OrganizationId,
    Scope,
    Wallet,
    WalletNamespace,
    build_invalid_token_error,
)
from wallet_rpc.domain.ticket import Ticket
from wallet_rpc.domain.wallet_address import parse_wallet
from wallet_rpc.errors import Forbidden, InvalidParams, Unauthorized
from wallet_rpc.primitives import UnixSeconds
from wallet_rpc.primitives.base64url import decode_base64url, encode_base64url
from wallet_rpc.wire import decode, encode, shape

AUDIENCE = "wallet-rpc"
"""Audience of the tokens (claim `aud`)."""
SKEW_SECONDS = 60
"""Maximum time by which the clock of the server that signed a token may be ahead."""
MIN_SECRET_BYTES = 32
"""Minimum length of a secret in bytes: the length of the signature (RFC 7518, 3.2)."""
MAX_SECRETS = 2
"""Maximum number of secrets: the current one, which signs, and the previous one."""

_ALGORITHM = "HS256"
_HEADER = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
"""`{"alg":"HS256","typ":"JWT"}`, the only accepted header."""
_SIGNATURE = "[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]"
"""32 bytes as canonical base64url: the last digit's two unused bits are zero."""
_TOKEN = re.compile(rf"{_HEADER}\.[A-Za-z0-9_-]{{1,2048}}\.{_SIGNATURE}", re.ASCII)
_TICKET = re.compile(rf"[A-Za-z0-9_-]{{1,1024}}\.{_SIGNATURE}", re.ASCII)
_TICKET_KEY = b"wallet-rpc submission ticket"
"""Derivation input of the ticket key, which is HMAC-SHA256(secret, this)."""


@shape
class _Payload:
    """Claims except `iss` and `aud`, which the JWT library checks."""

    sub: str
    ns: WalletNamespace
    scope: str
    key: KeyId
    org: OrganizationId
    iat: UnixSeconds
    exp: UnixSeconds
    jti: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]


class JwtTokenSigner:
    """`ports.TokenSigner` with one secret, or with two during rotation."""

    def __init__(self, secrets: tuple[bytes, ...], issuer: str = "wallet-rpc") -> None:
        """Create a signer.

        Raises: ValueError for no secret, too many, a short one, and one that is a public key, a certificate or a JWK.
        """
        if not 1 <= len(secrets) <= MAX_SECRETS or any(len(secret) < MIN_SECRET_BYTES for secret in secrets):
            raise ValueError(f"expected 1 to {MAX_SECRETS} secrets of at least {MIN_SECRET_BYTES} bytes")
        try:
            for secret in secrets:
                jwt.encode({}, secret, algorithm=_ALGORITHM)
        except jwt.InvalidKeyError:
            raise ValueError("expected random bytes as a secret, received a public key, certificate or JWK") from None
        self._secrets = secrets
        self._ticket_keys = [hmac.digest(secret, _TICKET_KEY, "sha256") for secret in secrets]
        self._issuer = issuer

    def sign_token(self, claims: Claims) -> str:
        """Return the session token with these claims."""
        payload = _Payload(
            sub=claims.wallet.address,
            ns=claims.wallet.namespace,
            scope=" ".join(claims.scopes),
            key=claims.key,
            org=claims.organization,
            iat=claims.issued_at,
            exp=claims.expires_at,
            jti=claims.id,
        )
        registered_claims = {"iss": self._issuer, "aud": AUDIENCE}
        return jwt.encode(
            {**registered_claims, **encode(_Payload, payload)},
            self._secrets[0],
            algorithm=_ALGORITHM,
            sort_headers=True,
        )

    def verify_token(self, token: str, *, now: UnixSeconds) -> Claims:
        """Return a token's claims. Raises: Unauthorized when this server did not sign it, or it has expired."""
        try:
            claims = _decode_claims(self._verify(token))
        except (jwt.InvalidTokenError, InvalidParams, ValueError) as error:
            raise build_invalid_token_error() from error
        if claims.issued_at > now + SKEW_SECONDS:
            raise build_invalid_token_error()
        if now >= claims.expires_at:
            raise Unauthorized("Session expired", reason="session_token_expired")
        return claims

    def sign_ticket(self, ticket: Ticket) -> str:
        """Return the submission ticket: base64url(JSON) | . | base64url(HMAC-SHA256 of the part before the dot)."""
        payload = encode_base64url(json.dumps(encode(Ticket, ticket), separators=(",", ":")).encode())
        return f"{payload}.{encode_base64url(_sign(self._ticket_keys[0], payload))}"

    def read_ticket(self, text: str) -> Ticket:
        """Return a ticket's content, also of an expired one. Raises: Forbidden when this server did not sign it."""
        payload, _, signature = text.partition(".")
        if _TICKET.fullmatch(text) is None or not any(
            hmac.compare_digest(_sign(key, payload), decode_base64url(signature)) for key in self._ticket_keys
        ):
            raise _invalid_ticket_error()
        try:
            return decode(Ticket, from_json(decode_base64url(payload)))
        except (InvalidParams, ValueError) as error:  # signed by a server of another version
            raise _invalid_ticket_error() from error

    def _verify(self, token: str) -> dict[str, Any]:
        """Verify signature, `iss` and `aud` and return the payload; the caller checks the times with its own clock."""
        if _TOKEN.fullmatch(token) is None:
            raise ValueError("not a token in this server's format")
        for secret in self._secrets:
            with suppress(jwt.InvalidSignatureError):
                return jwt.decode(
                    token,
                    secret,
                    algorithms=[_ALGORITHM],
                    audience=AUDIENCE,
                    issuer=self._issuer,
                    options={"verify_exp": False, "verify_iat": False, "strict_aud": True},
                )
        raise ValueError("not signed with a secret of this server")


def _decode_claims(payload: dict[str, Any]) -> Claims:
    """Decode the claims. Raises: InvalidParams, ValueError for claims that `JwtTokenSigner.sign_token` never writes."""
    read = decode(_Payload, payload)
    if {type(payload["iat"]), type(payload["exp"])} != {int}:
        raise ValueError("iat and exp must be integers")
    wallet = Wallet(namespace=read.ns, address=read.sub)
    if parse_wallet(read.sub) != wallet:
        raise ValueError("sub is not a wallet address in normalized form")
    return Claims(
        id=read.jti,
        wallet=wallet,
        scopes=tuple(Scope(scope) for scope in read.scope.split(" ")),
        key=read.key,
        organization=read.org,
        issued_at=read.iat,
        expires_at=read.exp,
    )


def _invalid_ticket_error() -> Forbidden:
    return Forbidden("Invalid submission ticket", reason="submission_ticket_invalid")


def _sign(key: bytes, payload: str) -> bytes:
    return hmac.digest(key, payload.encode(), "sha256")
