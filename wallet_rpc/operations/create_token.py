"""`POST /api/v1/burner/sessions`: a short-lived token for one wallet, which a back end gives to its user's page.

The rule: a token may do no more than the key that asks for it. Of a wrong request the first field at fault is told, in
the order of the fields and in the words of the documented API.

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
"""How long a token lives where nothing is asked for, and at most. Source: seed 004."""
TOKEN_BODY_BYTES = 8192
"""The longest body; a request with everything in it has 300 bytes."""
READ_SCOPES = frozenset({Scope.WALLET_READ, Scope.WALLET_STREAM})
"""What a token of a key that only reads may do."""
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
    """For which wallet, what for, and how long; null is the same as nothing."""

    wallet_address: Annotated[
        Wallet,
        PlainValidator(_wallet),
        WithJsonSchema({"type": "string", "minLength": 32, "maxLength": MAX_ADDRESS_LENGTH}),
    ]
    scopes: Annotated[
        tuple[Scope, ...],
        PlainValidator(_scopes),
        WithJsonSchema({"type": ["array", "null"], "minItems": 1, "items": {"enum": [scope.value for scope in Scope]}}),
    ] = DEFAULT_SCOPES
    ttl_seconds: Annotated[
        int,
        PlainValidator(_seconds),
        WithJsonSchema({"type": ["integer", "null"], "minimum": 1, "maximum": MAX_SECONDS}),
    ] = DEFAULT_SECONDS


@shape
class CreatedToken:
    """The token, the second from which on it is refused, and what it may do."""

    token: str
    expires_at: Time
    scopes: tuple[Scope, ...]


async def run(ports: Ports, request: CreateToken) -> CreatedToken:
    """Remember the token, so that it can be revoked, and seal it. Raises: Forbidden for more than the key may."""
    key, wallet, now = api_key_of(ports), request.wallet_address, ports.clock.now()
    if wallet.namespace not in ports.rules.token_wallets:
        raise InvalidParams(_NO_WALLET, field="walletAddress")
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
    assert ports.token_signer is not None  # noqa: S101  # where there are none, no operation is about tokens
    return CreatedToken(token=ports.token_signer.sign_token(claims), expires_at=claims.expires_at, scopes=claims.scopes)


OPERATION: Operation[Ports, CreateToken, CreatedToken] = Operation(
    "createToken",
    CreateToken,
    CreatedToken,
    run,
    "Create a short-lived token for one wallet; for servers only.",
    (Forbidden,),
    need=READ_ACCESS,
    rest=RestRoute(verb="POST", paths=TOKEN_PATHS, error_format=ErrorFormat.TOKEN, most_bytes=TOKEN_BODY_BYTES),
)
