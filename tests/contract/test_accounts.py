"""Contract of `ports.storage.Accounts`, tested against a real Redis."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from tests.contract.sample import ACCOUNT, SIGNER, an_account
from wallet_rpc.adapters.redis_records import encode_record
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.records import Account, AccountKind
from wallet_rpc.ports.storage import SignerAccounts
from wallet_rpc.primitives import Address

OTHER = Address(b"\x33" * 20)


async def list_accounts(store: RedisStore) -> tuple[Account, ...]:
    """Return all of the signer's accounts."""
    page = await store.accounts.page(SIGNER, after=None, limit=1000)
    assert page is not None
    assert page.is_last
    assert page.total == len(page.accounts)
    return page.accounts


async def test_accounts_come_back_as_added_and_oldest_first(store: RedisStore) -> None:
    first, second = an_account(), an_account(address=OTHER, salt=1 << 255)

    assert await store.accounts.add(first, after=0)
    assert await store.accounts.add(second, after=1)

    assert await list_accounts(store) == (first, second)
    assert await store.accounts.find_by_address(OTHER) == second


async def test_an_account_that_was_not_added_is_unknown(store: RedisStore) -> None:
    assert await list_accounts(store) == ()
    assert await store.accounts.find_by_address(ACCOUNT) is None


async def test_of_concurrent_calls_that_add_the_first_account_one_succeeds(store: RedisStore) -> None:
    rivals = [an_account() for _ in range(16)]

    added = await asyncio.gather(*(store.accounts.add(rival, after=0) for rival in rivals))

    winner = rivals[added.index(True)]
    assert added.count(True) == 1
    assert await list_accounts(store) == (winner,)
    assert await store.accounts.find_by_address(ACCOUNT) == winner


async def test_an_account_that_lost_its_race_is_not_found_by_its_address(store: RedisStore) -> None:
    await store.accounts.add(an_account(), after=0)

    assert not await store.accounts.add(an_account(address=OTHER), after=0)
    assert await store.accounts.find_by_address(OTHER) is None


async def test_an_account_added_twice_by_a_repeated_command_is_there_once(store: RedisStore) -> None:
    account = an_account()

    assert await store.accounts.add(account, after=0)
    assert await store.accounts.add(account, after=0)

    assert await list_accounts(store) == (account,)


async def test_an_address_belongs_to_the_signer_that_requested_it_first(store: RedisStore) -> None:
    first, second = an_account(), an_account(signer=OTHER)
    await store.accounts.add(first, after=0)
    await store.accounts.add(second, after=0)

    assert await store.accounts.find_by_address(ACCOUNT) == first


async def test_an_account_is_found_by_its_id_once_for_each_signer_that_chose_it(store: RedisStore) -> None:
    first, stranger = an_account(), an_account(signer=OTHER, address=OTHER)
    chosen = replace(stranger, id=first.id)
    for account in (chosen, first, replace(an_account(signer=OTHER, address=SIGNER), salt=1)):
        assert await store.accounts.add(account, after=(await store.accounts.find_by_signer(account.signer)).count)

    assert await store.accounts.find_by_id(first.id) == (chosen, first)
    assert await store.accounts.find_by_id(stranger.id) == ()


async def test_an_account_that_lost_its_race_is_not_found_by_its_id(store: RedisStore) -> None:
    await store.accounts.add(an_account(), after=0)
    late = an_account()

    assert not await store.accounts.add(late, after=0)
    assert await store.accounts.find_by_id(late.id) == ()


kinds = st.sampled_from([AccountKind.SEMI_MODULAR, AccountKind.SEMI_MODULAR, AccountKind.DELEGATED])
ids, salts = st.integers(0, 9).map(lambda number: UUID(int=number)), st.integers(0, 5) | st.just((1 << 256) - 1)
addresses = st.integers(0, 6).map(lambda number: Address(bytes([0xAB, number]) * 10))
some_accounts = st.builds(
    lambda kind, account_id, salt, address: replace(
        an_account(address=address, salt=0 if kind is AccountKind.DELEGATED else salt), kind=kind, id=account_id
    ),
    *(kinds, ids, salts, addresses),
)

queries = st.tuples(ids, salts, addresses)


def expected_accounts(
    accounts: Sequence[Account], chosen: Sequence[Account], account_id: UUID, salt: int, address: Address
) -> SignerAccounts:
    """Compute the result of `find_by_signer` from a plain list of accounts."""
    contracts = [each for each in accounts if each.kind is AccountKind.SEMI_MODULAR]
    used = {each.salt for each in contracts}
    return SignerAccounts(
        count=len(accounts),
        free_salt=next(free for free in range(len(used) + 1) if free not in used),
        first=next(iter(accounts), None),
        first_contract=next(iter(contracts), None),
        confirmed=next(iter(chosen), None),
        confirmed_contract=next((each for each in chosen if each.kind is AccountKind.SEMI_MODULAR), None),
        confirmed_delegated=next((each for each in chosen if each.kind is AccountKind.DELEGATED), None),
        delegated=next((each for each in accounts if each.kind is AccountKind.DELEGATED), None),
        by_id=next((each for each in accounts if each.id == account_id), None),
        by_salt=next((each for each in contracts if each.salt == salt), None),
        by_address=next((each for each in accounts if each.address == address), None),
    )


