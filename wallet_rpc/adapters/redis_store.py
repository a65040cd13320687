"""Storage ports on Redis, over one connection pool.

Every write is one command, or one script on keys of one slot. A link between two slots is a hint: it is written first
and never trusted alone. A crash at any point therefore leaves a state that the next request reads correctly
(specs/state.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from wallet_rpc.adapters.health import ServerHealth
from wallet_rpc.adapters.redis_accounts import RedisAccounts
from wallet_rpc.adapters.redis_approvals import RedisApprovals
from wallet_rpc.adapters.redis_audit import RedisAudit
from wallet_rpc.adapters.redis_binary import OLDEST
from wallet_rpc.adapters.redis_calls import RedisCalls
from wallet_rpc.adapters.redis_deadlines import Deadlines
from wallet_rpc.adapters.redis_directory import RedisDirectory
from wallet_rpc.adapters.redis_events import EventSchedule, RedisEvents
from wallet_rpc.adapters.redis_facts import RedisFacts, RedisMemory, read_facts, read_memory, read_redis_time
from wallet_rpc.adapters.redis_grant_policy import RedisGrantPolicy
from wallet_rpc.adapters.redis_groups import RedisGroups
from wallet_rpc.adapters.redis_incidents import RedisIncidents
from wallet_rpc.adapters.redis_lease import Lease
from wallet_rpc.adapters.redis_limits import RedisLimiter
from wallet_rpc.adapters.redis_link import Link, StoreObserver
from wallet_rpc.adapters.redis_master import NOT_SHOWN
from wallet_rpc.adapters.redis_outbox import RedisOutbox
from wallet_rpc.adapters.redis_probe import check_writable
from wallet_rpc.adapters.redis_rules import RedisRules
from wallet_rpc.adapters.redis_session_backfill import SessionBackfill
from wallet_rpc.adapters.redis_session_index import RedisSessionIndex
from wallet_rpc.adapters.redis_sessions import RedisSessions
from wallet_rpc.adapters.redis_stops import RedisStops
from wallet_rpc.adapters.redis_tokens import RedisTokens
from wallet_rpc.adapters.redis_undo import UndoLog
from wallet_rpc.adapters.redis_unsigned import RedisUnsigned
from wallet_rpc.adapters.redis_webhooks import RedisWebhooks, organizations_key
from wallet_rpc.adapters.relayer_budget import DailyWei, RelayerBudget
from wallet_rpc.adapters.relayer_turn import RelayerTurn
from wallet_rpc.adapters.sponsorship.redis_budgets import RedisBudgets
from wallet_rpc.domain.access import OPEN_ORGANIZATION, OrganizationId
from wallet_rpc.domain.event import EVENT_LIMITS, EventLimits
from wallet_rpc.errors import Unavailable
from wallet_rpc.ports import ChainClock, Clock
from wallet_rpc.primitives import ChainId

KEEP_CALLS_SECONDS = 30 * 24 * 3600
"""Time for which a call's record is stored after its last change; the chain keeps its outcome permanently."""

FACTS_LEASE_SECONDS = 15.0
"""Time after which the lease on the shared facts of a process that has ended goes to another."""


class RedisOrganizationStore:
    """`ports.storage.OrganizationStore` on Redis; `shared` is the link for data shared by all organisations."""

    def __init__(
        self,
        shared: Link,
        organization: OrganizationId,
        *,
        backfill: SessionBackfill,
        keep_calls_seconds: int,
        event_limits: EventLimits,
        deadlines: Deadlines,
    ) -> None:
        own = shared if organization == OPEN_ORGANIZATION else shared.with_prefix(organization)
        self.accounts = RedisAccounts(own)
        self.unsigned_sessions = RedisUnsigned(own, chain_facts=shared, deadlines=deadlines)
        self.sessions = RedisSessions(own, chain_facts=shared, unsigned=self.unsigned_sessions, deadlines=deadlines)
        self.session_index = RedisSessionIndex(own, organization, complete=backfill.ensure, deadlines=deadlines)
        self.rules = RedisRules(shared, organization, deadlines=deadlines)
        self.approvals = RedisApprovals(own, organization)
        self.stops = RedisStops(
            own,
            shared=shared,
            sessions=self.sessions,
            organization=organization,
            keep_seconds=keep_calls_seconds,
            deadlines=deadlines,
        )
        self.outbox = RedisOutbox(shared)
        self.events = RedisEvents(own, shared, organization, limits=event_limits, deadlines=deadlines)
        self.webhooks = RedisWebhooks(own, shared, organization)
        self.calls = RedisCalls(
            own, self.outbox, self.events, self.stops, organization, keep_seconds=keep_calls_seconds
        )
        self.groups = RedisGroups(own, organization, deadlines=deadlines)
        self.tokens = RedisTokens(own, deadlines=deadlines)
        self.audit = RedisAudit(own, organization)
        self.grant_policy = RedisGrantPolicy(own, organization)


