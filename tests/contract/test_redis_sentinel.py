"""Storage on a master that Sentinels watch: failover under load, and what WAIT saves in it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from functools import partial

import pytest

from tests.contract.redis_processes import HOST, PASSWORD, SERVICE, SentinelProcesses, run_sentinels, wait_until
from tests.contract.sample import CHAIN, SIGNED, a_call
from tests.contract.store_load import RECORD, Writers
from tests.contract.waiting import is_answered, until
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_master import SingleMaster
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.errors import Unavailable

DEADLINE_SECONDS = 1.0


@pytest.fixture
def sentinels() -> Iterator[SentinelProcesses]:
    """Start a master with two replicas and three Sentinels."""
    with run_sentinels(replicas=2) as processes:
        yield processes


def _open(url: str, *, replicas: int = 0) -> Link:
    return Link.open(url, prefix="wait", deadline_seconds=DEADLINE_SECONDS, connections=32, replicas=replicas)


async def test_a_failover_under_load_loses_no_acknowledged_durable_write(sentinels: SentinelProcesses) -> None:
    link = _open(sentinels.url, replicas=1)
    writers = Writers(link)

    async def has_written(count: int) -> bool:
        return len(writers.acknowledged) >= count

    async with writers.running(8):
        await until(partial(has_written, 300))
        old = sentinels.master
        old.kill()
        await asyncio.to_thread(wait_until, lambda: sentinels.is_promoted(old))
        await until(partial(has_written, len(writers.acknowledged) + 300))
    lost = await writers.lost()
    await link.close()

    assert lost == set()


async def test_without_wait_a_failover_loses_acknowledged_writes(sentinels: SentinelProcesses) -> None:
    """The replicas are cut off, so the master has writes that they lack; WAIT reports that, and nothing else does."""
    fast, durable = _open(sentinels.url), _open(sentinels.url, replicas=1)
    script = fast.script(RECORD)
    key = fast.key("records")
    await durable.run_durably(durable.script(RECORD), key, "replicated")
    old = sentinels.master
    replicas = [each for each in sentinels.servers if each is not old]
    for each in replicas:
        each.send(signal.SIGSTOP)
    assert old.ask("CLIENT KILL", "TYPE", "replica") == len(replicas)

    await fast.run_durably(script, key, "fast")
    with pytest.raises(Unavailable, match=r"^0 replicas .* within 250 ms, expected 1: repeat") as error_info:
        await durable.run_durably(durable.script(RECORD), key, "durable")
    old.kill()
    for each in replicas:
        each.send(signal.SIGCONT)
    await asyncio.to_thread(wait_until, lambda: sentinels.is_promoted(old))
    found = await fast.command("HKEYS", key)
    await asyncio.gather(fast.close(), durable.close())

    assert (error_info.value.reason, error_info.value.retryable) == ("not_replicated", True)
    assert found == [b"replicated"]


async def test_a_store_leaves_a_frozen_master_and_one_that_became_a_replica(sentinels: SentinelProcesses) -> None:
    """The first of the URL's Sentinels does not exist."""
    url = sentinels.url.replace("@", f"@{HOST}:1,")
    async with (
        RedisStore.open(url, deadline_seconds=DEADLINE_SECONDS) as store,
        RedisStore.open(url, deadline_seconds=DEADLINE_SECONDS) as idle,
    ):
        await idle.check_writable()
        (facts,) = await store.verify()
        await store.calls.claim(a_call(), SIGNED)
        old = sentinels.master
        old.send(signal.SIGSTOP)
        await asyncio.to_thread(wait_until, lambda: sentinels.is_promoted(old))
        await until(partial(is_answered, store))
        assert await store.calls.get(CHAIN, a_call().hash) == a_call()
        old.send(signal.SIGCONT)
        old.ask("REPLICAOF", HOST, sentinels.master.port)  # as the Sentinels do after ten seconds
        await until(partial(_is_writable, idle))  # over its connection to the old master it gets READONLY first
        old.ask("CLIENT KILL", "TYPE", "normal")

        await asyncio.gather(*(store.check_writable() for _ in range(40)))
        assert (facts.replicas, facts.mode) == (2, "standalone")


async def test_concurrent_searches_for_the_master_lose_no_sentinel() -> None:
    with run_sentinels(replicas=0, count=1) as one:
        link = _open(one.url.replace("@", f"@{HOST}:1,{HOST}:2,"))
        assert isinstance(link._topology, SingleMaster)
        assert link._topology.sentinel is not None
        before = set(map(id, link._topology.sentinel.sentinels))

        await asyncio.gather(*(link.command("GET", link.key("key")) for _ in range(32)))
        after = set(map(id, link._topology.sentinel.sentinels))
        await link.close()

    assert after == before
    assert len(after) == 3


async def test_a_wrong_service_or_a_url_of_another_form_is_reported() -> None:
    with run_sentinels(replicas=0, count=1) as one:
        master, sentinel = (f"{HOST}:{each.port}" for each in (one.master, one.sentinels[0]))
        expected = {
            one.url: "",
            one.url.removesuffix(SERVICE) + "other": "the Sentinels name no master of the store",
            f"redis://{sentinel}": "the store runs in sentinel mode, expected standalone: use a redis+sentinel:// URL",
            f"redis+cluster://:{PASSWORD}@{master}": "the store runs in standalone mode, expected cluster: "
            "use a redis:// URL",
            f"redis://{master}": "the store rejects the user or the password of its URL, or the user lacks a "
            "permission",
        }
        assert {url: await _verify(url) for url in expected} == expected


async def _verify(url: str) -> str:
    """Return the message of the failed check."""
    async with RedisStore.open(url, deadline_seconds=0.5) as store:
        try:
            await store.verify()
        except Unavailable as error:
            return error.message
        return ""


async def _is_writable(store: RedisStore) -> bool:
    try:
        await store.check_writable()
    except Unavailable:
        return False
    return True
