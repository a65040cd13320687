"""The store on Redis: `memory.Store` over one pool of connections.

The rule: every write is one script on keys of one slot, or one command; what binds two slots is a hint that is written
first and never believed alone. So a crash at any point leaves a state that a next request reads right (specs/state.md).
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from wallet_rpc.adapters.redis_accounts import RedisAccounts
from wallet_rpc.adapters.redis_audit import RedisAudit
from wallet_rpc.adapters.redis_binary import OLDEST
from wallet_rpc.adapters.redis_calls import RedisCalls
from wallet_rpc.adapters.redis_directory import RedisDirectory
from wallet_rpc.adapters.redis_groups import RedisGroups
from wallet_rpc.adapters.redis_limits import RedisLimiter
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_sessions import RedisSessions
from wallet_rpc.adapters.redis_tokens import RedisTokens
from wallet_rpc.adapters.redis_unsigned import RedisUnsigned
from wallet_rpc.adapters.relayer_budget import DailyWei, RelayerBudget
from wallet_rpc.adapters.sponsorship.redis_budgets import RedisBudgets
from wallet_rpc.domain.access import OPEN_ORGANIZATION, OrganizationId
from wallet_rpc.errors import Unavailable
from wallet_rpc.ports import Clock

KEEP_CALLS_SECONDS = 30 * 24 * 3600
"""How long a call's record is kept after its last change; the chain keeps its outcome for good."""


class RedisOrganizationStore:
    """`memory.Store`: what one organisation keeps. `shared` is where all of them keep what is not their own."""

    def __init__(self, shared: Link, organization: OrganizationId, *, keep_calls_seconds: int) -> None:
        own = shared if organization == OPEN_ORGANIZATION else shared.with_prefix(organization)
        self.accounts = RedisAccounts(own)
        self.unsigned_sessions = RedisUnsigned(own)
        self.sessions = RedisSessions(own, chain_facts=shared, unsigned=self.unsigned_sessions)
        self.calls = RedisCalls(own, keep_seconds=keep_calls_seconds)
        self.groups = RedisGroups(own, organization)
        self.tokens = RedisTokens(own)
        self.audit = RedisAudit(own, organization)


class RedisStore(RedisOrganizationStore):
    """All that is kept on a Redis (6.2 or newer); itself the memory of `OPEN`. Reconnects by itself."""

    def __init__(self, link: Link, *, keep_calls_seconds: int = KEEP_CALLS_SECONDS) -> None:
        super().__init__(link, OPEN_ORGANIZATION, keep_calls_seconds=keep_calls_seconds)
        self._link = link
        self._keep_calls_seconds = keep_calls_seconds
        self._others: dict[OrganizationId, RedisOrganizationStore] = {}
        self.directory = RedisDirectory(link)
        self.limiter = RedisLimiter(link)
        self.budgets = RedisBudgets(link)

    def relayer_budget(self, limits: DailyWei, clock: Clock) -> RelayerBudget:
        """What the relayer may still spend."""
        return RelayerBudget(self._link, limits, clock)

    def for_organization(self, organization: OrganizationId) -> RedisOrganizationStore:
        """The memory of an organisation, over the same connections."""
        if organization == OPEN_ORGANIZATION:
            return self
        if organization not in self._others:
            kept = RedisOrganizationStore(self._link, organization, keep_calls_seconds=self._keep_calls_seconds)
            self._others[organization] = kept
        return self._others[organization]

    @classmethod
    def open(cls, url: str, *, prefix: str = "wallet", deadline_seconds: float = 2.0, connections: int = 32) -> Self:
        """The store at a `redis://`, `rediss://` or `unix://` URL; every call has the deadline.

        Raises: ValueError, without the URL, when it is malformed.
        """
        return cls(Link.open(url, prefix=prefix, deadline_seconds=deadline_seconds, connections=connections))

    async def ping(self) -> None:
        """Raises: Unavailable when the store does not answer."""
        await self._link.command("PING")

    async def verify(self) -> None:
        """Raises: Unavailable when the store does not answer, or is older than it must be."""
        version = (await self._link.command("INFO", "server"))["redis_version"]
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
            raise Unavailable(
                f"the store is Redis {version}, expected 6.2 or newer", reason="redis_too_old", part="store"
            )

    async def close(self) -> None:
        """Drop the connections."""
        await self._link.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