@settings(max_examples=40)
@given(st.lists(some_accounts, max_size=12), st.lists(st.integers(0, 11), max_size=5), st.integers(0, 12), queries)
async def test_a_search_by_signer_agrees_with_the_list_of_accounts(
    redis_url: str,
    accounts: list[Account],
    picks: list[int],
    early: int,
    query: tuple[UUID, int, Address],
) -> None:
    """The result does not depend on how many accounts were indexed before the others were added."""
    distinct = list({account.address: account for account in reversed(accounts)}.values())
    chosen = [distinct[pick % len(distinct)] for pick in picks if distinct]
    account_id, salt, address = query
    async with RedisStore.open(redis_url, prefix=f"known-{time.monotonic_ns()}") as store:
        for after, account in enumerate(accounts):
            if after == early:
                await store.accounts.find_by_signer(SIGNER)
            assert await store.accounts.add(account, after=after)
        for account in chosen:
            await store.accounts.confirm(account)
        known = await store.accounts.find_by_signer(SIGNER, account_id=account_id, salt=salt, address=address)

    assert known == expected_accounts(accounts, chosen, account_id, salt, address)


@settings(max_examples=20)
@given(st.integers(0, 9), st.integers(1, 4))
async def test_pages_show_each_account_once_and_in_order(redis_url: str, count: int, limit: int) -> None:
    accounts = tuple(an_account(salt=salt) for salt in range(count))
    async with RedisStore.open(redis_url, prefix=f"pages-{time.monotonic_ns()}") as store:
        for after, account in enumerate(accounts):
            await store.accounts.add(account, after=after)
        seen: tuple[Account, ...] = ()
        while True:
            page = await store.accounts.page(SIGNER, after=seen[-1].id if seen else None, limit=limit)
            assert page is not None
            assert page.total == count
            seen += page.accounts
            if page.is_last:
                break
            assert len(page.accounts) == limit
        assert await store.accounts.page(SIGNER, after=uuid4(), limit=limit) is None

    assert seen == accounts


async def _fill(store: RedisStore, redis: Redis, count: int) -> list[Account]:
    """Write accounts as a server without the index wrote them."""
    sample = an_account()
    accounts = [
        replace(sample, id=uuid4(), salt=salt, address=Address(salt.to_bytes(20, "big"))) for salt in range(count)
    ]
    texts: list[str] = []
    record = json.loads(encode_record(Account, sample))
    for account in accounts:
        record |= {"id": str(account.id), "salt": hex(account.salt), "address": f"0x{account.address.hex()}"}
        texts.append(json.dumps(record))
    await redis.rpush(store.accounts.list_key(SIGNER), *texts)
    return accounts


async def test_accounts_from_before_the_index_are_found(store: RedisStore, redis_server: RedisServer) -> None:
    async with Redis.from_url(redis_server.url) as redis:
        accounts = await _fill(store, redis, 1201)

    last = accounts[-1]
    known = await store.accounts.find_by_signer(SIGNER, account_id=last.id, salt=last.salt, address=last.address)
    assert (known.count, known.free_salt, known.first) == (1201, 1201, accounts[0])
    assert known.by_id == known.by_salt == known.by_address == last
    page = await store.accounts.page(SIGNER, after=accounts[1000].id, limit=100)
    assert page is not None
    assert page.accounts == tuple(accounts[1001:1101])


async def _seconds(store: RedisStore, last: Account) -> float:
    """Return the CPU time of one search by signer, one page and one failed addition."""
    await store.accounts.find_by_signer(SIGNER)
    best = 9.0
    for _ in range(5):
        started = time.thread_time()
        await store.accounts.find_by_signer(SIGNER, account_id=last.id, salt=last.salt, address=last.address)
        await store.accounts.page(SIGNER, after=last.id, limit=10)
        assert await store.accounts.add(last, after=0) is False
        best = min(best, time.thread_time() - started)
    return best


async def test_the_cost_does_not_grow_with_the_number_of_accounts(redis_server: RedisServer, store: RedisStore) -> None:
    async with Redis.from_url(redis_server.url) as redis:
        few = await _fill(store, redis, 10)
        seconds = await _seconds(store, few[4])
        await redis.delete(store.accounts.list_key(SIGNER), store.accounts.index_key(SIGNER))
        many = await _fill(store, redis, 18_000)
        assert await _seconds(store, many[9_000]) < 5 * seconds
