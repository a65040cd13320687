"""What accounts, sessions and calls of `memory.Store` promise, against a real Redis."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.sample import ACCOUNT, CHAIN, FAR_FUTURE, SIGNER, a_call, a_session, an_account
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_sessions import LAST_ENTITY
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.records import CallState, SessionState
from wallet_rpc.errors import LimitExceeded, Unavailable
from wallet_rpc.memory import LANE_SIZE
from wallet_rpc.primitives import Address, EntityId, Hash32, SessionId

OTHER = Address(b"\x33" * 20)
FIRST = EntityId(1)
LATEST = settings(max_examples=15)


async def test_accounts_come_back_as_added_and_oldest_first(store: RedisStore) -> None:
    first, second = an_account(), an_account(address=OTHER, salt=1 << 255)

    assert await store.accounts.add(first, after=0)
    assert await store.accounts.add(second, after=1)

    assert await store.accounts.of(SIGNER) == (first, second)
    assert await store.accounts.at(OTHER) == second


async def test_an_account_of_which_nobody_asked_is_unknown(store: RedisStore) -> None:
    assert await store.accounts.of(SIGNER) == ()
    assert await store.accounts.at(ACCOUNT) is None


async def test_of_many_who_add_the_first_account_one_succeeds(store: RedisStore) -> None:
    rivals = [an_account() for _ in range(16)]

    added = await asyncio.gather(*(store.accounts.add(rival, after=0) for rival in rivals))

    winner = rivals[added.index(True)]
    assert added.count(True) == 1
    assert await store.accounts.of(SIGNER) == (winner,)
    assert await store.accounts.at(ACCOUNT) == winner


async def test_an_account_that_lost_its_race_is_not_found_by_its_address(store: RedisStore) -> None:
    await store.accounts.add(an_account(), after=0)

    assert not await store.accounts.add(an_account(address=OTHER), after=0)
    assert await store.accounts.at(OTHER) is None


async def test_an_account_added_twice_by_a_repeated_command_is_there_once(store: RedisStore) -> None:
    account = an_account()

    assert await store.accounts.add(account, after=0)
    assert await store.accounts.add(account, after=0)

    assert await store.accounts.of(SIGNER) == (account,)


async def test_the_signer_that_asked_first_has_the_account(store: RedisStore) -> None:
    first, second = an_account(), an_account(signer=OTHER)
    await store.accounts.add(first, after=0)
    await store.accounts.add(second, after=0)

    assert await store.accounts.at(ACCOUNT) == first


async def test_an_account_is_found_by_its_id_once_for_each_signer_that_chose_it(store: RedisStore) -> None:
    first, stranger = an_account(), an_account(signer=OTHER, address=OTHER)
    chosen = replace(stranger, id=first.id)
    for account in (chosen, first, replace(an_account(signer=OTHER, address=SIGNER), salt=1)):
        assert await store.accounts.add(account, after=len(await store.accounts.of(account.signer)))

    assert await store.accounts.named(first.id) == (chosen, first)
    assert await store.accounts.named(stranger.id) == ()


async def test_an_account_that_lost_its_race_is_not_found_by_its_id(store: RedisStore) -> None:
    await store.accounts.add(an_account(), after=0)
    late = an_account()

    assert not await store.accounts.add(late, after=0)
    assert await store.accounts.named(late.id) == ()


async def test_a_session_is_found_by_its_account_and_chain_only(store: RedisStore) -> None:
    session = a_session()
    await store.sessions.put(session, forget_at=None)

    assert await store.sessions.get(ACCOUNT, CHAIN, session.id) == session
    assert await store.sessions.get(OTHER, CHAIN, session.id) is None
    assert await store.sessions.get(ACCOUNT, CHAIN + 1, session.id) is None
    assert await store.sessions.get(ACCOUNT, CHAIN, SessionId(bytes(16))) is None


async def test_a_pending_session_is_forgotten_in_time_and_an_active_one_is_not(store: RedisStore) -> None:
    soon = int(time.time()) + 2
    pending, active = a_session(number=1), a_session(number=2, state=SessionState.ACTIVE)
    await store.sessions.put(pending, forget_at=soon)
    await store.sessions.put(replace(active, state=SessionState.PENDING), forget_at=soon)
    await store.sessions.put(active, forget_at=None)

    await asyncio.sleep(soon + 0.1 - time.time())

    assert await store.sessions.get(ACCOUNT, CHAIN, pending.id) is None
    assert await store.sessions.get(ACCOUNT, CHAIN, active.id) == active


async def test_an_active_session_does_not_become_pending_again(store: RedisStore) -> None:
    active = a_session(state=SessionState.ACTIVE)
    await store.sessions.put(active, forget_at=None)

    await store.sessions.put(replace(active, state=SessionState.PENDING), forget_at=FAR_FUTURE)

    assert await store.sessions.get(ACCOUNT, CHAIN, active.id) == active


async def test_a_revoked_entity_id_stays_so_and_no_other_is(store: RedisStore) -> None:
    assert not await store.sessions.is_revoked(ACCOUNT, CHAIN, 7)

    await asyncio.gather(*(store.sessions.revoke(ACCOUNT, CHAIN, entity_id) for entity_id in (7, 7, LAST_ENTITY)))

    assert await store.sessions.is_revoked(ACCOUNT, CHAIN, 7)
    assert await store.sessions.is_revoked(ACCOUNT, CHAIN, LAST_ENTITY)
    for account, chain_id, entity_id in ((OTHER, CHAIN, 7), (ACCOUNT, CHAIN + 1, 7), (ACCOUNT, CHAIN, 8)):
        assert not await store.sessions.is_revoked(account, chain_id, entity_id)


async def test_the_end_of_an_entity_id_is_the_last_that_was_said(store: RedisStore) -> None:
    assert await store.sessions.end_of(ACCOUNT, CHAIN, 7) is None

    for end in (1_800_000_000, FAR_FUTURE):
        await store.sessions.end(ACCOUNT, CHAIN, 7, at=end)

    assert await store.sessions.end_of(ACCOUNT, CHAIN, 7) == FAR_FUTURE
    for account, chain_id, entity_id in ((OTHER, CHAIN, 7), (ACCOUNT, CHAIN + 1, 7), (ACCOUNT, CHAIN, 8)):
        assert await store.sessions.end_of(account, chain_id, entity_id) is None


async def test_a_record_of_a_newer_server_is_neither_read_nor_overwritten(store: RedisStore) -> None:
    future = a_session(version=2)
    await store.sessions.put(future, forget_at=None)

    with pytest.raises(Unavailable, match="form 2, this server reads forms up to 1: run a newer server") as read:
        await store.sessions.get(ACCOUNT, CHAIN, future.id)
    with pytest.raises(Unavailable, match="form 2") as written:
        await store.sessions.put(a_session(), forget_at=None)

    assert read.value.reason == written.value.reason == "newer_record"


async def test_64_requests_at_once_get_64_entity_ids(store: RedisStore) -> None:
    given_ids = await asyncio.gather(
        *(store.sessions.reserve_entity(ACCOUNT, CHAIN, at_least=FIRST, trusted=False) for _ in range(64))
    )

    assert sorted(given_ids) == list(range(1, 65))


@LATEST
@given(
    rounds=st.lists(
        st.tuples(st.integers(0, 3 << 29), st.booleans(), st.integers(1, 64)),
        min_size=1,
        max_size=6,
    )
)
async def test_no_entity_id_is_given_twice_whoever_asks_and_however_often_we_reconnect(
    redis_server: RedisServer, rounds: list[tuple[int, bool, int]]
) -> None:
    """Each round is a new connection: `at_least`, trusted or not, and how many ask at once."""
    given_ids: list[int] = []
    prefix = f"rounds-{time.monotonic_ns()}"
    for at_least, trusted, count in rounds:
        async with RedisStore.open(redis_server.url, prefix=prefix) as store:
            asked = (
                store.sessions.reserve_entity(ACCOUNT, CHAIN, at_least=EntityId(at_least), trusted=trusted)
                for _ in range(count)
            )
            answers = await asyncio.gather(*asked, return_exceptions=True)
        got = [answer for answer in answers if not isinstance(answer, BaseException)]
        assert all(isinstance(answer, LimitExceeded) for answer in answers if isinstance(answer, BaseException))
        assert all(entity >= max(1, at_least) for entity in got)
        assert trusted or all(entity < LANE_SIZE for entity in got)
        given_ids += got
    assert len(set(given_ids)) == len(given_ids)


async def test_accounts_and_chains_count_their_entity_ids_apart(store: RedisStore) -> None:
    for account, chain_id in ((ACCOUNT, CHAIN), (OTHER, CHAIN), (ACCOUNT, CHAIN + 1)):
        assert await store.sessions.reserve_entity(account, chain_id, at_least=FIRST, trusted=False) == 1


async def test_strangers_who_use_up_their_entity_ids_leave_the_owners(store: RedisStore) -> None:
    last_open = EntityId(LANE_SIZE - 1)
    assert await store.sessions.reserve_entity(ACCOUNT, CHAIN, at_least=last_open, trusted=False) == last_open

    with pytest.raises(LimitExceeded, match="did not show a signature") as refused:
        await store.sessions.reserve_entity(ACCOUNT, CHAIN, at_least=FIRST, trusted=False)
    owners = await store.sessions.reserve_entity(ACCOUNT, CHAIN, at_least=FIRST, trusted=True)

    assert refused.value.reason == "entity_ids_used_up"
    assert owners == LANE_SIZE


async def test_the_trusted_entity_ids_end_too(store: RedisStore) -> None:
    last = EntityId(LAST_ENTITY)
    assert await store.sessions.reserve_entity(ACCOUNT, CHAIN, at_least=last, trusted=True) == last

    with pytest.raises(LimitExceeded, match="no session id is left for this account"):
        await store.sessions.reserve_entity(ACCOUNT, CHAIN, at_least=last, trusted=True)


async def test_trust_is_of_one_caller_for_a_time(store: RedisStore) -> None:
    soon = int(time.time()) + 2
    await store.sessions.trust(ACCOUNT, CHAIN, "alice", forget_at=soon)
    assert await store.sessions.trusts(ACCOUNT, CHAIN, "alice")
    assert not await store.sessions.trusts(ACCOUNT, CHAIN, "bob")
    assert not await store.sessions.trusts(OTHER, CHAIN, "alice")

    await asyncio.sleep(soon + 0.1 - time.time())

    assert not await store.sessions.trusts(ACCOUNT, CHAIN, "alice")


async def test_a_call_is_claimed_once_and_others_see_who_was_first(store: RedisStore) -> None:
    call = a_call()

    assert await store.calls.claim(call) is None
    assert await store.calls.claim(replace(call, sent_at=1)) == call
    sent = replace(call, state=CallState.SENT)
    await store.calls.settle(sent)

    assert await store.calls.claim(call) == sent
    assert await store.calls.get(CHAIN, call.hash) == sent
    assert await store.calls.get(CHAIN + 1, call.hash) is None
    assert await store.calls.get(CHAIN, Hash32(bytes(32))) is None


@LATEST
@given(count=st.integers(2, 64), refused_before=st.booleans())
async def test_of_many_claims_at_once_one_wins(redis_server: RedisServer, count: int, refused_before: bool) -> None:
    async with RedisStore.open(redis_server.url, prefix=f"claims-{time.monotonic_ns()}") as store:
        if refused_before:
            await store.calls.claim(a_call())
            await store.calls.settle(a_call(state=CallState.REFUSED))

        answers = await asyncio.gather(*(store.calls.claim(a_call()) for _ in range(count)))

    assert answers.count(None) == 1
    assert answers.count(a_call()) == count - 1


async def test_a_refused_call_may_be_claimed_again(store: RedisStore) -> None:
    refused = a_call(state=CallState.REFUSED, error={"code": -32500, "message": "AA23 reverted"})
    await store.calls.claim(a_call())
    await store.calls.settle(refused)
    assert await store.calls.get(CHAIN, refused.hash) == refused

    assert await store.calls.claim(a_call()) is None
    assert await store.calls.claim(a_call()) == a_call()


async def test_the_newest_call_of_a_nonce_that_was_not_refused_counts(store: RedisStore) -> None:
    first, second, third = (a_call(number=number) for number in (1, 2, 3))
    assert await store.calls.of_nonce(CHAIN, ACCOUNT, first.nonce) is None

    for call in (first, second, third):
        await store.calls.claim(call)
    await store.calls.claim(first)  # asked again, not claimed
    assert await store.calls.of_nonce(CHAIN, ACCOUNT, first.nonce) == third
    await store.calls.settle(replace(third, state=CallState.REFUSED))
    assert await store.calls.of_nonce(CHAIN, ACCOUNT, first.nonce) == second
    await store.calls.settle(replace(first, state=CallState.REFUSED))
    await store.calls.claim(first)

    assert await store.calls.of_nonce(CHAIN, ACCOUNT, first.nonce) == first
    assert await store.calls.of_nonce(CHAIN, ACCOUNT, first.nonce + 1) is None
    assert await store.calls.of_nonce(CHAIN, OTHER, first.nonce) is None


async def test_a_store_that_answers_says_so(store: RedisStore) -> None:
    await store.ping()
