"""`installs[].serialized`: a session and its owner's signature in one text, for the registration of sessions.

    hex       0x00 | session id (16) | owner's signature     the permissions context that grantPermissions returns
    base64    {"v": 1, "sessionId", "signature", "account"?, "chainId"?}, standard or url-safe, padded or not

The text may hold a secret, so no error repeats any of it. A private key is rejected with its own reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, NoReturn

from pydantic import BeforeValidator, Field
from pydantic_core import from_json

from wallet_rpc.domain.context import RemoteContext, parse_context
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, Data, SessionId
from wallet_rpc.primitives.base64url import decode_base64url
from wallet_rpc.primitives.integers import exact_integer
from wallet_rpc.wire import decode, strict_shape

MAX_CHARACTERS = 16_384
"""Maximum length of the text; a grant with an ECDSA signature has 166 characters of hex."""
MAX_GRANT_LEVELS = 32
"""Maximum nesting of the JSON; ZeroDev's format has fewer than ten levels."""
SAFE_INTEGER = (1 << 53) - 1
"""The largest integer that every JSON reader reads exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SerializedGrant:
    """A parsed grant; account and chain are set if the text names them."""

    session_id: SessionId
    signature: Data
    account: Address | None = None
    chain_id: int | None = None


@strict_shape
class _GrantJson:
    """A grant's JSON form."""

    v: Annotated[int, Field(strict=True, ge=1, le=1), BeforeValidator(exact_integer)]
    session_id: SessionId
    signature: Data
    account: Address | None = None
    chain_id: Annotated[int | None, Field(strict=True, ge=1, le=SAFE_INTEGER), BeforeValidator(exact_integer)] = None


def parse_grant(text: str) -> SerializedGrant:
    """Parse the grant in `text`, without a check of its session or signature.

    Raises: InvalidParams (grant_has_private_key) for JSON, in base64 or plain, with a private key at any depth;
    InvalidParams (grant_undecodable) for anything else that is neither form.
    """
    if not 0 < len(text) <= MAX_CHARACTERS:
        _refuse(f"expected 1 to {MAX_CHARACTERS} characters, got {len(text)}")
    if text.startswith("0x"):
        return _grant_from_context(text)
    plain = text.lstrip()[:1] in {"{", "["}
    try:
        value = from_json(text.encode() if plain else _decode_base64(text), allow_inf_nan=False)
    except ValueError:
        _refuse("expected a permissions context in hex, or JSON in base64")
    _refuse_private_key(value)
    if plain:
        _refuse("expected a permissions context in hex, or JSON in base64, got JSON as it is")
    return _grant_from_json(value)


def _grant_from_context(text: str) -> SerializedGrant:
    try:
        raw = Data.parse(text)
    except ValueError:
        _refuse("expected hex of whole bytes after 0x")
    try:
        context = parse_context(raw)
    except InvalidParams:
        _refuse("expected a permissions context: 00, a session id of 16 bytes, and the owner's signature")
    if not isinstance(context, RemoteContext):
        _refuse(f"permissions contexts of version 0x{raw[:1].hex()} are not supported here, expected 0x00")
    return SerializedGrant(session_id=context.session_id, signature=context.signature)


def _decode_base64(text: str) -> bytes:
    """Decode base64 of either alphabet. Raises: ValueError."""
    digits = text.rstrip("=")
    if len(text) - len(digits) not in {0, -len(digits) % 4}:
        raise ValueError("invalid base64 padding")
    return decode_base64url(digits.replace("+", "-").replace("/", "_"))


def _refuse_private_key(value: Any) -> None:
    """Raise InvalidParams when `value` has a member `privateKey`, or more than `MAX_GRANT_LEVELS` levels to search."""
    level = [value]
    for _ in range(MAX_GRANT_LEVELS):
        objects = [each for each in level if isinstance(each, dict)]
        if any("privateKey" in each for each in objects):
            raise InvalidParams(
                "it holds a private key, which must never leave its owner; wallet-rpc has not stored the key, but stop "
                "using it",
                reason="grant_has_private_key",
            )
        lists = [each for each in level if isinstance(each, list)]
        level = [inner for each in objects for inner in each.values()] + [inner for each in lists for inner in each]
        if not level:
            return
    _refuse(f"expected JSON of at most {MAX_GRANT_LEVELS} levels")


def _grant_from_json(value: Any) -> SerializedGrant:
    if isinstance(value, dict) and "permissionParams" in value:
        _refuse(
            "grant format not supported: expected a grant of a wallet-rpc session, got a ZeroDev permission account"
        )
    try:
        grant = decode(_GrantJson, value)
    except InvalidParams:
        _refuse("expected JSON with v 1, sessionId, signature and, optionally, account and chainId")
    return SerializedGrant(
        session_id=grant.session_id,
        signature=grant.signature,
        account=grant.account,
        chain_id=grant.chain_id,
    )


def _refuse(text: str) -> NoReturn:
    raise InvalidParams(text, reason="grant_undecodable") from None
