"""Issued session tokens in Redis: what each says, and that it is refused; both are gone when the token's time is over.

The rule: nothing of a token that could be shown as one is kept, only what is sealed in it. Redis drops by its own
clock, and a server whose clock is behind takes the token for longer: both are kept until it is over for every server.
"""

from __future__ import annotations

import secrets

from wallet_rpc.adapters.jwt_tokens import SKEW_SECONDS
from wallet_rpc.adapters.redis_link import Link, decode_record, encode_record
from wallet_rpc.domain.access import Claims
from wallet_rpc.domain.records import RECORD_VERSION
from wallet_rpc.primitives import UnixSeconds
from wallet_rpc.wire import shape


@shape
class IssuedToken:
    """The claims as they are kept."""

    version: int = RECORD_VERSION
    claims: Claims


class RedisTokens:
    """`memory.IssuedTokens` on Redis."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def token_key(self, token_id: str) -> str:
        """Where a token's record is."""
        return self._link.key(f"token:{token_id}")

    def revoked_key(self, token_id: str) -> str:
        """Where the mark is that a token is refused."""
        return self._link.key(f"token:{token_id}", "revoked")

    async def add(self, claims: Claims) -> None:
        """Remember a token."""
        text = encode_record(IssuedToken, IssuedToken(claims=claims))
        await self._link.command("SET", self.token_key(claims.id), text, "EXAT", claims.expires_at + SKEW_SECONDS)

    async def get(self, token_id: str) -> Claims | None:
        """What was remembered of it."""
        text = await self._link.command("GET", self.token_key(token_id))
        return None if text is None else decode_record(IssuedToken, text, version=RECORD_VERSION).claims

    async def revoke(self, token_id: str, *, until: UnixSeconds) -> bool:
        """Refuse it from now on, `until` it is over by itself; False when it was refused already."""
        mark = secrets.token_hex(8)
        await self._link.command("SET", self.revoked_key(token_id), mark, "NX", "EXAT", until + SKEW_SECONDS)
        return bool(await self._link.command("GET", self.revoked_key(token_id)) == mark.encode())

    async def is_revoked(self, token_id: str) -> bool:
        """Whether `revoke` was said of it."""
        return bool(await self._link.command("EXISTS", self.revoked_key(token_id)))
