"""Authenticator: identifies the caller by API key or session token, and enforces rate limits.

A session token takes precedence over any other credential of the request. A header with two different values, none of
them a token, is rejected as ambiguous. An open server too rejects an unknown, revoked or expired credential, since its
holder expects a check. An open server ignores only a short placeholder as a bearer value or in the path, since SDKs
require some key.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator

from starlette.types import Scope

from wallet_rpc.domain.access import (
    KEY_PREFIX,
    WRITE_ACCESS,
    ApiKey,
    Caller,
    KeyId,
    OrganizationId,
    build_invalid_token_error,
    derive_key_id,
    matches_key,
)
from wallet_rpc.edge.envelope import Reply, build_reply, count_entries, error_response, parse_body, response_id
from wallet_rpc.edge.header_fields import HeaderFields
from wallet_rpc.edge.request_context import current_context
from wallet_rpc.edge.rpc_endpoint import Handler
from wallet_rpc.errors import InvalidRequest, ParseError, RateLimited, Unauthorized, WalletError
from wallet_rpc.ports import Clock, TokenSigner
from wallet_rpc.ports.limits import Limiter
from wallet_rpc.ports.storage import IssuedTokens

_TOKEN = re.compile(r"e[w-z0-9_-][A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")
"""A session token (JWT): three parts separated by dots, the first base64url of text that starts with a brace."""
KEY_HEADER = b"x-api-key"
"""The header that carries only API keys."""
_AUTHORIZATION = b"authorization"
_KEY_LENGTH = 256
"""The maximum length of an API key."""
_PLACEHOLDER = re.compile(r"(?!wrk_)[A-Za-z0-9._-]{0,14}")
"""A placeholder for SDKs that require a key, such as `any-key` or `any.json.token`; every API key is longer."""


class Authenticator:
    """Identifies callers and enforces their rate limits."""

    def __init__(
        self,
        *,
        find_key: Callable[[KeyId], Awaitable[ApiKey | None]],
        tokens: Callable[[OrganizationId], IssuedTokens],
        token_signer: TokenSigner | None,
        limiter: Limiter,
        clock: Clock,
        is_open: bool,
    ) -> None:
        self._find_key = find_key
        self._tokens = tokens
        self._token_signer = token_signer
        self._limiter = limiter
        self._clock = clock
        self._is_open = is_open

    async def authenticate(self, scope: Scope) -> Caller:
        """Identify the caller and store it in the request context. Raises: Unauthorized."""
        caller = await self._find_caller(scope)
        if caller is not None:
            current_context().caller = caller
        elif not self._is_open:
            raise Unauthorized("API key required", reason="api_key_required")
        return current_context().caller

    async def authenticate_key(self, scope: Scope) -> Caller:
        """Identify the caller by API key, for routes that accept no other credential. Raises: Unauthorized."""
        key = None if _find_token(scope) is not None else next(_iter_credentials(scope), None)
        if key is None:
            raise Unauthorized("Invalid API key", reason="api_key_required")
        current_context().caller = await self._verify_key(key)
        return current_context().caller

    async def authenticate_token(self, scope: Scope) -> Caller:
        """Identify the caller by session token, for routes that accept no other credential. Raises: Unauthorized."""
        token = _find_token(scope)
        if token is None:
            raise build_invalid_token_error()
        current_context().caller = await self._verify_token(token)
        return current_context().caller

    async def enforce_rate_limit(self, cost: int) -> None:
        """Count requests against the caller's rate limits; anonymous callers are not counted.

        Raises: RateLimited; InvalidRequest for a batch with more entries than a whole window allows.
        """
        context = current_context()
        if context.caller.is_anonymous:
            return
        result = await self._limiter.take(context.caller, cost, now=self._clock.now())
        context.rate_limit = result
        if result.rejection is None:
            return
        if result.retry_after_seconds is None:
            text = f"batch: expected at most {result.limit} entries for this key, got {cost}"
            raise InvalidRequest(text, reason="batch_too_large")
        raise RateLimited(result.rejection, retryAfter=result.retry_after_seconds)

    def require_write_access(self, handler: Handler) -> Handler:
        """Wrap a handler whose methods may all write: check write access and count each entry of a batch."""

        async def answer(body: bytes) -> Reply:
            try:
                parsed = parse_body(body)
            except ParseError:
                parsed = None  # the handler returns the parse error
            try:
                await self.enforce_rate_limit(count_entries(parsed))
                WRITE_ACCESS.authorize(current_context().caller)
            except WalletError as error:
                return build_reply(error_response(error, response_id(parsed)))
            return await handler(body)

        return answer

    async def _find_caller(self, scope: Scope) -> Caller | None:
        fields = HeaderFields.of(scope)
        if _AUTHORIZATION in fields and (token := _find_token(scope)) is not None:
            return await self._verify_token(token)
        for key in _iter_credentials(scope):
            if not self._is_open or KEY_HEADER in fields or not _PLACEHOLDER.fullmatch(key):
                return await self._verify_key(key)
        if self._is_open and _has_misplaced_key(scope):
            raise _invalid_key()
        return None

    async def _verify_key(self, key: str) -> Caller:
        """Verify an API key. Raises: Unauthorized when it is unknown, revoked or expired."""
        record = await self._find_key(derive_key_id(key)) if 0 < len(key) <= _KEY_LENGTH else None
        if record is None or not matches_key(key, record):
            raise _invalid_key()
        self._reject_inactive_key(record)
        return Caller(name=record.id, organization=record.organization, key=record)

    async def _verify_token(self, token: str) -> Caller:
        """Verify a session token and the key that created it. Raises: Unauthorized when either is not valid."""
        if self._token_signer is None:
            raise build_invalid_token_error()
        claims = self._token_signer.verify_token(token, now=self._clock.now())
        record = await self._find_key(claims.key)
        if record is None or record.organization != claims.organization:
            raise build_invalid_token_error()
        self._reject_inactive_key(record)
        if await self._tokens(claims.organization).is_revoked(claims.id):
            raise build_invalid_token_error("session_token_revoked")
        return Caller(name=f"{record.id}/{claims.id}", organization=record.organization, key=record, token=claims)

    def _reject_inactive_key(self, record: ApiKey) -> None:
        if record.revoked_at is not None:
            raise Unauthorized("API key revoked", reason="api_key_revoked")
        if record.is_expired(self._clock.now()):
            raise Unauthorized("API key expired", reason="api_key_expired")


def _iter_credentials(scope: Scope) -> Iterator[str]:
    """Yield the credentials of a request: `X-Api-Key`, `Authorization: Bearer`, the key in the path.

    Raises: Unauthorized when one of the headers has two values.
    """
    fields = HeaderFields.of(scope)
    api_key = _single_value(fields, KEY_HEADER)
    authorization = _single_value(fields, _AUTHORIZATION)
    if api_key is not None:
        yield api_key.strip()
    bearer = None if authorization is None else _bearer_value(authorization)
    if bearer is not None:
        yield bearer
    if "key" in scope.get("path_params", {}):
        yield scope["path_params"]["key"]


def _single_value(fields: HeaderFields, name: bytes) -> str | None:
    """Return the value of a field, which may be repeated. Raises: Unauthorized for two different values."""
    if name not in fields:
        return None
    values = set(fields.values_of(name))
    if len(values) > 1:
        raise _invalid_key()
    return next(iter(values), None)


def _find_token(scope: Scope) -> str | None:
    """Return the bearer value that has the form of a session token. Raises: Unauthorized for two different tokens."""
    bearers = map(_bearer_value, HeaderFields.of(scope).values_of(_AUTHORIZATION))
    tokens = {bearer for bearer in bearers if bearer is not None and _TOKEN.fullmatch(bearer)}
    if len(tokens) > 1:
        raise build_invalid_token_error()
    return next(iter(tokens), None)


def _bearer_value(authorization: str) -> str | None:
    scheme, _, value = authorization.partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


def _has_misplaced_key(scope: Scope) -> bool:
    """Return True for an API key in the query, or an `Authorization` header whose scheme is not Bearer."""
    values = HeaderFields.of(scope).values_of(_AUTHORIZATION)
    has_other_scheme = any(value.strip() != "" and _bearer_value(value) is None for value in values)
    return has_other_scheme or KEY_PREFIX.encode() in scope["query_string"]


def _invalid_key() -> Unauthorized:
    return Unauthorized("Invalid API key", reason="api_key_invalid")
