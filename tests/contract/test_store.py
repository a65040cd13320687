"""Contract of `ports.storage.Sessions` and `ports.storage.Calls`, tested against a real Redis."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.sample import ACCOUNT, CHAIN, FAR_FUTURE
from tests.contract.unsigned import is_trusted, reserve_entity
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.redis_unsigned import LAST_ENTITY_ID
from wallet_rpc.errors import LimitExceeded
from wallet_rpc.ports.storage import ENTITY_RANGE_SIZE
from wallet_rpc.primitives import Address

OTHER = Address(b"\x33" * 20)
LATEST = settings(max_examples=15)


async def test_a_revoked_entity_id_stays_revoked_and_no_other_is(store: RedisStore) -> None:
    assert not await store.sessions.is_revoked(ACCOUNT, CHAIN, 7)

    await asyncio.gather(*(store.sessions.revoke(ACCOUNT, CHAIN, entity_id) for entity_id in (7, 7, LAST_ENTITY_ID)))

    assert await store.sessions.is_revoked(ACCOUNT, CHAIN, 7)
    assert await store.sessions.is_revoked(ACCOUNT, CHAIN, LAST_ENTITY_ID)
    for account, chain_id, entity_id in ((OTHER, CHAIN, 7), (ACCOUNT, CHAIN + 1, 7), (ACCOUNT, CHAIN, 8)):
        assert not await store.sessions.is_revoked(account, chain_id, entity_id)


async def test_the_expiry_of_an_entity_id_is_the_last_one_set(store: RedisStore) -> None:
    assert await store.sessions.get_expiry(ACCOUNT, CHAIN, 7) is None

    for end in (1_800_000_000, FAR_FUTURE):
        await store.sessions.set_expiry(ACCOUNT, CHAIN, 7, at=end)

    assert await store.sessions.get_expiry(ACCOUNT, CHAIN, 7) == FAR_FUTURE
    for account, chain_id, entity_id in ((OTHER, CHAIN, 7), (ACCOUNT, CHAIN + 1, 7), (ACCOUNT, CHAIN, 8)):
        assert await store.sessions.get_expiry(account, chain_id, entity_id) is None


async def test_64_concurrent_requests_get_64_entity_ids(store: RedisStore) -> None:
    entity_ids = await asyncio.gather(*(reserve_entity(store, ACCOUNT, CHAIN) for _ in range(64)))

    assert sorted(entity_ids) == list(range(1, 65))


@LATEST
@given(
    rounds=st.lists(
        st.tuples(st.integers(0, 3 << 29), st.booleans(), st.integers(1, 64)),
        min_size=1,
        max_size=6,
    )
)
async def test_no_entity_id_is_assigned_twice_over_callers_and_connections(
    redis_url: str, rounds: list[tuple[int, bool, int]]
) -> None:
    """Each round is a new connection with (`at_least`, is trusted, number of concurrent requests)."""
    entity_ids: list[int] = []
    prefix = f"rounds-{time.monotonic_ns()}"
    for at_least, trusted, count in rounds:
        async with RedisStore.open(redis_url, prefix=prefix) as store:
            requests = (reserve_entity(store, ACCOUNT, CHAIN, at_least=at_least, trusted=trusted) for _ in range(count))
            answers = await asyncio.gather(*requests, return_exceptions=True)
        assigned = [answer for answer in answers if not isinstance(answer, BaseException)]
        assert all(isinstance(answer, LimitExceeded) for answer in answers if isinstance(answer, BaseException))
        assert all(entity >= max(1, at_least) for entity in assigned)
        assert trusted or all(entity < ENTITY_RANGE_SIZE for entity in assigned)
        entity_ids += assigned
    assert len(set(entity_ids)) == len(entity_ids)


async def test_each_account_and_chain_has_its_own_entity_ids(store: RedisStore) -> None:
    for account, chain_id in ((ACCOUNT, CHAIN), (OTHER, CHAIN), (ACCOUNT, CHAIN + 1)):
        assert await reserve_entity(store, account, chain_id) == 1


async def test_untrusted_callers_cannot_use_up_the_owners_entity_ids(store: RedisStore) -> None:
    last_open = ENTITY_RANGE_SIZE - 1
    assert await reserve_entity(store, ACCOUNT, CHAIN, at_least=last_open) == last_open

    with pytest.raises(LimitExceeded, match="have not presented a signature") as error_info:
        await reserve_entity(store, ACCOUNT, CHAIN)
    owners = await reserve_entity(store, ACCOUNT, CHAIN, trusted=True)

    assert error_info.value.reason == "entity_ids_used_up"
    assert owners == ENTITY_RANGE_SIZE


async def test_the_trusted_entity_ids_are_limited_too(store: RedisStore) -> None:
    last = LAST_ENTITY_ID
    assert await reserve_entity(store, ACCOUNT, CHAIN, at_least=last, trusted=True) == last

    with pytest.raises(LimitExceeded, match="no session id is left for this account"):
        await reserve_entity(store, ACCOUNT, CHAIN, at_least=last, trusted=True)


async def test_trust_is_limited_to_one_caller_and_to_a_time(store: RedisStore) -> None:
    soon = int(time.time()) + 2
    await store.sessions.trust(ACCOUNT, CHAIN, "alice", forget_at=soon)
    assert await is_trusted(store, ACCOUNT, CHAIN, "alice")
    assert not await is_trusted(store, ACCOUNT, CHAIN, "bob")
    assert not await is_trusted(store, OTHER, CHAIN, "alice")

    await asyncio.sleep(soon + 0.1 - time.time())

    assert not await is_trusted(store, ACCOUNT, CHAIN, "alice")