class RedisStore(RedisOrganizationStore):
    """All storage on a Redis (6.2 or newer); itself the store of `OPEN_ORGANIZATION`. It reconnects automatically."""

    def __init__(
        self,
        link: Link,
        *,
        keep_calls_seconds: int = KEEP_CALLS_SECONDS,
        event_limits: EventLimits = EVENT_LIMITS,
    ) -> None:
        self.chain_clocks: dict[ChainId, ChainClock] = {}
        """The chains with a clock of their own; set before the first record is written."""
        self.deadlines = Deadlines(self.chain_clocks)
        """The deletion of records by time."""
        self._backfill = SessionBackfill(link, self.for_organization)
        self._options: dict[str, Any] = {
            "backfill": self._backfill,
            "keep_calls_seconds": keep_calls_seconds,
            "event_limits": event_limits,
            "deadlines": self.deadlines,
        }
        super().__init__(link, OPEN_ORGANIZATION, **self._options)
        self._link = link
        self._others: dict[OrganizationId, RedisOrganizationStore] = {}
        self.directory = RedisDirectory(link)
        self.limiter = RedisLimiter(link)
        self.budgets = RedisBudgets(link)
        self.incidents = RedisIncidents(link)
        self.event_schedule = EventSchedule(link)

    async def list_webhook_organizations(self) -> tuple[OrganizationId, ...]:
        """Return the organisations that have or had webhooks."""
        return tuple(map(OrganizationId, await self._link.members(organizations_key(self._link))))

    def undo_log(self, chain_ids: Sequence[int]) -> UndoLog:
        """Return the undo logs of embedded chains."""
        return UndoLog(self._link, chain_ids)

    async def join_undo_logs(self) -> None:
        """Log the changes of a command for the snapshots of a running `dev`. Raises: Unavailable."""
        await UndoLog.join(self._link)

    def relayer_budget(self, limits: DailyWei, clock: Clock) -> RelayerBudget:
        """Return the daily budget of the relayer."""
        return RelayerBudget(self._link, limits, clock)

    def relayer_turn(self) -> RelayerTurn:
        """Return the turns of relayers."""
        return RelayerTurn(self._link)

    def for_organization(self, organization: OrganizationId) -> RedisOrganizationStore:
        """Return the store of an organisation, over the same connections."""
        if organization == OPEN_ORGANIZATION:
            return self
        if organization not in self._others:
            self._others[organization] = RedisOrganizationStore(self._link, organization, **self._options)
        return self._others[organization]

    @classmethod
    def open(
        cls,
        url: str,
        *,
        prefix: str = "wallet",
        deadline_seconds: float = 2.0,
        connections: int = 32,
        replicas: int = 0,
        event_limits: EventLimits = EVENT_LIMITS,
    ) -> Self:
        """Create the store at a Redis URL (specs/redis.md); the deadline applies to every call.

        A call's record counts as written once this number of replicas has it.

        Raises: ValueError for a malformed URL; the message does not contain the URL.
        """
        link = Link.open(
            url, prefix=prefix, deadline_seconds=deadline_seconds, connections=connections, replicas=replicas
        )
        return cls(link, event_limits=event_limits)

    def facts_lease(self) -> Lease:
        """Return a lease on reading the facts that all replicas share, for one process."""
        return Lease(self._link, self._link.key("facts-lease"), seconds=FACTS_LEASE_SECONDS)

    def observe(self, observer: StoreObserver) -> None:
        """Report each request to an observer; call it before the stores of organisations are used."""
        self._link.observe(observer)

    @property
    def waiting_commands(self) -> int:
        """The number of commands without a reply on the connections that all requests share."""
        return self._link.waiting_commands

    @property
    def connections_in_use(self) -> int:
        """The number of other connections that durable writes use now."""
        return self._link.connections_in_use

    async def read_memory(self) -> list[RedisMemory]:
        """Read the memory of each master. Raises: Unavailable."""
        return await read_memory(self._link)

    async def read_time(self) -> float:
        """Return the time of the first master, in seconds since 1970. Raises: Unavailable."""
        return await read_redis_time(self._link)

    @property
    def health(self) -> ServerHealth:
        """Health mark of the Redis."""
        return self._link.health

    async def check_writable(self) -> None:
        """Check that each master runs a script that writes. Raises: Unavailable otherwise."""
        await check_writable(self._link)

    async def verify(self) -> list[RedisFacts]:
        """Check version, mode and a write, and return the facts of each master.

        Raises: Unavailable when the store does not respond, is too old, needs another URL, or rejects writes.
        """
        await self._link.check_mode()
        facts = await read_facts(self._link)
        for each in facts:
            if each.version != NOT_SHOWN and tuple(int(part) for part in each.version.split(".")[:2]) < OLDEST:
                raise Unavailable(
                    f"the store is Redis {each.version}, expected 6.2 or newer", reason="redis_too_old", part="store"
                )
        await self.check_writable()
        return facts

    async def close(self) -> None:
        """Close the connections."""
        await self._backfill.close()
        await self._link.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
