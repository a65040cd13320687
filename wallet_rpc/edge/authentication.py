"""The gate: whom a request's credential stands for, and whether that caller may ask now.

The rule: who shows a session token is held to the token, whatever else is shown. A header that stands twice with
different values, no token among them, is refused: nobody can say which is meant. A credential that is unknown, revoked
or expired is refused everywhere, also where the server is open: its holder believes that it counts. Only a short word
in the path or of a bearer is taken for none there, since SDKs insist on some key.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator

from starlette.requests import Request

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
from wallet_rpc.edge.caller import current_context
from wallet_rpc.edge.envelope import Reply, build_reply, count_entries, error_response, parse_body, response_id
from wallet_rpc.edge.http import Handler
from wallet_rpc.errors import InvalidRequest, ParseError, RateLimited, Unauthorized, WalletError
from wallet_rpc.ports import Clock, TokenSigner
from wallet_rpc.ports.storage import IssuedTokens, Limiter

_TOKEN = re.compile(r"e[w-z0-9_-][A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")
"""Three parts with dots between, the first base64url of what starts with a brace: a session token, and no key."""
KEY_HEADER = "x-api-key"
"""The header that is for API keys and nothing else."""
_AUTHORIZATION = "authorization"
_KEY_LENGTH = 256
"""What is longer is no key."""
_PLACEHOLDER = re.compile(r"(?!wrk_)[A-Za-z0-9._-]{0,14}")
"""A placeholder where an SDK requires a key, such as `any-key` or `any.json.token`; every API key is longer."""


class Authenticator:
    """Finds out who asks, and counts it."""

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

    async def authenticate(self, request: Request) -> Caller:
        """The caller, noted for the rest of the request. Raises: Unauthorized."""
        caller = await self._find_caller(request)
        if caller is not None:
            current_context().caller = caller
        elif not self._is_open:
            raise Unauthorized("API key required", reason="api_key_required")
        return current_context().caller

    async def authenticate_key(self, request: Request) -> Caller:
        """As `authenticate`, for places that are for the holders of API keys alone."""
        given = None if _find_token(request) is not None else next(_iter_credentials(request), None)
        if given is None:
            raise Unauthorized("Invalid API key", reason="api_key_required")
        current_context().caller = await self._verify_key(given)
        return current_context().caller

    async def authenticate_token(self, request: Request) -> Caller:
        """As `authenticate`, for places that are for the holders of session tokens alone."""
        token = _find_token(request)
        if token is None:
            raise build_invalid_token_error()
        current_context().caller = await self._verify_token(token)
        return current_context().caller

    async def enforce_rate_limit(self, cost: int) -> None:
        """Count what the caller asks; one who shows no key is not counted.

        Raises: RateLimited; InvalidRequest for a batch of more entries than any waiting makes room for.
        """
        here = current_context()
        if here.caller.is_anonymous:
            return
        here.rate_limit = left = await self._limiter.take(here.caller, cost, now=self._clock.now())
        if left.rejection is None:
            return
        if left.retry_after_seconds is None:
            text = f"batch: expected at most {left.limit} entries for this key, got {cost}"
            raise InvalidRequest(text, reason="batch_too_large")
        raise RateLimited(left.rejection, retryAfter=left.retry_after_seconds)

    def require_write_access(self, handler: Handler) -> Handler:
        """`answerer`, whose methods may all write, for callers that may; each entry of a batch counts."""

        async def answer(body: bytes) -> Reply:
            try:
                parsed = parse_body(body)
            except ParseError:
                parsed = None  # the answerer says what is wrong with it
            try:
                await self.enforce_rate_limit(count_entries(parsed))
                WRITE_ACCESS.authorize(current_context().caller)
            except WalletError as refused:
                return build_reply(error_response(refused, response_id(parsed)))
            return await handler(body)

        return answer

    async def _find_caller(self, request: Request) -> Caller | None:
        token = _find_token(request)
        if token is not None:
            return await self._verify_token(token)
        for given in _iter_credentials(request):
            if not self._is_open or KEY_HEADER in request.headers or not _PLACEHOLDER.fullmatch(given):
                return await self._verify_key(given)
        if self._is_open and _has_misplaced_key(request):
            raise _invalid_key()
        return None

    async def _verify_key(self, given: str) -> Caller:
        """Raises: Unauthorized unless it is a key of ours that holds."""
        kept = await self._find_key(derive_key_id(given)) if 0 < len(given) <= _KEY_LENGTH else None
        if kept is None or not matches_key(given, kept):
            raise _invalid_key()
        self._reject_inactive_key(kept)
        return Caller(name=kept.id, organization=kept.organization, key=kept)

    async def _verify_token(self, token: str) -> Caller:
        """Raises: Unauthorized unless the token and the key behind it hold."""
        if self._token_signer is None:
            raise build_invalid_token_error()
        claims = self._token_signer.verify_token(token, now=self._clock.now())
        kept = await self._find_key(claims.key)
        if kept is None or kept.organization != claims.organization:
            raise build_invalid_token_error()
        self._reject_inactive_key(kept)
        if await self._tokens(claims.organization).is_revoked(claims.id):
            raise build_invalid_token_error("session_token_revoked")
        return Caller(name=f"{kept.id}/{claims.id}", organization=kept.organization, key=kept, token=claims)

    def _reject_inactive_key(self, kept: ApiKey) -> None:
        if kept.revoked_at is not None:
            raise Unauthorized("API key revoked", reason="api_key_revoked")
        if kept.is_expired(self._clock.now()):
            raise Unauthorized("API key expired", reason="api_key_expired")


def _iter_credentials(request: Request) -> Iterator[str]:
    """What stands where a credential may: `X-Api-Key`, `Authorization: Bearer`, the path's key.

    Raises: Unauthorized when one of the headers has two values.
    """
    shown, authorization = (_single_header(request, header) for header in (KEY_HEADER, _AUTHORIZATION))
    if shown is not None:
        yield shown.strip()
    bearer = None if authorization is None else _bearer_value(authorization)
    if bearer is not None:
        yield bearer
    if "key" in request.path_params:
        yield request.path_params["key"]


def _single_header(request: Request, header: str) -> str | None:
    """The value of a header, however often it stands there. Raises: Unauthorized for two that differ."""
    values = set(request.headers.getlist(header))
    if len(values) > 1:
        raise _invalid_key()
    return next(iter(values), None)


def _find_token(request: Request) -> str | None:
    """The session token of the request: a bearer value of its form. Raises: Unauthorized for two that differ."""
    bearers = map(_bearer_value, request.headers.getlist(_AUTHORIZATION))
    tokens = {bearer for bearer in bearers if bearer is not None and _TOKEN.fullmatch(bearer)}
    if len(tokens) > 1:
        raise build_invalid_token_error()
    return next(iter(tokens), None)


def _bearer_value(authorization: str) -> str | None:
    scheme, _, value = authorization.partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


def _has_misplaced_key(request: Request) -> bool:
    """True for a key of ours in the query, and for an `Authorization` that is no bearer's."""
    values = request.headers.getlist(_AUTHORIZATION)
    is_strange = any(value.strip() != "" and _bearer_value(value) is None for value in values)
    return is_strange or KEY_PREFIX.encode() in request.scope["query_string"]


def _invalid_key() -> Unauthorized:
    return Unauthorized("Invalid API key", reason="api_key_invalid")
