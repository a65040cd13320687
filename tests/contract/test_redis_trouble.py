"""A Redis that hangs, exits, restarts or rejects: every call ends with `Unavailable`, and the store recovers."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.contract.sample import (
    ACCOUNT,
    CHAIN,
    NOW,
    SIGNED,
    a_call,
    a_group,
    a_key,
    a_session,
    an_event,
    some_claims,
)
from tests.contract.unsigned import reserve_entity
from tests.contract.waiting import is_answered, until
from tests.support.api_keys import caller_of
from wallet_rpc.adapters import redis_store
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.session_group import SessionFilter
from wallet_rpc.errors import Unavailable

PASSWORD = "hunter2"
SOON = 5.0
"""Several deadlines, in seconds, but less than all waiting calls would take one after the other."""


def _signal(server: RedisServer, number: signal.Signals) -> None:
    assert server.process_id is not None
    os.kill(server.process_id, number)


async def test_calls_to_a_hanging_redis_end_in_time_and_work_again_after_it(own: RedisServer) -> None:
    async with RedisStore.open(own.url) as patient:
        await patient.sessions.activate(a_session(), forget_at=None)
    async with RedisStore.open(own.url, deadline_seconds=1) as store:
        await until(partial(is_answered, store))
        _signal(own, signal.SIGSTOP)
        began = time.monotonic()
        errors = await asyncio.gather(*(store.check_writable() for _ in range(100)), return_exceptions=True)
        took = time.monotonic() - began
        _signal(own, signal.SIGCONT)
        await until(partial(is_answered, store))

        assert all(isinstance(answer, Unavailable) for answer in errors)
        assert took < SOON
        found = await asyncio.gather(*(store.sessions.get(ACCOUNT, CHAIN, a_session().id) for _ in range(100)))
        assert found == [a_session()] * 100


async def test_replies_never_reach_the_wrong_caller_after_cancelled_calls(own: RedisServer) -> None:
    """A connection with an unread reply must not be used for the next command."""
    sessions = [a_session(number=number) for number in range(1, 9)]
    async with RedisStore.open(own.url, connections=2) as store:
        for session in sessions:
            await store.sessions.activate(session, forget_at=None)
        for turn in range(40):
            tasks = [asyncio.create_task(store.sessions.get(ACCOUNT, CHAIN, one.id)) for one in sessions]
            await asyncio.sleep(0.0002 * (turn % 10))
            for task in tasks[::2]:
                task.cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(
                one in (session, None) or isinstance(one, asyncio.CancelledError)
                for one, session in zip(found, sessions, strict=True)
            )
            assert found[1::2] == sessions[1::2]


async def test_a_killed_redis_restarts_with_all_acknowledged_writes(own: RedisServer) -> None:
    """After `kill -9` during writes all acknowledged writes are there, and the store reconnects automatically."""
    assigned: list[int] = []

    async def reserve() -> None:
        while True:
            assigned.append(await reserve_entity(store, ACCOUNT, CHAIN))

    async def has_written(target: int) -> bool:
        return len(assigned) >= target

    async with RedisStore.open(own.url, deadline_seconds=5) as store:
        await store.calls.claim(a_call(), SIGNED)
        for _ in range(3):
            writers = [asyncio.create_task(reserve()) for _ in range(8)]
            await until(partial(has_written, len(assigned) + 20))
            _signal(own, signal.SIGKILL)
            ended, running = await asyncio.wait(writers, timeout=1.5)
            for task in running:
                task.cancel()
            await asyncio.wait(writers)
            assert all(isinstance(task.exception(), Unavailable) for task in ended)
            await until(partial(is_answered, store))

        assert await store.calls.claim(a_call(), SIGNED) == a_call()
        assert len(set(assigned)) == len(assigned)


async def test_a_redis_that_is_too_old_fails_the_check(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.verify()
    monkeypatch.setattr(redis_store, "OLDEST", (99, 0))

    with pytest.raises(Unavailable, match=r"the store is Redis .*, expected 6\.2 or newer"):
        await store.verify()


async def test_a_missing_redis_is_unavailable_and_its_url_stays_secret() -> None:
    for url in (f"redis://:{PASSWORD}@127.0.0.1:1/0", f"unix://:{PASSWORD}@/nowhere/redis.sock"):
        async with RedisStore.open(url, deadline_seconds=0.5) as store:
            with pytest.raises(Unavailable) as error_info:
                await store.check_writable()
        assert str(error_info.value) == "the store does not answer"
        assert PASSWORD not in repr(error_info.value.__cause__)


QUERIES: dict[str, Callable[[RedisStore], Awaitable[object]]] = {
    "a key": lambda store: store.directory.key(a_key().id),
    "a new key": lambda store: store.directory.add_key(a_key()),
    "organizations": lambda store: store.directory.organizations(),
    "a limit": lambda store: store.limiter.take(caller_of(a_key()), 1, now=NOW),
    "a revoked token": lambda store: store.tokens.is_revoked("0"),
    "a new token": lambda store: store.tokens.add(some_claims()),
    "a revoked session": lambda store: store.sessions.is_revoked(ACCOUNT, CHAIN, 1),
    "a group": lambda store: store.groups.get(a_group(1).id),
    "a new group": lambda store: store.groups.register(a_group(1)),
    "a page": lambda store: store.groups.page(SessionFilter(), now=NOW, offset=0, limit=1),
    "an entry": lambda store: store.audit.append(an_event()),
    "the log": lambda store: store.audit.verify(),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
async def test_every_query_of_a_hanging_redis_is_unavailable_in_time_and_works_later(
    own: RedisServer, query: Callable[[RedisStore], Awaitable[object]]
) -> None:
    async with RedisStore.open(own.url, deadline_seconds=0.2) as store:
        await until(partial(is_answered, store))
        _signal(own, signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(Unavailable, match=r"^the store does not answer$"):
            await query(store)
        took = time.monotonic() - began
        _signal(own, signal.SIGCONT)

        assert took < SOON
        await until(partial(is_answered, store, query))


async def test_a_log_with_timed_out_writers_has_no_entry_twice_and_is_intact(own: RedisServer) -> None:
    """An entry whose append failed may have been written; one whose append succeeded has been."""
    async with RedisStore.open(own.url, deadline_seconds=0.2) as store:
        acknowledged: set[tuple[int, int]] = set()
        for turn in range(6):
            is_asleep = turn % 2 == 1
            _signal(own, signal.SIGSTOP if is_asleep else signal.SIGCONT)
            if not is_asleep:
                await until(partial(is_answered, store))
            began = time.monotonic()
            many = (store.audit.append(an_event(turn=turn, number=number)) for number in range(40))
            answers = await asyncio.gather(*many, return_exceptions=True)
            assert time.monotonic() - began < SOON  # one deadline for all waiting writers
            assert not is_asleep or all(isinstance(answer, Unavailable) for answer in answers)
            acknowledged |= {(turn, number) for number, answer in enumerate(answers) if answer is None}
        _signal(own, signal.SIGCONT)
        await until(partial(is_answered, store))
        entries = await store.audit.entries(0, 300)
        failure = (await store.audit.verify()).failure

    events = [(each.event.facts["turn"], each.event.facts["number"]) for each in entries]
    assert failure is None
    assert len(set(events)) == len(events)
    assert acknowledged
    assert acknowledged <= set(events)


async def test_a_redis_with_another_password_is_unavailable(redis_server: RedisServer) -> None:
    async with RedisStore.open(redis_server.url.replace("unix://", f"unix://:{PASSWORD}@")) as store:
        with pytest.raises(Unavailable, match=r"^the store rejects the user or the password of its URL") as error_info:
            await store.check_writable()
    assert error_info.value.reason == "store_permission"
    assert PASSWORD not in repr(error_info.value.__cause__)


async def test_a_database_that_redis_lacks_is_named(own: RedisServer) -> None:
    async with RedisStore.open(f"{own.url}?db=99") as store:
        with pytest.raises(Unavailable, match=r"^the store has no database with the number in its URL$"):
            await store.verify()


async def test_no_connection_is_lost_when_calls_are_cancelled(own: RedisServer) -> None:
    async with RedisStore.open(own.url, connections=1, deadline_seconds=1) as store:
        for _ in range(50):
            tasks = [asyncio.create_task(store.check_writable()) for _ in range(3)]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        await store.check_writable()


async def test_a_request_whose_cancellation_becomes_a_lost_connection_is_not_repeated() -> None:
    """redis-py does this to a cancellation that reaches it while it closes a connection."""
    attempts = 0

    async def read_mode() -> str:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise RedisConnectionError("closed") from None
        return "standalone"

    topology: Any = SimpleNamespace(read_mode=read_mode, mode="standalone")
    link = Link(topology, prefix="trouble", deadline_seconds=0.2, connections=1)

    with pytest.raises(Unavailable):
        await link.check_mode()

    assert attempts == 1
