"""The outbox: calls that are due, shared by all replicas; work is taken over, and lost entries are restored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.sample import CHAIN, SIGNED, a_call
from wallet_rpc.adapters import redis_outbox
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import OPEN_ORGANIZATION, OrganizationId
from wallet_rpc.domain.call_state import Evidence
from wallet_rpc.errors import Unavailable
from wallet_rpc.ports.calls import OutboxEntry
from wallet_rpc.primitives import Hash32

NOW = 1_700_000_015
"""The end of the lease of `a_call`."""
ONE = OrganizationId("org_one")


def hashes(entries: Iterable[OutboxEntry]) -> set[Hash32]:
    return {entry.operation_hash for entry in entries}


async def test_a_claimed_call_is_ready_when_its_lease_ends(store: RedisStore) -> None:
    call = a_call()
    await store.for_organization(ONE).calls.claim(call, SIGNED)

    assert await store.outbox.take(now=NOW - 1) == ()
    (entry,) = await store.outbox.take(now=NOW)
    assert (entry.organization, entry.chain_id, entry.operation_hash) == (ONE, CHAIN, call.hash)
    assert await store.outbox.take(now=NOW) == (), "one worker has it"


async def test_finished_work_is_ready_again_at_its_time_or_never(store: RedisStore) -> None:
    call = a_call()
    await store.calls.claim(call, SIGNED)
    (entry,) = await store.outbox.take(now=NOW)
    await store.outbox.finish(entry, next_at=NOW + 7)

    assert await store.outbox.take(now=NOW + 6) == ()
    (entry,) = await store.outbox.take(now=NOW + 7)
    await store.outbox.finish(entry, next_at=None)
    assert await store.outbox.take(now=NOW + 10**6) == ()


async def test_the_work_of_a_dead_worker_is_taken_over(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.calls.claim(a_call(), SIGNED)
    (entry,) = await store.outbox.take(now=NOW)

    assert await store.outbox.take(now=NOW) == ()
    monkeypatch.setattr(redis_outbox, "TAKEOVER_SECONDS", 0)
    taken = await store.outbox.take(now=NOW)

    assert hashes(taken) == {entry.operation_hash}
    assert {one.stream_id for one in taken} == {entry.stream_id}


async def test_an_entry_that_the_stream_lost_is_handed_out_again(store: RedisStore) -> None:
    call = a_call()
    await store.calls.claim(call, SIGNED)
    await store.outbox.take(now=NOW)
    for shard in range(redis_outbox.SHARDS):
        await store.outbox._link.command("DEL", store.outbox.stream_key(shard))

    assert hashes(await store.outbox.take(now=NOW + 2 * redis_outbox.TAKEOVER_SECONDS)) == {call.hash}


@settings(max_examples=10)
@given(count=st.integers(1, 60), workers=st.integers(1, 5))
async def test_each_call_goes_to_one_worker(redis_url: str, count: int, workers: int) -> None:
    async with RedisStore.open(redis_url, prefix=f"outbox-{time.monotonic_ns()}") as store:
        await asyncio.gather(*(store.calls.claim(a_call(number=number), SIGNED) for number in range(1, count + 1)))

        taken: list[Hash32] = []
        while found := await asyncio.gather(*(store.outbox.take(now=NOW) for one in range(workers))):
            new = [entry.operation_hash for entries in found for entry in entries]
            if not new:
                break
            taken += new

    assert len(taken) == len(set(taken)) == count


async def test_a_stored_call_without_an_entry_is_restored(store: RedisStore) -> None:
    """The state after a crash of Redis that lost the entry, or between the two writes in the other order."""
    kept, lost, final = (a_call(number=number) for number in (1, 2, 3))
    for organization, call in ((OPEN_ORGANIZATION, kept), (ONE, lost), (OPEN_ORGANIZATION, final)):
        await store.for_organization(organization).calls.claim(call, SIGNED)
    await store.calls.update(final, final.after(Evidence.REFUSED))
    for call in (lost, final):
        for shard in range(redis_outbox.SHARDS):
            for organization in (OPEN_ORGANIZATION, ONE):
                member = f"{organization}:{CHAIN}:{call.hash.hex()}"
                await store.outbox._link.command("ZREM", store.outbox.schedule_key(shard), member)

    assert await store.outbox.restore(now=NOW) == 1
    assert await store.outbox.restore(now=NOW) == 0
    assert hashes(await store.outbox.take(now=NOW)) == {kept.hash, lost.hash}


async def test_an_entry_without_a_call_is_the_state_after_a_crash_between_the_writes(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = a_call()
    await store.calls.schedule(call, at=NOW)

    (entry,) = await store.outbox.take(now=NOW)
    assert await store.calls.get(CHAIN, entry.operation_hash) is None
    assert await store.calls.claim(replace(call, sent_at=2), SIGNED) is None, "the call can still be sent"


async def test_shards_that_are_away_do_not_stop_the_others(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    call = a_call()
    await store.calls.claim(call, SIGNED)
    take_from, own = store.outbox._take_from, redis_outbox._shard_of(f"{OPEN_ORGANIZATION}:{CHAIN}:{call.hash.hex()}")

    async def fail_others(shard: int, now: int) -> list[OutboxEntry]:
        if shard != own:
            raise Unavailable("the store does not answer", part="store")
        return await take_from(shard, now)

    monkeypatch.setattr(store.outbox, "_take_from", fail_others)
    assert hashes(await store.outbox.take(now=NOW)) == {call.hash}
    own = -1
    with pytest.raises(Unavailable):
        await store.outbox.take(now=NOW)


async def test_an_entry_of_a_newer_server_is_left_to_it(store: RedisStore) -> None:
    call = a_call()
    await store.calls.claim(call, SIGNED)
    key = store.outbox.schedule_key(0)
    await store.outbox._link.command("ZADD", key, 0, "v2:a:b:c:d")

    assert hashes(await store.outbox.take(now=NOW)) == {call.hash}
    assert await store.outbox._link.command("ZSCORE", key, "v2:a:b:c:d") is not None
    assert await store.outbox._link.command("XLEN", store.outbox.stream_key(0)) <= 1
