"""Contract of `ports.sessions.SessionIndex`, tested against a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.sample import NOW
from wallet_rpc.adapters import redis_session_index
from wallet_rpc.adapters.redis_session_index import RedisSessionIndex
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.session_reference import IndexedSession, SessionQuery
from wallet_rpc.primitives import Address, ChainId, EntityId, SessionId

ANY = SessionQuery()
FORGOTTEN = NOW + 50


@pytest.fixture
def index(store: RedisStore) -> RedisSessionIndex:
    return store.session_index


def a_session(number: int, *, created: int = 0, forget_at: int | None = None) -> IndexedSession:
    """Return a session whose account, key and chain follow from its number."""
    return IndexedSession(
        id=SessionId(number.to_bytes(16, "big")),
        account=Address(bytes([number % 3]) * 20),
        chain_id=ChainId(1 + number % 2),
        entity_id=EntityId(number + 1),
        key=Address(bytes([0xFF, number % 5]) * 10),
        created_at=NOW + created,
        forget_at=forget_at,
    )


async def _pages(index: RedisSessionIndex, query: SessionQuery, *, now: int = NOW, limit: int = 2) -> list[int]:
    """Return the numbers of all listed sessions, read page by page."""
    numbers: list[int] = []
    after = b""
    while True:
        page = await index.page(query, now=now, after=after, limit=limit)
        assert len(page.sessions) <= limit
        numbers += [int.from_bytes(each.id) for each in page.sessions]
        if not page.next_page:
            return numbers
        after = page.next_page


async def test_a_session_comes_back_as_added_and_is_replaced_by_a_later_entry(index: RedisSessionIndex) -> None:
    session = a_session(1, forget_at=NOW + 9)
    await index.add(session, now=NOW)
    assert await index.find(session.id) == session

    signed = replace(session, forget_at=None)
    await index.add(signed, now=NOW)

    assert await index.find(session.id) == signed
    assert await _pages(index, ANY, now=NOW + 10) == [1]
    assert await index.find(a_session(2).id) is None


@given(
    created=st.dictionaries(st.integers(0, 40), st.integers(0, 4), max_size=20),
    tagged=st.dictionaries(st.integers(0, 40), st.sets(st.sampled_from(["a", "b:{}", "ü "])), max_size=8),
    forgotten=st.sets(st.integers(0, 40), max_size=8),
    query=st.builds(
        SessionQuery,
        account=st.none() | st.integers(0, 2).map(lambda n: Address(bytes([n]) * 20)),
        key=st.none() | st.integers(0, 4).map(lambda n: Address(bytes([0xFF, n]) * 10)),
        chain_id=st.none() | st.sampled_from([ChainId(1), ChainId(2)]),
        tag=st.none() | st.sampled_from(["a", "b:{}", "ü "]),
    ),
    limit=st.integers(1, 5),
)
async def test_a_query_lists_exactly_the_sessions_that_have_its_values(
    index: RedisSessionIndex,
    created: Mapping[int, int],
    tagged: Mapping[int, set[str]],
    forgotten: set[int],
    query: SessionQuery,
    limit: int,
) -> None:
    """The order is newest first, then by descending id; sessions whose records are deleted are left out."""
    for number in range(41):
        await index.remove(a_session(number).id)
    for number, second in created.items():
        forget_at = FORGOTTEN if number in forgotten else None
        await index.add(a_session(number, created=second, forget_at=forget_at), now=NOW)
    for number, tags in tagged.items():
        assert await index.set_tags(a_session(number).id, sorted(tags)) == (number in created)

    listed = await _pages(index, query, now=FORGOTTEN, limit=limit)

    fitting = [
        number
        for number in created
        if number not in forgotten
        and query.account in {None, a_session(number).account}
        and query.key in {None, a_session(number).key}
        and query.chain_id in {None, a_session(number).chain_id}
        and (query.tag is None or query.tag in tagged.get(number, set()))
    ]
    assert listed == sorted(fitting, key=lambda number: (created[number], number), reverse=True)


async def test_tags_belong_to_indexed_sessions_and_go_with_them(index: RedisSessionIndex) -> None:
    one, other = a_session(1), a_session(2)
    await index.add(one, now=NOW)

    assert await index.set_tags(one.id, ["b", "a", "b"])
    assert not await index.set_tags(other.id, ["a"])
    assert await index.tags([other.id, one.id]) == ((), ("a", "b"))
    assert await _pages(index, SessionQuery(tag="a")) == [1]

    await index.remove(one.id)
    assert await index.tags([one.id]) == ((),)
    assert await _pages(index, SessionQuery(tag="a")) == []


async def test_a_page_continues_where_its_last_session_was_removed(index: RedisSessionIndex) -> None:
    for number in range(6):
        await index.add(a_session(number), now=NOW)
    page = await index.page(ANY, now=NOW, after=b"", limit=3)
    assert [int.from_bytes(each.id) for each in page.sessions] == [5, 4, 3]

    await index.remove(a_session(3).id)
    await index.add(a_session(9), now=NOW)  # newer by its id, so before the page

    rest = await index.page(ANY, now=NOW, after=page.next_page, limit=3)
    assert [int.from_bytes(each.id) for each in rest.sessions] == [2, 1, 0]
    assert await index.find(a_session(3).id) is None


async def test_a_search_examines_a_bounded_number_of_sessions(
    index: RedisSessionIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = redis_session_index._PAGE.replace("1000", "4")
    assert source != redis_session_index._PAGE
    monkeypatch.setattr(redis_session_index, "_PAGE", source)
    bounded = RedisSessionIndex(index._link, OrganizationId("org_bounded"), complete=index.complete)
    for number in range(11):
        await bounded.add(a_session(number), now=NOW)

    first = await bounded.page(SessionQuery(key=a_session(0).key), now=NOW, after=b"", limit=2)
    nothing = await bounded.page(SessionQuery(tag="x"), now=NOW, after=b"", limit=2)

    assert [int.from_bytes(each.id) for each in first.sessions] == [10, 5]
    assert first.next_page
    assert nothing.sessions == ()
    assert await _pages(bounded, SessionQuery(chain_id=ChainId(1)), limit=3) == [10, 8, 6, 4, 2, 0]


async def test_concurrent_changes_leave_an_index_that_agrees_with_its_entries(index: RedisSessionIndex) -> None:
    async def change(number: int) -> None:
        session = a_session(number)
        await index.add(session, now=NOW)
        await index.set_tags(session.id, ["t"])
        if number % 3 == 0:
            await index.remove(session.id)

    await asyncio.gather(*(change(number) for number in range(60) for _ in range(2)))
    for number in range(60):
        if number % 3 == 0:
            await index.remove(a_session(number).id)

    left = [number for number in reversed(range(60)) if number % 3]
    assert await _pages(index, ANY, limit=7) == left
    assert await _pages(index, SessionQuery(tag="t"), limit=7) == left


async def test_a_session_is_found_by_its_entity_id(index: RedisSessionIndex) -> None:
    for number in range(9):
        await index.add(a_session(number), now=NOW)
    session = a_session(5)

    assert await index.find_by_entity(session.reference) == session
    assert await index.find_by_entity(replace(session.reference, chain_id=ChainId(7))) is None
    assert await index.find_by_entity(replace(session.reference, entity_id=EntityId(99))) is None


async def test_tags_are_written_with_an_entry_and_stay_with_a_later_one(index: RedisSessionIndex) -> None:
    session = a_session(1)
    await index.add(session, now=NOW, tags=["b", "a"])
    await index.add(replace(session, forget_at=NOW + 9), now=NOW)
    assert await index.tags([session.id]) == (("a", "b"),)
    assert await _pages(index, SessionQuery(tag="b")) == [1]

    await index.add(replace(session, forget_at=None), now=NOW, tags=["c"], is_backfill=True)
    assert await index.find(session.id) == replace(session, forget_at=NOW + 9)
    assert await index.tags([session.id]) == (("a", "b"),)
