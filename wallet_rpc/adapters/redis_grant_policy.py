"""An organisation's policy on grants in Redis: the set of the codes of warnings that are errors."""

from __future__ import annotations

from collections.abc import Iterable

from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.grant_warnings import WarningCode


class RedisGrantPolicy:
    """`ports.sessions.GrantPolicy` on Redis."""

    def __init__(self, link: Link, organization: OrganizationId) -> None:
        self._link = link
        self._organization = organization

    def refused_key(self) -> str:
        """Return the key of the refused codes: a set."""
        return self._link.key(f"grants:{self._organization}", "refused")

    async def refused_warnings(self) -> frozenset[WarningCode]:
        """Return the refused codes; those of a newer version of the server are left out."""
        stored = {member.decode() for member in await self._link.command("SMEMBERS", self.refused_key())}
        return frozenset(code for code in WarningCode if code in stored) if stored else frozenset()

    async def refuse_warnings(self, codes: Iterable[WarningCode]) -> None:
        """Refuse grants with these warnings from now on."""
        await self._change("SADD", codes)

    async def allow_warnings(self, codes: Iterable[WarningCode]) -> None:
        """Allow grants with these warnings again."""
        await self._change("SREM", codes)

    async def _change(self, command: str, codes: Iterable[WarningCode]) -> None:
        members = [code.value for code in codes]
        if members:
            await self._link.command(command, self.refused_key(), *members)
