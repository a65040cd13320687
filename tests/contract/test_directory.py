"""Contract of `ports.storage.Directory`, tested against a real Redis."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.contract.sample import NOW, ORGANIZATION, a_key, an_organization
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import OPEN_ORGANIZATION, KeyId, KeyScope, Organization, OrganizationId
from wallet_rpc.errors import Conflict, Unavailable


async def test_organizations_come_back_as_written_and_oldest_first(store: RedisStore) -> None:
    written = [an_organization(name) for name in ("zebra", "apple", "mango")]
    for each in written:
        await store.directory.add_organization(each)

    assert list((await store.directory.organizations())[1:]) == written
    assert await store.directory.organization(OrganizationId("org_apple")) == written[1]
    assert await store.directory.organization(OrganizationId("org_pear")) is None


async def test_the_open_organization_always_exists(store: RedisStore) -> None:
    found = await store.directory.organization(OPEN_ORGANIZATION)

    assert found == Organization(id=OPEN_ORGANIZATION, name="open", created_at=0)
    assert await store.directory.organizations() == (found,)


async def test_an_organization_is_written_once(store: RedisStore) -> None:
    await store.directory.add_organization(an_organization())
    await store.directory.add_organization(an_organization())  # a repeated command

    for other in (an_organization(created_at=NOW + 1), an_organization(id=OPEN_ORGANIZATION)):
        with pytest.raises(Conflict, match="already exists"):
            await store.directory.add_organization(other)

    assert (await store.directory.organizations())[1:] == (an_organization(),)


async def test_keys_come_back_as_written_and_oldest_first(store: RedisStore) -> None:
    full = a_key("wrk_b", name="ci", scope=KeyScope.READ, requests_per_month=7, expires_at=NOW + 9)
    written = [full, a_key("wrk_a"), a_key("wrk_c")]
    for each in written:
        await store.directory.add_key(each)

    assert await store.directory.keys_of(ORGANIZATION) == tuple(written)
    assert await store.directory.keys_of(OrganizationId("org_two")) == ()
    assert await store.directory.key(full.id) == full
    assert await store.directory.key(a_key("wrk_d").id) is None


async def test_a_key_of_one_organization_is_not_given_to_another(store: RedisStore) -> None:
    theirs = OrganizationId("org_two")
    await store.directory.add_key(a_key())

    with pytest.raises(Conflict, match="already exists"):
        await store.directory.add_key(a_key(organization=theirs))

    assert await store.directory.key(a_key().id) == a_key()
    assert await store.directory.keys_of(theirs) == ()


async def test_a_revoked_key_has_the_time_of_revocation_and_cannot_be_replaced_by_an_active_one(
    store: RedisStore,
) -> None:
    await store.directory.add_key(a_key())

    assert await store.directory.revoke_key(a_key().id, at=NOW + 5)
    assert not await store.directory.revoke_key(a_key().id, at=NOW + 6)
    await store.directory.add_key(a_key())

    revoked = replace(a_key(), revoked_at=NOW + 5)
    assert await store.directory.key(a_key().id) == revoked
    assert await store.directory.keys_of(ORGANIZATION) == (revoked,)


async def test_of_concurrent_revocations_of_a_key_one_succeeds(store: RedisStore) -> None:
    await store.directory.add_key(a_key())

    results = await asyncio.gather(*(store.directory.revoke_key(a_key().id, at=NOW) for _ in range(16)))

    assert results.count(True) == 1


async def test_an_unknown_key_cannot_be_revoked(store: RedisStore) -> None:
    with pytest.raises(KeyError):
        await store.directory.revoke_key(KeyId("key_0"), at=NOW)

    assert await store.directory.key(KeyId("key_0")) is None


async def test_an_id_without_a_record_is_ignored(store: RedisStore) -> None:
    """This is the state after a crash between the list, which is written first, and the record."""
    link = store.directory._link
    await link.add_once(store.directory.organizations_key(), "org_lost")
    await link.add_once(store.directory.api_keys_key(ORGANIZATION), "key_lost")

    assert await store.directory.keys_of(ORGANIZATION) == ()
    assert [each.id for each in await store.directory.organizations()] == [OPEN_ORGANIZATION]


async def test_organizations_missing_in_the_list_are_found_by_the_names_of_their_keys(store: RedisStore) -> None:
    link = store.directory._link
    for name in ("org_a:{session:1}", "{audit:org_b}", "{organization:org_c}:keys", "{groups:org_d}", "{note:org_e}"):
        await link.command("SET", f"{link.prefix}:{name}", "1")

    assert await store.directory.scan_organization_ids() == {"org_a", "org_b", "org_c", "org_d"}


async def test_api_keys_missing_in_the_list_are_found(store: RedisStore) -> None:
    active = a_key("wrk_a")
    revoked = a_key("wrk_b")
    for key in (active, revoked):
        await store.directory.add_key(key)
    await store.directory.revoke_key(revoked.id, at=NOW + 5)
    await store.directory._link.command("DEL", store.directory.api_keys_key(ORGANIZATION))
    await store.directory._link.command("HSET", store.directory.api_key_key(KeyId("key_0")), "revoked", "1 of no key")

    assert set(await store.directory.scan_api_keys()) == {active, replace(revoked, revoked_at=NOW + 5)}


async def test_records_of_a_newer_server_are_not_read(store: RedisStore) -> None:
    await store.directory.add_organization(an_organization(version=2))
    await store.directory.add_key(a_key(version=2))

    for request in (
        store.directory.organization(ORGANIZATION),
        store.directory.organizations(),
        store.directory.key(a_key().id),
        store.directory.keys_of(ORGANIZATION),
        store.directory.revoke_key(a_key().id, at=NOW),
    ):
        with pytest.raises(Unavailable, match="version 2, expected at most 1: run a newer server"):
            await request
