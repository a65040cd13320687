"""`POST /api/v1/burner/sessions`: create a short-lived token for one wallet, which a back end passes to its front end.

A token has no more permissions than the API key that creates it. An invalid request gets the error of its first invalid
field, in field order, with the message of the documented API.

Source: seed 004; specs/tokens.md.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema

from wallet_rpc.domain.access import DEFAULT_SCOPES, READ_ACCESS, Claims, Scope, Wallet, build_key_scope_error
from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.times import Time, format_time
from wallet_rpc.domain.wallet_address import MAX_ADDRESS_LENGTH, parse_wallet
from wallet_rpc.errors import Forbidden, InvalidParams
from wallet_rpc.operations.operation import ErrorFormat, Operation, RestRoute
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import validation_error
from wallet_rpc.services.audit_log import log_event
from wallet_rpc.services.session_tokens import TOKEN_PATHS, api_key_of
from wallet_rpc.wire import shape

DEFAULT_SECONDS, MAX_SECONDS = 300, 3600
"""Default and maximum lifetime of a token in seconds. Source: seed 004."""
TOKEN_BODY_BYTES = 8192
"""Maximum size of the request body in bytes; a complete request has about 300."""
READ_SCOPES = frozenset({Scope.WALLET_READ, Scope.WALLET_STREAM})
"""The scopes that a read-only API key may give to a token."""
_NO_WALLET = "Invalid wallet address"


def _wallet(value: object) -> Wallet:
    if value is None or value == "":
        raise validation_error("walletAddress should not be empty")
    if not isinstance(value, str):
        raise validation_error("walletAddress must be a string")
    try:
        return parse_wallet(value)
    except ValueError:
        raise validation_error(_NO_WALLET) from None


def _scopes(value: object) -> tuple[Scope, ...]:
    if value is None:
        return DEFAULT_SCOPES
    if not isinstance(value, list):
        raise validation_error("scopes must be an array")
    if not value:
        raise validation_error("scopes must contain at least 1 element")
    try:
        return tuple(dict.fromkeys([Scope(scope) for scope in value]))
    except ValueError:
        known = ", ".join(Scope)
        raise validation_error(f"each value in scopes must be one of the following values: {known}") from None


def _seconds(value: object) -> int:
    if value is None:
        return DEFAULT_SECONDS
    is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not isinstance(value, int | float) or not is_whole:
        raise validation_error("ttlSeconds must be an integer number")
    if value < 1:
        raise validation_error("ttlSeconds must not be less than 1")
    if value > MAX_SECONDS:
        raise validation_error(f"ttlSeconds must not be greater than {MAX_SECONDS}")
    return int(value)


@shape
class CreateToken:
    """A token request: wallet, scopes and lifetime; null is the same as absent."""

    wallet_address: Annotated[
        Wallet,
        PlainValidator(_wallet),
        WithJsonSchema({"type": "string", "minLength": 32, "maxLength": MAX_ADDRESS_LENGTH}),
    ]
    """EVM or Solana address that the token is bound to."""
    scopes: Annotated[
        tuple[Scope, ...],
        PlainValidator(_scopes),
        WithJsonSchema({"type": ["array", "null"], "minItems": 1, "items": {"enum": [scope.value for scope in Scope]}}),
    ] = DEFAULT_SCOPES
    """Rights of the token. Default: all scopes but `sessions:create`."""
    ttl_seconds: Annotated[
        int,
        PlainValidator(_seconds),
        WithJsonSchema({"type": ["integer", "null"], "minimum": 1, "maximum": MAX_SECONDS}),
    ] = DEFAULT_SECONDS
    """Lifetime in seconds. Default: 300."""


@shape
class CreatedToken:
    """The token, the first second at which it is no longer valid, and its scopes."""

    token: str
    """JSON Web Token (HS256) for the header `Authorization: Bearer`."""
    expires_at: Time
    """First second at which the token is no longer valid, as RFC 3339 text in UTC."""
    scopes: tuple[Scope, ...]
    """Rights of the token, without duplicates."""


async def run(ports: Ports, request: CreateToken) -> CreatedToken:
    """Store the token's claims, so that the token can be revoked, and sign it.

    Raises: Forbidden for scopes that the API key may not give; InvalidParams for a wallet of a disabled namespace.
    """
    key = api_key_of(ports)
    wallet = request.wallet_address
    now = ports.clock.now()
    if wallet.namespace not in ports.rules.token_wallets:
        raise InvalidParams(_NO_WALLET, field="walletAddress", verbatim=True)
    if not ports.caller.may_write and not READ_SCOPES.issuperset(request.scopes):
        raise build_key_scope_error()
    claims = Claims(
        id=ports.entropy.random_bytes(16).hex(),
        wallet=wallet,
        scopes=request.scopes,
        key=key.id,
        organization=key.organization,
        issued_at=now,
        expires_at=now + request.ttl_seconds,
    )
    await ports.store.tokens.add(claims)
    await log_event(
        ports,
        EventKind.TOKEN_CREATED,
        id=claims.id,
        wallet=f"{wallet.namespace}:{wallet.address}",
        scopes=list(claims.scopes),
        expiresAt=format_time(claims.expires_at),
    )
    assert ports.token_signer is not None  # noqa: S101  # without a signer the token operations are not served
    return CreatedToken(token=ports.token_signer.sign_token(claims), expires_at=claims.expires_at, scopes=claims.scopes)


OPERATION: Operation[Ports, CreateToken, CreatedToken] = Operation(
    "createToken",
    CreateToken,
    CreatedToken,
    run,
    "Create a short-lived session token for one wallet; for back ends only.",
    (Forbidden,),
    need=READ_ACCESS,
    rest=RestRoute(verb="POST", paths=TOKEN_PATHS, error_format=ErrorFormat.TOKEN, most_bytes=TOKEN_BODY_BYTES),
    description=(
        "The token acts for one wallet, with the requested scopes at most, and no longer than an hour. It has no "
        "more rights than the API key that creates it. A back end passes it to its front end."
    ),
)
