"""Contract of `ports.storage.Groups`, tested against a real Redis."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.sample import CHAIN, FAR_FUTURE, NOW, a_group, an_install
from wallet_rpc.adapters import redis_groups
from wallet_rpc.adapters.redis_groups import RedisGroups
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.session_group import GroupedSession, GroupId, Install, SessionFilter, SessionGroup
from wallet_rpc.errors import Unavailable
from wallet_rpc.primitives import Address, SessionId

ANY = SessionFilter()
LATER = NOW + 1000
LATEST = settings(max_examples=25)
PAIR = a_group(1, an_install(1), an_install(2, chain_id=CHAIN + 1))


@pytest.fixture
def groups(store: RedisStore) -> RedisGroups:
    return store.groups


async def _all(groups: RedisGroups, session_filter: SessionFilter = ANY, *, now: int = LATER) -> list[int]:
    """Return the numbers of the listed sessions."""
    page = await groups.page(session_filter, now=now, offset=0, limit=1000)
    return [int.from_bytes(each.install.session_id) for each in page]


def _id(number: int) -> SessionId:
    return an_install(number).session_id


async def test_a_group_comes_back_as_registered(groups: RedisGroups) -> None:
    odd = a_group(1, policies={"a": {}, "b": [], "c": None, "ü": 1.5}, workflow_id="w")

    assert await groups.register(odd) == odd

    assert await groups.get(odd.id) == odd
    assert await groups.find_by_session(_id(1)) == odd
    assert await groups.get(a_group(2).id) is None
    assert await groups.find_by_session(_id(2)) is None


async def test_registering_the_same_sessions_again_returns_the_existing_group(groups: RedisGroups) -> None:
    await groups.register(PAIR)

    again = replace(a_group(2, *reversed(PAIR.installs)), wallet_id="other")

    assert await groups.register(again) == PAIR
    assert await groups.get(again.id) is None
    assert await _all(groups) == [1, 2]


@pytest.mark.parametrize(
    "numbers", [[1], [2], [1, 2, 3], [1, 3], [1, 4], [4, 5, 1, 2]], ids=lambda numbers: "-".join(map(str, numbers))
)
async def test_a_group_that_overlaps_a_registered_one_is_rejected_whole(
    groups: RedisGroups, numbers: list[int]
) -> None:
    await groups.register(PAIR)
    await groups.register(a_group(2, an_install(4), an_install(5)))

    assert await groups.register(a_group(3, *(an_install(number) for number in numbers))) is None

    assert await groups.get(a_group(3).id) is None
    assert await groups.find_by_session(_id(3)) is None
    assert await _all(groups) == [4, 5, 1, 2]


async def test_a_group_with_an_ended_session_is_not_registered_again(groups: RedisGroups) -> None:
    brief = a_group(3, an_install(3), an_install(4, expires_at=LATER))
    await groups.register(PAIR)
    await groups.register(brief)
    await groups.revoke(PAIR.id, _id(2), at=LATER)

    assert await groups.register(replace(PAIR, id=a_group(9).id)) is None
    assert await groups.register(replace(brief, id=a_group(9).id, created_at=LATER - 1)) == brief
    assert await groups.register(replace(brief, id=a_group(9).id, created_at=LATER)) is None


async def test_a_repeated_command_registers_the_same_group(groups: RedisGroups) -> None:
    """This holds even if the group has expired or is revoked when the command is repeated."""
    expired = a_group(1, an_install(1, expires_at=NOW))
    await groups.register(expired)
    assert await groups.register(expired) == expired

    await groups.revoke(expired.id, _id(1), at=LATER)
    found = await groups.register(expired)
    assert found == replace(expired, installs=(replace(expired.installs[0], revoked_at=LATER),))


async def test_a_revoked_session_is_marked_and_no_longer_listed(groups: RedisGroups) -> None:
    await groups.register(PAIR)

    assert await groups.revoke(PAIR.id, _id(1), at=LATER)
    assert not await groups.revoke(PAIR.id, _id(1), at=LATER + 1)

    found = await groups.get(PAIR.id)
    assert found is not None
    assert [each.revoked_at for each in found.installs] == [LATER, None]
    assert await groups.find_by_session(_id(2)) == found
    page = await groups.page(ANY, now=LATER, offset=0, limit=10)
    assert page == (GroupedSession(group=found, install=found.installs[1]),)
    assert await groups._link.command("ZRANGE", groups.by_expiry_key, 0, -1) == [_id(2).hex().encode()]


async def test_of_concurrent_revocations_of_a_session_one_succeeds(groups: RedisGroups) -> None:
    await groups.register(PAIR)

    results = await asyncio.gather(*(groups.revoke(PAIR.id, _id(1), at=LATER + turn) for turn in range(16)))

    found = await groups.get(PAIR.id)
    assert results.count(True) == 1
    assert found is not None
    assert found.installs[0].revoked_at == LATER + results.index(True)


@pytest.mark.parametrize(("group_number", "session_number"), [(1, 3), (2, 1), (9, 9)])
async def test_a_session_outside_the_group_cannot_be_revoked(
    groups: RedisGroups, group_number: int, session_number: int
) -> None:
    await groups.register(PAIR)
    await groups.register(a_group(2, an_install(3)))

    with pytest.raises(KeyError):
        await groups.revoke(a_group(group_number).id, _id(session_number), at=LATER)

    assert await _all(groups) == [3, 1, 2]


async def test_the_newest_come_first_then_by_id_and_pages_fit_together(groups: RedisGroups) -> None:
    await groups.register(a_group(1, an_install(9), an_install(2)))
    await groups.register(a_group(2, an_install(5)))
    await groups.register(a_group(3, an_install(1), created_at=a_group(1).created_at))

    pages = [await groups.page(ANY, now=LATER, offset=offset, limit=2) for offset in (0, 2, 4)]

    assert [[int.from_bytes(each.install.session_id) for each in page] for page in pages] == [[5, 1], [2, 9], []]


async def test_a_session_is_not_listed_from_the_second_of_its_expiry(groups: RedisGroups) -> None:
    await groups.register(a_group(1, an_install(1, expires_at=LATER), an_install(2)))

    assert await _all(groups, now=LATER - 1) == [1, 2]
    assert await _all(groups, now=LATER) == [2]

    assert await groups.find_by_session(_id(1)) is not None


async def test_expired_sessions_are_removed_from_the_indexes(
    groups: RedisGroups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_groups, "_AT_ONCE", 3)
    await groups.register(a_group(1, *(an_install(number, expires_at=LATER) for number in range(1, 9))))
    await groups.register(a_group(2, an_install(20)))

    assert await _all(groups) == [20]

    for key in (groups.by_creation_key, groups.by_expiry_key):
        assert await groups._link.command("ZRANGE", key, 0, -1) == [_id(20).hex().encode()]


NUMBERS = st.integers(1, 3)
KINDS: st.SearchStrategy[dict[str, object]] = st.fixed_dictionaries(
    {
        "wallet_id": NUMBERS.map(lambda number: f"wallet{number}"),
        "session_address": NUMBERS.map(lambda number: Address(bytes([number]) * 20)),
        "workflow_id": st.none() | NUMBERS.map(lambda number: f"workflow{number}"),
    }
)
FILTERS = st.builds(
    SessionFilter,
    wallet_id=st.none() | NUMBERS.map(lambda number: f"wallet{number}"),
    chain_id=st.none() | NUMBERS,
    session_address=st.none() | NUMBERS.map(lambda number: Address(bytes([number]) * 20)),
    workflow_id=st.none() | NUMBERS.map(lambda number: f"workflow{number}"),
    group_id=st.none() | NUMBERS.map(lambda number: a_group(number).id),
)
GROUPS = st.lists(
    st.tuples(KINDS, st.lists(st.tuples(NUMBERS, st.booleans(), st.booleans()), min_size=1, max_size=4)),
    max_size=8,
)


@LATEST
@given(
    made=GROUPS, session_filter=FILTERS, offset=st.integers(0, 6), limit=st.integers(1, 8), at_once=st.integers(1, 4)
)
async def test_a_list_contains_the_matching_active_sessions_in_order(
    redis_url: str,
    made: list[tuple[dict[str, object], list[tuple[int, bool, bool]]]],
    session_filter: SessionFilter,
    offset: int,
    limit: int,
    at_once: int,
) -> None:
    """Each generated group has sessions of (chain, is expired, is revoked)."""
    expected: list[GroupedSession] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redis_groups, "_AT_ONCE", at_once)
        async with RedisStore.open(redis_url, prefix=f"groups-{time.monotonic_ns()}") as store:
            for number, (kind, sessions) in enumerate(made):
                installs = tuple(_install(number, index, *each) for index, each in enumerate(sessions))
                group = a_group(number, *installs, **kind, created_at=NOW + number // 2)
                await store.groups.register(group)
                expected += await _expected_sessions(store.groups, group, [is_revoked for _, _, is_revoked in sessions])
            page = await store.groups.page(session_filter, now=LATER, offset=offset, limit=limit)

    expected = [each for each in expected if session_filter.matches(each)]
    expected.sort(key=lambda each: (-each.group.created_at, each.install.session_id))
    assert page == tuple(expected[offset : offset + limit])


def _install(group: int, index: int, chain_id: int, is_expired: bool, is_revoked: bool) -> Install:
    expires_at = LATER if is_expired else FAR_FUTURE
    return an_install((index * 16 + group) ^ 0x55, chain_id=chain_id, expires_at=expires_at)


async def _expected_sessions(groups: RedisGroups, group: SessionGroup, revoked: list[bool]) -> list[GroupedSession]:
    """Revoke sessions and return those that should then be listed."""
    for install, is_revoked in zip(group.installs, revoked, strict=True):
        if is_revoked:
            await groups.revoke(group.id, install.session_id, at=LATER)
    found = await groups.get(group.id)
    assert found is not None
    active = [each for each in found.installs if each.revoked_at is None and each.expires_at > LATER]
    return [GroupedSession(group=found, install=each) for each in active]


@LATEST
@given(session_sets=st.lists(st.frozensets(st.integers(1, 5), min_size=1, max_size=3), min_size=2, max_size=12))
async def test_concurrent_registrations_put_each_session_in_one_group_and_no_group_in_part(
    redis_url: str, session_sets: list[frozenset[int]]
) -> None:
    prefix = f"register-{time.monotonic_ns()}"
    async with (
        RedisStore.open(redis_url, prefix=prefix) as one,
        RedisStore.open(redis_url, prefix=prefix) as other,
    ):
        requested = [
            a_group(turn, *(an_install(each) for each in session_set)) for turn, session_set in enumerate(session_sets)
        ]
        results = await asyncio.gather(
            *((one, other)[turn % 2].groups.register(group) for turn, group in enumerate(requested))
        )
        registered = {group.id: group for group in requested if await one.groups.get(group.id) is not None}
        homes = {each: await one.groups.find_by_session(_id(each)) for each in range(1, 6)}
        numbers = await _all(one.groups)

    taken = [each.session_id for group in registered.values() for each in group.installs]
    assert len(set(taken)) == len(taken)
    assert sorted(numbers) == sorted(int.from_bytes(each) for each in taken)
    for home in homes.values():
        assert home is None or home == registered[home.id]
    for group, result in zip(requested, results, strict=True):
        assert (result == group) == (group.id in registered)
        assert result is None or {each.session_id for each in result.installs} == {
            each.session_id for each in group.installs
        }


async def test_groups_of_a_newer_server_are_not_read_but_can_be_revoked(groups: RedisGroups) -> None:
    with pytest.raises(Unavailable, match="version 2, expected at most 1"):
        await groups.register(replace(PAIR, version=2))
    for request in (
        groups.get(PAIR.id),
        groups.find_by_session(_id(1)),
        groups.page(ANY, now=LATER, offset=0, limit=1),
        groups.register(replace(PAIR, id=GroupId("sgrp_other"))),
    ):
        with pytest.raises(Unavailable, match="version 2, expected at most 1"):
            await request

    assert await groups.revoke(PAIR.id, _id(1), at=LATER)
