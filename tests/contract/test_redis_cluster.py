"""Storage on a cluster of three real masters: every script and command, moved slots, and lost connections."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from functools import partial
from uuid import UUID

import pytest
from redis.crc import key_slot
from redis.exceptions import ClusterCrossSlotError

from tests.contract.redis_processes import HOST, ClusterProcesses, RedisProcess, run_cluster, wait_until
from tests.contract.sample import ACCOUNT, CHAIN, NOW, ORGANIZATION, SIGNED, a_call
from tests.contract.sample_store import fill_organization, fill_shared
from tests.contract.store_load import RECORD, Writers
from tests.contract.waiting import is_answered, until
from tests.support.clocks import FixedClock
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_probe import check_writable
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.relayer_budget import DailyWei, Expense
from wallet_rpc.adapters.sponsorship.redis_budgets import Ledger, Reservation
from wallet_rpc.domain.access import OPEN_ORGANIZATION
from wallet_rpc.domain.policy import PolicyLimits
from wallet_rpc.domain.policy_limits import Parties
from wallet_rpc.errors import Unavailable
from wallet_rpc.primitives import Hash32

ONCE = "if redis.call('HSETNX', KEYS[1], ARGV[1], 1) == 1 then redis.call('HINCRBY', KEYS[1], 'count', 1) end return 1"
"""Idempotent script that counts its distinct arguments."""
READ_GROUP = "return redis.call('XREADGROUP', 'GROUP', 'workers', 'one', 'COUNT', 9, 'STREAMS', KEYS[1], '>')"
"""Script that reads the new entries of a stream."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterProcesses]:
    """Start a cluster for tests that disturb it."""
    with run_cluster("--cluster-node-timeout", "1000") as processes:
        yield processes


def _owner(cluster: ClusterProcesses, key: str) -> RedisProcess:
    slots = cluster.nodes[0].ask("CLUSTER SLOTS")
    port = next(master[1] for first, last, master, *_ in slots if first <= key_slot(key.encode()) <= last)
    return next(node for node in cluster.nodes if node.port == port)


def _move(source: RedisProcess, target: RedisProcess, slot: int, *, is_finished: bool) -> None:
    """Move a slot with its keys, or leave it half moved: the keys are in the target, the slot in the source."""
    source_id, target_id = source.ask("CLUSTER MYID"), target.ask("CLUSTER MYID")
    target.ask("CLUSTER SETSLOT", slot, "IMPORTING", source_id)
    source.ask("CLUSTER SETSLOT", slot, "MIGRATING", target_id)
    for key in source.ask("CLUSTER GETKEYSINSLOT", slot, 1000):
        assert source.ask("MIGRATE", HOST, target.port, key, 0, 5000) == b"OK"
    if is_finished:
        for node in (target, source):
            assert node.ask("CLUSTER SETSLOT", slot, "NODE", target_id)


async def test_every_script_and_command_runs_on_a_cluster(cluster: ClusterProcesses) -> None:
    async with RedisStore.open(cluster.url, prefix="all") as store:
        await fill_organization(store)
        await fill_organization(store.for_organization(ORGANIZATION))
        await fill_shared(store)
        budget = store.relayer_budget(DailyWei(total=10, account=5), FixedClock(NOW))
        expense = Expense(chain_id=CHAIN, account=ACCOUNT, transaction=Hash32(bytes(32)), cost=3)
        await budget.take(expense)
        await budget.give_back(expense)
        ledger = Ledger(UUID(int=7), 60)
        reservation = Reservation(
            chain_id=CHAIN,
            sender=ACCOUNT,
            nonce=1,
            operation_hash=Hash32(bytes(32)),
            cost=5,
            valid_until=NOW,
            parties=Parties(owners=(ACCOUNT,), key="key"),
        )
        assert await store.budgets.reserve(ledger, reservation, PolicyLimits(), now=NOW) is None
        assert await store.budgets.find_policy(CHAIN, reservation.operation_hash) == ledger.policy_id
        await store.budgets.expedite(ledger, reservation.identity, now=NOW)
        (pending,) = await store.budgets.lease_pending(ledger, now=NOW, lease_seconds=9, most=9)
        await store.budgets.settle(ledger, pending, cost=4, now=NOW)
        assert await store.budgets.read_totals(ledger) == (4, 1)
        assert await store.budgets.read_used(ledger, now=NOW) == (4, 1)
        assert await budget.read_left(CHAIN) == 10
        assert await store.facts_lease().take()
        assert not await store.facts_lease().take()
        assert [memory.used > 0 for memory in await store.read_memory()] == [True] * len(cluster.nodes)
        assert abs(await store.read_time() - time.time()) < 60
        scheduled = [call for group in [each async for each in store.outbox.scan()] for call in group]
        assert len(scheduled) == sum(depth.scheduled for depth in await store.outbox.read_depths(now=NOW)) > 0
        assert store.waiting_commands == 0
        assert await store.directory.scan_organization_ids() == {OPEN_ORGANIZATION, ORGANIZATION}
        assert (await store.audit.verify()).failure is None
    assert all(node.ask("DBSIZE") > 0 for node in cluster.nodes)


