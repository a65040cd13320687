"""The gate: whom a request's credential stands for, and whether that caller may ask now.

The rule: who shows a session token is held to the token, whatever else is shown. Where the server is open, a key in the
path or of a bearer that is not of our making is taken for none: SDKs that insist on a key can be given any word. One
that is of our making, or stands in `X-Api-Key`, and is unknown, revoked or expired, is refused everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from starlette.requests import Request

from wallet_rpc.domain.access import KEY_PREFIX, ApiKey, Caller, OrganizationId, is_key, key_id
from wallet_rpc.edge.caller import visit
from wallet_rpc.edge.envelope import Reply, failure, replied
from wallet_rpc.edge.http import Answerer
from wallet_rpc.errors import Forbidden, RateLimited, Unauthorized, WalletError
from wallet_rpc.memory import Directory, IssuedTokens, Limiter
from wallet_rpc.ports import Clock, Seals

_TOKEN = re.compile(r"e[w-z0-9_-][A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")
"""Three parts with dots between, the first base64url of what starts with a brace: a session token, and no key."""
KEY_HEADER = "x-api-key"
"""The header that is for API keys and nothing else."""
_KEY_LENGTH = 256
"""What is longer is no key."""


class Gate:
    """Finds out who asks, and counts it."""

    def __init__(
        self,
        *,
        directory: Directory,
        tokens: Callable[[OrganizationId], IssuedTokens],
        seals: Seals | None,
        limiter: Limiter,
        clock: Clock,
        is_open: bool,
    ) -> None:
        self._directory = directory
        self._tokens = tokens
        self._seals = seals
        self._limiter = limiter
        self._clock = clock
        self._is_open = is_open

    async def enter(self, request: Request) -> Caller:
        """The caller, noted for the rest of the request. Raises: Unauthorized."""
        caller = await self._caller(request)
        if caller is not None:
            visit().caller = caller
        elif not self._is_open:
            raise Unauthorized("API key required", reason="api_key_required")
        return visit().caller

    async def enter_by_key(self, request: Request) -> Caller:
        """As `enter`, for places that are for the holders of API keys alone."""
        given = next(_given(request), None)
        if given is None or _token(request) is not None:
            raise Unauthorized("Invalid API key", reason="api_key_required")
        visit().caller = await self._holder(given)
        return visit().caller

    async def enter_by_token(self, request: Request) -> Caller:
        """As `enter`, for places that are for the holders of session tokens alone."""
        token = _token(request)
        if token is None:
            raise Unauthorized("Invalid session token", reason="session_token_invalid")
        visit().caller = await self._bearer(token)
        return visit().caller

    async def count(self, cost: int) -> None:
        """Count what the caller asks; one who shows no key is not counted. Raises: RateLimited."""
        here = visit()
        if here.caller.is_open:
            return
        here.allowance = await self._limiter.take(here.caller, cost, now=self._clock.now())
        if here.allowance.retry_after_seconds is not None:
            raise RateLimited(here.allowance.refusal, retryAfter=here.allowance.retry_after_seconds)

    def for_writers(self, answerer: Answerer) -> Answerer:
        """`answerer`, whose methods may all write, for callers that may; each body counts as one request."""

        async def answer(body: bytes) -> Reply:
            try:
                await self.count(1)
                if visit().caller.token is not None or not visit().caller.may_write:
                    raise Forbidden("key scope does not allow this", reason="key_scope")
            except WalletError as refused:
                return replied(failure(refused, None))
            return await answerer(body)

        return answer

    async def _caller(self, request: Request) -> Caller | None:
        token = _token(request)
        if token is not None:
            return await self._bearer(token)
        for given in _given(request):
            must_hold = not self._is_open or KEY_HEADER in request.headers or given.startswith(KEY_PREFIX)
            if must_hold or await self._kept(given) is not None:
                return await self._holder(given)
        return None

    async def _holder(self, given: str) -> Caller:
        """Raises: Unauthorized unless it is a key of ours that holds."""
        kept = await self._kept(given)
        if kept is None:
            raise Unauthorized("Invalid API key", reason="api_key_invalid")
        self._refuse_ended(kept)
        return Caller(name=kept.id, organization=kept.organization, key=kept)

    async def _bearer(self, token: str) -> Caller:
        """Raises: Unauthorized unless the token and the key behind it hold."""
        if self._seals is None:
            raise Unauthorized("Invalid session token", reason="session_token_invalid")
        claims = self._seals.claims(token, now=self._clock.now())
        kept = await self._directory.key(claims.key)
        if kept is None or kept.organization != claims.organization:
            raise Unauthorized("Invalid session token", reason="session_token_invalid")
        self._refuse_ended(kept)
        if await self._tokens(claims.organization).is_revoked(claims.id):
            raise Unauthorized("Invalid session token", reason="session_token_revoked")
        return Caller(name=f"{kept.id}/{claims.id}", organization=kept.organization, key=kept, token=claims)

    async def _kept(self, given: str) -> ApiKey | None:
        if not 0 < len(given) <= _KEY_LENGTH:
            return None
        kept = await self._directory.key(key_id(given))
        return kept if kept is not None and is_key(given, kept) else None

    def _refuse_ended(self, kept: ApiKey) -> None:
        if kept.revoked_at is not None:
            raise Unauthorized("API key revoked", reason="api_key_revoked")
        if kept.is_expired(self._clock.now()):
            raise Unauthorized("API key expired", reason="api_key_expired")


def _given(request: Request) -> Iterator[str]:
    """What stands where a credential may: `X-Api-Key`, `Authorization: Bearer`, the path's key."""
    if KEY_HEADER in request.headers:
        yield request.headers[KEY_HEADER].strip()
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        yield value.strip()
    if "key" in request.path_params:
        yield request.path_params["key"]


def _token(request: Request) -> str | None:
    """The session token of the request: a bearer value of its form."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    bearer = value.strip()
    return bearer if scheme.lower() == "bearer" and _TOKEN.fullmatch(bearer) else None
