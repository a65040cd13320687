"""Issued session tokens in Redis: their claims and revocations, both deleted after the token has expired.

Only the claims are stored, from which the token cannot be rebuilt. Redis deletes by its own clock, while a server whose
clock is behind accepts the token for longer. So both are stored until the token has expired for every server.
"""

from __future__ import annotations

import secrets

from wallet_rpc.adapters.jwt_tokens import SKEW_SECONDS
from wallet_rpc.adapters.redis_deadlines import Deadlines
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_records import decode_record, encode_record
from wallet_rpc.domain.access import Claims
from wallet_rpc.domain.records import RECORD_VERSION
from wallet_rpc.primitives import UnixSeconds
from wallet_rpc.wire import shape


@shape
class IssuedToken:
    """Stored form of the claims."""

    version: int = RECORD_VERSION
    claims: Claims


class RedisTokens:
    """`ports.storage.IssuedTokens` on Redis."""

    def __init__(self, link: Link, *, deadlines: Deadlines) -> None:
        self._link = link
        self._deadlines = deadlines

    def token_key(self, token_id: str) -> str:
        """Return the key of a token's record."""
        return self._link.key(f"token:{token_id}")

    def revoked_key(self, token_id: str) -> str:
        """Return the key of a token's revocation mark."""
        return self._link.key(f"token:{token_id}", "revoked")

    async def add(self, claims: Claims) -> None:
        """Store a token's claims."""
        text = encode_record(IssuedToken, IssuedToken(claims=claims))
        end = self._deadlines.set_options(claims.expires_at + SKEW_SECONDS)
        await self._link.command("SET", self.token_key(claims.id), text, *end)

    async def get(self, token_id: str) -> Claims | None:
        """Return a token's stored claims."""
        text = await self._link.command("GET", self.token_key(token_id))
        return None if text is None else decode_record(IssuedToken, text, version=RECORD_VERSION).claims

    async def revoke(self, token_id: str, *, until: UnixSeconds) -> bool:
        """Revoke a token, whose expiry is `until`; return False when it was revoked already."""
        mark = secrets.token_hex(8)
        end = self._deadlines.set_options(until + SKEW_SECONDS)
        await self._link.command("SET", self.revoked_key(token_id), mark, "NX", *end)
        return bool(await self._link.command("GET", self.revoked_key(token_id)) == mark.encode())

    async def is_revoked(self, token_id: str) -> bool:
        """Return True when the token is revoked."""
        return bool(await self._link.command("EXISTS", self.revoked_key(token_id)))