async def test_streams_and_reads_of_many_slots_run_on_a_cluster(cluster: ClusterProcesses) -> None:
    async with RedisStore.open(cluster.url, prefix="streams") as store:
        link = store.directory._link
        read_group = link.script(READ_GROUP)
        for number in range(8):
            stream = link.key(f"outbox:{number}")
            await link.command("XGROUP CREATE", stream, "workers", "0", "MKSTREAM")
            entry = await link.command("XADD", stream, "*", "call", number)
            read = await link.run(read_group, stream)
            assert read == [[stream.encode(), [[entry, [b"call", str(number).encode()]]]]]
            claimed = await link.command("XAUTOCLAIM", stream, "workers", "two", 0, "0-0", "COUNT", 9)
            assert claimed[1] == [(entry, {b"call": str(number).encode()})]
            assert await link.command("XACK", stream, "workers", entry) == 1
            await link.command("HSET", link.key(f"hash:{number}"), "number", number)
        keys = [link.key(f"hash:{number}") for number in range(9)]

        found = await link.records(keys)

    assert found == [{b"number": str(number).encode()} for number in range(8)] + [{}]


async def test_the_first_commands_go_to_the_masters_of_their_slots(cluster: ClusterProcesses) -> None:
    for node in cluster.nodes:
        node.ask("CONFIG RESETSTAT")
    async with RedisStore.open(cluster.url, prefix="first") as store:
        link = store.directory._link
        await asyncio.gather(*(link.command("SET", link.key(str(number)), 1) for number in range(60)))

    assert all("errorstat_MOVED" not in node.ask("INFO", "errorstats") for node in cluster.nodes)


async def test_a_moved_slot_is_followed_during_and_after_the_move(cluster: ClusterProcesses) -> None:
    async with RedisStore.open(cluster.url, prefix="moved") as store:
        await store.calls.claim(a_call(), SIGNED)
        key = store.calls.call_key(CHAIN, a_call().hash)
        source = _owner(cluster, key)
        target = next(node for node in cluster.nodes if node is not source)
        slot = key_slot(key.encode())

        _move(source, target, slot, is_finished=False)
        assert await store.calls.get(CHAIN, a_call().hash) == a_call()
        assert await store.calls.claim(a_call(), SIGNED) == a_call()
        assert key in target.ask("CLUSTER GETKEYSINSLOT", slot, 1000)
        _move(source, target, slot, is_finished=True)

        assert await store.calls.get(CHAIN, a_call().hash) == a_call()
        assert await store.calls.claim(a_call(), SIGNED) == a_call()
        assert len(await store.directory._link.find_keys("*")) == 8


