"""The index of sessions agrees with their records, whatever replicas do at once: on a real Redis, against a model."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.sample import CHAIN, NOW, SIGNER, a_session
from tests.contract.unsigned import unsigned_of
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.system import SystemEntropy
from wallet_rpc.domain.access import Caller
from wallet_rpc.domain.records import Session, SessionState
from wallet_rpc.domain.session_record import EntityChoice
from wallet_rpc.domain.session_reference import SessionQuery
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import EntityId, SessionId, UnixSeconds
from wallet_rpc.services.unsigned_sessions import activate_session, index_session

FAR = NOW + 10_000_000_000
SESSIONS = 8


@dataclass(frozen=True)
class FrozenClock:
    """Clock that stands still."""

    def now(self) -> UnixSeconds:
        return NOW


class Replica:
    """A server on the Redis that others use too."""

    def __init__(self, url: str, prefix: str) -> None:
        self.store = RedisStore.open(url, prefix=prefix)
        self.ports = Ports(
            chains={}, store=self.store, clock=FrozenClock(), entropy=SystemEntropy(), caller=Caller(name="tests")
        )

    async def create(self, session: Session) -> None:
        """Write a session as `wallet_createSession` does: its record first, then its entry."""
        unsigned = unsigned_of(session, forget_at=FAR)
        choice = EntityChoice(at_least=EntityId(session.entity_id))
        assert await self.store.unsigned_sessions.create(unsigned, choice, limit=100, now=NOW)
        await index_session(self.ports, session, forget_at=FAR, tags=("new",))

    async def activate(self, session: Session) -> None:
        """Present the owner's signature, if the session is there."""
        stored = await self.store.sessions.get(session.account, session.chain_id, session.id)
        if stored is not None:
            await activate_session(self.ports, stored)

    async def forget(self, session: Session) -> None:
        """Delete the record of a session, as its expiry does, if it is not signed."""
        await self.store.unsigned_sessions.release(unsigned_of(session, forget_at=FAR))

    async def revoke(self, session: Session) -> None:
        await self.store.sessions.revoke(session.account, session.chain_id, session.entity_id)

    async def tag(self, session: Session) -> None:
        await self.store.session_index.set_tags(session.id, ["tagged"])

    async def fill(self, session: Session) -> None:
        """Add the entries of records that have none."""
        await self.store._backfill._run(NOW, is_final=False)


STEPS = ("activate", "forget", "revoke", "tag", "fill")


def pending(number: int) -> Session:
    return replace(a_session(number=number), state=SessionState.PENDING, created_at=NOW + number % 3)


async def list_all(store: RedisStore, query: SessionQuery, *, limit: int) -> list[SessionId]:
    """Return the listed sessions, page by page."""
    found: list[SessionId] = []
    after = b""
    while True:
        page = await store.session_index.page(query, now=NOW, after=after, limit=limit)
        found += [each.id for each in page.sessions]
        after = page.next_page
        if not after:
            return found


@settings(max_examples=8)
@given(
    plans=st.lists(
        st.lists(st.tuples(st.sampled_from(STEPS), st.integers(1, SESSIONS)), max_size=12), min_size=2, max_size=4
    ),
    seed=st.integers(0, 2**32),
)
async def test_the_index_agrees_with_the_records(
    redis_url: str, plans: Sequence[Sequence[tuple[str, int]]], seed: int
) -> None:
    prefix = f"test-{uuid.uuid4().hex}"
    seeded = random.Random(seed)  # noqa: S311  # the same schedule for the same seed; no secret
    are_created = [asyncio.Event() for _ in range(SESSIONS)]
    replicas = [Replica(redis_url, prefix) for _ in range(3)]
    sessions = [pending(number) for number in range(1, SESSIONS + 1)]

    async def create_all() -> None:
        for session, is_created in zip(sessions, are_created, strict=True):
            await seeded.choice(replicas).create(session)
            is_created.set()

    async def follow(plan: Sequence[tuple[str, int]]) -> None:
        for step, number in plan:
            if step != "fill":
                await are_created[number - 1].wait()  # its id is not known before
            run: Callable[[Session], Awaitable[None]] = getattr(seeded.choice(replicas), step)
            await run(sessions[number - 1])
            await asyncio.sleep(0)

    await asyncio.gather(create_all(), *map(follow, plans))
    store = replicas[0].store
    await check_agreement(store, sessions)
    for replica in replicas:
        await replica.store.close()


async def check_agreement(store: RedisStore, sessions: Sequence[Session]) -> None:
    """Check that each record has exactly one entry that fits it, and that no other entry survives a listing."""
    records = {
        each.id: found
        for each in sessions
        if (found := await store.sessions.get(each.account, each.chain_id, each.id)) is not None
    }
    entries = {each: await store.session_index.find(each) for each in await list_all(store, SessionQuery(), limit=3)}
    for session_id, record in records.items():
        entry = entries[session_id]
        assert entry is not None
        assert (entry.account, entry.chain_id, entry.entity_id, entry.key) == (
            record.account,
            record.chain_id,
            record.entity_id,
            record.key.address,
        )
        assert entry.forget_at == (None if record.state is SessionState.ACTIVE else FAR)
        assert await store.session_index.find_by_entity(entry.reference) == entry
    order = sorted(entries, key=lambda each: (_created(entries[each]), each), reverse=True)
    assert list(entries) == order
    for query in (SessionQuery(key=SIGNER), SessionQuery(account=sessions[0].account, chain_id=CHAIN)):
        assert await list_all(store, query, limit=5) == order
    tags = dict(zip(order, await store.session_index.tags(order), strict=True))
    for tag in ("new", "tagged"):
        assert await list_all(store, SessionQuery(tag=tag), limit=2) == [each for each in order if tag in tags[each]]


def _created(entry: object) -> int:
    created = getattr(entry, "created_at", None)
    assert isinstance(created, int)
    return created
