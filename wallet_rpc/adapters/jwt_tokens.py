"""Session tokens as JSON Web Tokens, and submission tickets: both sealed by HMAC-SHA256 with secrets of the server.

The rule: only what `token` and `ticket` write is read, letter by letter. The first secret seals; the one before it is
still read, so that secrets can be changed while tokens are out. A ticket is no token, and no token is a ticket.

Source: RFC 7519 (JWT), RFC 7515 (JWS, HS256).
"""

from __future__ import annotations

import base64
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
from wallet_rpc.wire import decode, encode, shape

AUDIENCE = "wallet-rpc"
"""Who the tokens are for."""
SKEW_SECONDS = 60
"""How far ahead the clock of the server that sealed a token may be."""
MIN_SECRET_BYTES = 32
"""In bytes: as long as the seal (RFC 7518, 3.2)."""
MAX_SECRETS = 2
"""The one that seals, and the one before it."""

_ALGORITHM = "HS256"
_HEADER = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
"""`{"alg":"HS256","typ":"JWT"}`, the only header there is."""
_SIGNATURE = "[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]"
"""32 bytes of base64url in their only spelling: two bits of the last digit stand for nothing, and are zero."""
_TOKEN = re.compile(rf"{_HEADER}\.[A-Za-z0-9_-]{{1,2048}}\.{_SIGNATURE}", re.ASCII)
_TICKET = re.compile(rf"[A-Za-z0-9_-]{{1,1024}}\.{_SIGNATURE}", re.ASCII)
_TICKET_KEY = b"wallet-rpc submission ticket"
"""The key of tickets is HMAC-SHA256(secret, this)."""


@shape
class _Payload:
    """The claims beside `iss` and `aud`, which the library checks."""

    sub: str
    ns: WalletNamespace
    scope: str
    key: KeyId
    org: OrganizationId
    iat: UnixSeconds
    exp: UnixSeconds
    jti: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]


class JwtTokenSigner:
    """`ports.TokenSigner` with one secret, or two while one replaces the other."""

    def __init__(self, secrets: tuple[bytes, ...], issuer: str = "wallet-rpc") -> None:
        """Raises: ValueError for no or too many secrets, and for one that is too short or is known to others."""
        if not 1 <= len(secrets) <= MAX_SECRETS or any(len(secret) < MIN_SECRET_BYTES for secret in secrets):
            raise ValueError(f"expected 1 to {MAX_SECRETS} secrets of at least {MIN_SECRET_BYTES} bytes")
        try:
            for secret in secrets:
                jwt.encode({}, secret, algorithm=_ALGORITHM)
        except jwt.InvalidKeyError:
            raise ValueError("a public key, a certificate or a JWK is no secret") from None
        self._secrets = secrets
        self._ticket_keys = [hmac.digest(secret, _TICKET_KEY, "sha256") for secret in secrets]
        self._issuer = issuer

    def sign_token(self, claims: Claims) -> str:
        """The session token that says so."""
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
        whole = {"iss": self._issuer, "aud": AUDIENCE, **encode(_Payload, payload)}
        return jwt.encode(whole, self._secrets[0], algorithm=_ALGORITHM, sort_headers=True)

    def verify_token(self, token: str, *, now: UnixSeconds) -> Claims:
        """What a token says. Raises: Unauthorized when it is not one of ours, or its time is over."""
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
        """The submission ticket that says so: base64url(JSON) | . | base64url(HMAC-SHA256 of what is before)."""
        payload = _encode_base64url(json.dumps(encode(Ticket, ticket), separators=(",", ":")).encode())
        return f"{payload}.{_encode_base64url(_sign(self._ticket_keys[0], payload))}"

    def read_ticket(self, text: str) -> Ticket:
        """What a ticket says, also when its time is over. Raises: Forbidden when it is not one of ours."""
        payload, _, seal = text.partition(".")
        if _TICKET.fullmatch(text) is None or not any(
            hmac.compare_digest(_sign(key, payload), _decode_base64url(seal)) for key in self._ticket_keys
        ):
            raise _invalid_ticket_error()
        try:
            return decode(Ticket, from_json(_decode_base64url(payload)))
        except (InvalidParams, ValueError) as error:  # sealed by a server of another version
            raise _invalid_ticket_error() from error

    def _verify(self, token: str) -> dict[str, Any]:
        """The payload, once the seal, `iss` and `aud` were found right; times are left to the caller's clock."""
        if _TOKEN.fullmatch(token) is None:
            raise ValueError("not the form of our tokens")
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
        raise ValueError("sealed by none of our secrets")


def _decode_claims(payload: dict[str, Any]) -> Claims:
    """Raises: InvalidParams, ValueError for claims that `JwtSeals.token` does not write."""
    read = decode(_Payload, payload)
    if {type(payload["iat"]), type(payload["exp"])} != {int}:
        raise ValueError("not times as they are written here")
    wallet = Wallet(namespace=read.ns, address=read.sub)
    if parse_wallet(read.sub) != wallet:
        raise ValueError("not a wallet in its normal form")
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


def _encode_base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")  # more than it needs does no harm