async def test_commands_survive_connections_that_are_closed_under_load(cluster: ClusterProcesses) -> None:
    """Each is repeated; none fails with an error of redis-py's own state, and none is lost."""
    async with RedisStore.open(cluster.url, prefix="closed", deadline_seconds=10) as store:
        link = store.directory._link
        script = link.script(ONCE)
        keys = [link.key(f"count:{number}") for number in range(6)]
        is_over = asyncio.Event()

        closed = 0

        async def close_connections() -> None:
            nonlocal closed
            while not is_over.is_set():
                for node in cluster.nodes:
                    closed += await asyncio.to_thread(node.ask, "CLIENT KILL", "TYPE", "normal")

        closing = asyncio.create_task(close_connections())
        done = 0
        while closed <= 50:
            numbers = range(done, done + 60)
            await asyncio.gather(*(link.run(script, keys[number % 6], number) for number in numbers))
            done += 60
        is_over.set()
        await closing

        assert [await link.command("HGET", key, "count") for key in keys] == [b"%d" % (done // 6)] * 6


async def test_a_cancelled_command_never_leaves_its_reply_to_another(cluster: ClusterProcesses) -> None:
    async with RedisStore.open(cluster.url, prefix="cancelled", connections=2) as store:
        link = store.directory._link
        keys = [link.key(f"n:{number}") for number in range(8)]
        for number, key in enumerate(keys):
            await link.command("SET", key, number)
        for turn in range(40):
            tasks = [asyncio.create_task(link.command("GET", key)) for key in keys]
            await asyncio.sleep(0.0002 * (turn % 10))
            for task in tasks[::2]:
                task.cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            assert found[1::2] == [str(number).encode() for number in range(1, 8, 2)]
        await asyncio.gather(*(check_writable(link) for _ in range(4)))


async def test_a_write_in_each_master_is_proved(cluster: ClusterProcesses) -> None:
    async with RedisStore.open(cluster.url, prefix="probe", deadline_seconds=1) as store:
        await store.verify()
        assert all(_has_probe(node) for node in cluster.nodes)
        for node in cluster.nodes:
            node.send(signal.SIGSTOP)
            with pytest.raises(Unavailable, match="the store does not answer"):
                await store.check_writable()
            node.send(signal.SIGCONT)
            await until(partial(is_answered, store))


def _has_probe(node: RedisProcess) -> bool:
    with node.client() as client:
        return any(client.scan_iter("probe:1:{ready:*}"))


async def test_a_failover_loses_no_durable_write_and_a_dead_master_makes_the_store_unavailable() -> None:
    with run_cluster("--cluster-node-timeout", "1000", has_replica=True) as own:
        link = Link.open(own.url, prefix="failover", deadline_seconds=2, connections=16, replicas=1)
        key = next(key for key in map(link.key, map(str, range(99))) if _owner(own, key) is own.nodes[0])
        durable = Writers(link, key)

        async def has_written(count: int) -> bool:
            return len(durable.acknowledged) >= count

        async with durable.running(8):
            await until(partial(has_written, 300))
            own.nodes[0].kill()
        fast = Link.open(own.url, prefix="failover", deadline_seconds=1, connections=16)
        await until(partial(_is_writable, fast))
        lost = await durable.lost(fast)
        with pytest.raises(Unavailable) as error_info:  # the promoted replica has none
            await link.run_durably(link.script(RECORD), key, 0)
        own.nodes[1].kill()
        wait_until(lambda: own.nodes[2].ask("CLUSTER INFO")["cluster_state"] == "fail")
        is_writable_without_it = await _is_writable(fast)
        own.nodes[1].start()
        await until(partial(_is_writable, fast))
        await asyncio.gather(link.close(), fast.close())

    assert lost == set()
    assert error_info.value.reason == "not_replicated"
    assert not is_writable_without_it


async def _is_writable(link: Link) -> bool:
    try:
        await check_writable(link)
    except Unavailable:
        return False
    return True


async def test_a_durable_write_follows_a_moving_slot_and_reports_missing_replicas(cluster: ClusterProcesses) -> None:
    link = Link.open(cluster.url, prefix="durable", deadline_seconds=1, connections=4, replicas=1)
    script = link.script(RECORD)
    await link.command_on_masters("SCRIPT LOAD", RECORD)
    key = link.key("moving")
    await link.command("HSET", key, "first", 1)
    source = _owner(cluster, key)
    target = next(node for node in cluster.nodes if node is not source)

    for number, is_finished in enumerate((False, True)):
        _move(source, target, key_slot(key.encode()), is_finished=is_finished)
        with pytest.raises(Unavailable, match=r"^0 replicas of the store acknowledged a write within 250 ms"):
            await link.run_durably(script, key, number)
    found = await link.command("HKEYS", key)
    await link.close()

    assert set(found) == {b"first", b"0", b"1"}


@pytest.mark.parametrize(
    "form", ["redis+cluster://{one}", "redis://{one},{two}", "redis+cluster://127.0.0.1:1,{two}/0"]
)
async def test_one_reachable_node_is_enough(cluster: ClusterProcesses, form: str) -> None:
    one, two = (f"{HOST}:{node.port}" for node in cluster.nodes[:2])
    async with RedisStore.open(form.format(one=one, two=two), prefix="few") as store:
        assert [each.mode for each in await store.verify()] == ["cluster"] * 3


async def test_the_url_must_fit_the_mode_of_the_server(cluster: ClusterProcesses) -> None:
    async with RedisStore.open(f"redis://{HOST}:{cluster.nodes[0].port}") as store:
        with pytest.raises(Unavailable, match=r"runs in cluster mode, .* use a redis\+cluster:// URL") as error_info:
            await store.verify()
    assert error_info.value.reason == "redis_mode"


async def test_keys_of_two_slots_in_one_script_are_refused(cluster: ClusterProcesses) -> None:
    """The other tests prove that no script has them: this is how one would fail."""
    link = Link.open(cluster.url, prefix="two", deadline_seconds=0.3, connections=2)
    with pytest.raises(Unavailable) as error_info:
        await link.run(link.script(ONCE), [link.key("a"), link.key("b")], 1)
    await link.close()
    assert isinstance(error_info.value.__cause__, ClusterCrossSlotError)
