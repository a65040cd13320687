"""The store on Redis: `ports.Store` over one pool of connections.

The rule: every write is one script on one key, or one command; what binds two keys is a hint that is written first and
never believed alone. So a crash at any point leaves a state that a next request reads right (specs/state.md).
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from wallet_rpc.adapters.redis_accounts import RedisAccounts
from wallet_rpc.adapters.redis_binary import OLDEST
from wallet_rpc.adapters.redis_budgets import RedisBudgets
from wallet_rpc.adapters.redis_calls import RedisCalls
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_sessions import RedisSessions
from wallet_rpc.errors import Unavailable

KEEP_CALLS_SECONDS = 30 * 24 * 3600
"""How long a call's record is kept after its last change; the chain keeps its outcome for good."""


class RedisStore:
    """`ports.Store` on a Redis (6.2 or newer); connects when first used, reconnects by itself."""

    def __init__(self, link: Link, *, keep_calls_seconds: int = KEEP_CALLS_SECONDS) -> None:
        self._link = link
        self.accounts = RedisAccounts(link)
        self.sessions = RedisSessions(link)
        self.calls = RedisCalls(link, keep_seconds=keep_calls_seconds)
        self.budgets = RedisBudgets(link)

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
