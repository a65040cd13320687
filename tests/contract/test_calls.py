"""Storage of sent calls: claims, changes under concurrency, signed calls, and records of earlier servers."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.sample import ACCOUNT, CHAIN, SIGNED, a_call
from wallet_rpc import wire
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.call_record import CallRecord, CallStateV1, downgrade_record
from wallet_rpc.domain.call_state import CallState, Evidence
from wallet_rpc.primitives import Address, Hash32

LATEST = settings(max_examples=20)


async def write_earlier(store: RedisStore, call: CallRecord, state: CallStateV1) -> None:
    """Write a call as a server before 0.2.0 does."""
    earlier = {**downgrade_record(wire.encode(CallRecord, call)), "state": state}
    key = store.calls.call_key(call.chain_id, call.hash)
    await store.calls._link.command("HSET", key, "record", json.dumps(earlier), "state", state)


async def test_a_call_is_claimed_once_and_later_claims_get_the_record(store: RedisStore) -> None:
    call = a_call()

    assert await store.calls.claim(call, SIGNED) is None
    assert await store.calls.claim(replace(call, sent_at=1), "other") == call
    assert await store.calls.signed(CHAIN, call.hash) == SIGNED
    sent = await store.calls.update(call, call.after(Evidence.IN_MEMPOOL))

    assert sent.state is CallState.SUBMITTED
    assert await store.calls.claim(call, SIGNED) == sent
    assert await store.calls.get(CHAIN, call.hash) == sent
    assert await store.calls.get(CHAIN + 1, call.hash) is None
    assert await store.calls.get(CHAIN, Hash32(bytes(32))) is None


@LATEST
@given(count=st.integers(2, 64))
async def test_of_concurrent_claims_one_succeeds(redis_url: str, count: int) -> None:
    async with RedisStore.open(redis_url, prefix=f"claims-{time.monotonic_ns()}") as store:
        answers = await asyncio.gather(*(store.calls.claim(a_call(), SIGNED) for _ in range(count)))

    assert answers.count(None) == 1
    assert answers.count(a_call()) == count - 1


@pytest.mark.parametrize("evidence", [Evidence.REFUSED, Evidence.NONCE_USED, Evidence.DEADLINE_PASSED])
async def test_a_final_call_is_not_claimed_again_and_its_signed_form_is_deleted(
    store: RedisStore, evidence: Evidence
) -> None:
    call = a_call()
    await store.calls.claim(call, SIGNED)
    final = await store.calls.update(call, call.after(evidence))

    assert final.state.is_final
    assert await store.calls.signed(CHAIN, call.hash) is None
    assert await store.calls.claim(call, SIGNED) == final


@LATEST
@given(count=st.integers(2, 30))
async def test_of_concurrent_changes_one_succeeds_and_the_others_get_its_record(redis_url: str, count: int) -> None:
    call = a_call()
    async with RedisStore.open(redis_url, prefix=f"changes-{time.monotonic_ns()}") as store:
        await store.calls.claim(call, SIGNED)
        changes = [replace(call, attempt_count=number) for number in range(1, count + 1)]
        stored = await asyncio.gather(*(store.calls.update(call, change) for change in changes))

        assert len({record.attempt_count for record in stored}) == 1
        assert await store.calls.get(CHAIN, call.hash) == stored[0]
        assert stored[0].revision == 1


async def test_calls_of_a_nonce_are_listed_newest_first(store: RedisStore) -> None:
    first, second, third = (a_call(number=number) for number in (1, 2, 3))
    assert await store.calls.list_by_nonce(CHAIN, ACCOUNT, first.nonce) == ()

    for call in (first, second, third):
        await store.calls.claim(call, SIGNED)
    await store.calls.claim(first, SIGNED)  # a repeat, which claims nothing
    await store.calls.update(second, refused := second.after(Evidence.REFUSED))

    listed = await store.calls.list_by_nonce(CHAIN, ACCOUNT, first.nonce)
    assert listed == (third, replace(refused, revision=1), first)
    assert await store.calls.list_by_nonce(CHAIN, ACCOUNT, first.nonce + 1) == ()
    assert await store.calls.list_by_nonce(CHAIN, Address(bytes(20)), first.nonce) == ()


@pytest.mark.parametrize(
    ("earlier", "state"),
    [
        (CallStateV1.SENDING, CallState.UNKNOWN),
        (CallStateV1.SENT, CallState.SUBMITTED),
        (CallStateV1.REFUSED, CallState.REJECTED),
    ],
)
async def test_a_record_of_an_earlier_server_is_read_and_adopted_unless_it_was_refused(
    store: RedisStore, earlier: CallStateV1, state: CallState
) -> None:
    call = a_call()
    await write_earlier(store, call, earlier)

    found = await store.calls.get(CHAIN, call.hash)
    assert found is not None
    assert (found.state, found.nonce, found.is_retained) == (state, call.nonce, False)
    claimed = await store.calls.claim(call, SIGNED)
    if earlier is CallStateV1.REFUSED:
        assert claimed == found
        assert await store.calls.signed(CHAIN, call.hash) is None
    else:
        assert claimed is None
        assert await store.calls.get(CHAIN, call.hash) == replace(call, state=state, revision=1), (
            "it may be in a mempool"
        )
        assert await store.calls.signed(CHAIN, call.hash) == SIGNED


async def test_a_record_of_an_earlier_server_is_adopted_also_after_its_status_was_read(store: RedisStore) -> None:
    call = a_call()
    await write_earlier(store, call, CallStateV1.SENT)
    found = await store.calls.get(CHAIN, call.hash)
    assert found is not None
    await store.calls.update(found, replace(found, is_noted=True))

    assert await store.calls.claim(call, SIGNED) is None
    stored = await store.calls.get(CHAIN, call.hash)
    assert stored is not None
    assert stored.is_retained
    assert await store.calls.claim(call, "other") == stored


@pytest.mark.parametrize(
    ("evidence", "earlier"),
    [
        (Evidence.ATTEMPT_BEGUN, "sending"),
        (Evidence.IN_MEMPOOL, "sent"),
        (Evidence.UNANSWERED, "sending"),
        (Evidence.REFUSED, "refused"),
        (Evidence.SUCCESS_CONFIRMED, "sent"),
    ],
)
async def test_an_earlier_server_reads_every_call_in_its_own_form(
    store: RedisStore, evidence: Evidence, earlier: str
) -> None:
    call = a_call()
    await store.calls.claim(call, SIGNED)
    await store.calls.update(call, call.after(evidence))

    key = store.calls.call_key(CHAIN, call.hash)
    record, state = await store.calls._link.command("HMGET", key, "record", "state")
    assert state.decode() == earlier
    assert b'"version":1' in record
    assert f'"state":"{earlier}"'.encode() in record


async def test_what_an_earlier_server_writes_about_a_call_of_this_one_is_ignored(store: RedisStore) -> None:
    call = a_call()
    await store.calls.claim(call, SIGNED)
    await write_earlier(store, call, CallStateV1.REFUSED)

    assert await store.calls.get(CHAIN, call.hash) == call
    assert await store.calls.claim(call, SIGNED) == call


async def test_a_change_repeated_after_a_lost_reply_succeeds(store: RedisStore, monkeypatch: Any) -> None:
    call = a_call()
    await store.calls.claim(call, SIGNED)
    run = type(store.calls._link).run

    async def run_twice(link: Any, *arguments: Any) -> Any:
        await run(link, *arguments)
        return await run(link, *arguments)

    monkeypatch.setattr(type(store.calls._link), "run", run_twice)
    changed = await store.calls.update(call, call.after(Evidence.IN_MEMPOOL))

    assert (changed.state, changed.revision) == (CallState.SUBMITTED, 1)
