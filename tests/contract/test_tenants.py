"""Isolation of organisations: their records are separate, while an account's facts on its chain are shared."""

from __future__ import annotations

import asyncio
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.sample import (
    ACCOUNT,
    CHAIN,
    FAR_FUTURE,
    NOW,
    SIGNED,
    SIGNER,
    a_call,
    a_group,
    a_session,
    an_account,
    an_event,
    some_claims,
)
from tests.contract.unsigned import is_trusted, reserve_entity
from wallet_rpc.adapters.redis_store import RedisOrganizationStore, RedisStore
from wallet_rpc.domain.access import OPEN_ORGANIZATION, OrganizationId
from wallet_rpc.domain.audit import EMPTY_HEAD
from wallet_rpc.domain.session_group import SessionFilter

ONE, TWO = OrganizationId("org_one"), OrganizationId("org_two")
TENANTS = st.sampled_from([OPEN_ORGANIZATION, ONE, TWO])
LATEST = settings(max_examples=20)
ALICE, THEIRS = "alice", an_account()


async def _fill(storage: RedisOrganizationStore) -> None:
    await storage.accounts.add(THEIRS, after=0)
    await storage.sessions.activate(a_session(), forget_at=None)
    await storage.sessions.trust(ACCOUNT, CHAIN, ALICE, forget_at=FAR_FUTURE)
    await storage.calls.claim(a_call(), SIGNED)
    await storage.groups.register(a_group(1))
    await storage.tokens.add(some_claims())
    await storage.tokens.revoke(some_claims().id, until=FAR_FUTURE)
    await storage.audit.append(an_event())


async def _read_all(storage: RedisOrganizationStore) -> list[object]:
    """Return the non-empty results of all queries."""
    answers = [
        (await storage.accounts.find_by_signer(SIGNER)).first,
        await storage.accounts.find_by_address(ACCOUNT),
        await storage.accounts.find_by_id(THEIRS.id),
        await storage.sessions.get(ACCOUNT, CHAIN, a_session().id),
        await is_trusted(storage, ACCOUNT, CHAIN, ALICE),
        await storage.calls.get(CHAIN, a_call().hash),
        await storage.calls.list_by_nonce(CHAIN, ACCOUNT, a_call().nonce),
        await storage.groups.get(a_group(1).id),
        await storage.groups.find_by_session(a_group(1).installs[0].session_id),
        await storage.groups.page(SessionFilter(), now=NOW, offset=0, limit=10),
        await storage.tokens.get(some_claims().id),
        await storage.tokens.is_revoked(some_claims().id),
        await storage.audit.entries(0, 10),
        (await storage.audit.head()).count,
    ]
    return [answer for answer in answers if answer]


@LATEST
@given(writer=TENANTS, reader=TENANTS)
async def test_no_organization_reads_what_another_wrote(
    redis_url: str, writer: OrganizationId, reader: OrganizationId
) -> None:
    async with RedisStore.open(redis_url, prefix=f"tenants-{time.monotonic_ns()}") as store:
        await _fill(store.for_organization(writer))

        assert len(await _read_all(store.for_organization(reader))) == (14 if reader == writer else 0)


async def test_one_organizations_records_do_not_conflict_with_anothers(store: RedisStore) -> None:
    for organization in (ONE, TWO, OPEN_ORGANIZATION):
        storage = store.for_organization(organization)
        assert await storage.accounts.add(an_account(), after=0)
        assert await storage.calls.claim(a_call(), SIGNED) is None
        assert await storage.groups.register(a_group(1)) == a_group(1)
        assert await storage.groups.revoke(a_group(1).id, a_group(1).installs[0].session_id, at=NOW)
        assert await storage.tokens.revoke(some_claims().id, until=FAR_FUTURE)
        await storage.audit.append(an_event())

    heads = {await store.for_organization(organization).audit.head() for organization in (ONE, TWO, OPEN_ORGANIZATION)}
    assert len(heads) == 1
    assert EMPTY_HEAD not in heads


@LATEST
@given(requests=st.lists(st.tuples(TENANTS, st.booleans(), st.integers(1, 9)), min_size=2, max_size=40))
async def test_no_entity_id_is_assigned_twice_over_organizations(
    redis_url: str, requests: list[tuple[OrganizationId, bool, int]]
) -> None:
    prefix = f"entities-{time.monotonic_ns()}"
    async with (
        RedisStore.open(redis_url, prefix=prefix) as one,
        RedisStore.open(redis_url, prefix=prefix) as other,
    ):
        entity_ids = await asyncio.gather(
            *(
                reserve_entity(
                    (one if turn % 2 else other).for_organization(organization),
                    ACCOUNT,
                    CHAIN,
                    at_least=at_least,
                    trusted=trusted,
                )
                for turn, (organization, trusted, at_least) in enumerate(requests)
            )
        )

    assert len(set(entity_ids)) == len(entity_ids)


async def test_revocation_and_expiry_of_an_entity_id_are_shared_by_all_organizations(
    store: RedisStore, redis_url: str
) -> None:
    await store.for_organization(ONE).sessions.revoke(ACCOUNT, CHAIN, 7)
    await store.for_organization(TWO).sessions.set_expiry(ACCOUNT, CHAIN, 7, at=NOW)

    async with RedisStore.open(redis_url, prefix=store.directory._link.prefix.removesuffix(":1")) as replica:
        for organization in (ONE, TWO, OPEN_ORGANIZATION):
            assert await replica.for_organization(organization).sessions.is_revoked(ACCOUNT, CHAIN, 7)
            assert await replica.for_organization(organization).sessions.get_expiry(ACCOUNT, CHAIN, 7) == NOW


async def test_a_revocation_is_visible_to_other_servers_immediately(store: RedisStore, redis_url: str) -> None:
    async with RedisStore.open(redis_url, prefix=store.directory._link.prefix.removesuffix(":1")) as replica:
        assert not await replica.sessions.is_revoked(ACCOUNT, CHAIN, 1)
        await store.for_organization(ONE).sessions.revoke(ACCOUNT, CHAIN, 1)
        assert await replica.sessions.is_revoked(ACCOUNT, CHAIN, 1)


def test_an_organizations_store_is_the_same_object_each_time() -> None:
    """Its write lock works only within one object."""
    store = RedisStore.open("redis://nowhere")

    assert store.for_organization(ONE) is store.for_organization(ONE)
    assert store.for_organization(OPEN_ORGANIZATION) is store
