"""Shared facts, read from a real Redis and a chain, by one process of all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from tests.contract.sample import CHAIN as CALL_CHAIN
from tests.contract.sample import SIGNED, a_call
from tests.policies.sample import NOW, a_ledger, a_reservation, settle_once
from tests.support.clocks import FixedClock
from tests.support.http_stub import Answer, serve_stub
from wallet_rpc.adapters.http_post import HttpClient
from wallet_rpc.adapters.redis_outbox import _format_call, _shard_of
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.relayer_budget import DailyWei, Expense
from wallet_rpc.adapters.sponsorship.paymaster import Sponsor
from wallet_rpc.adapters.sponsorship.redis_budgets import Ledger
from wallet_rpc.chain_clients import build_chain_clients
from wallet_rpc.config.chains import ChainSetting
from wallet_rpc.devchain import dev_constants
from wallet_rpc.domain.access import OPEN_ORGANIZATION, OrganizationId
from wallet_rpc.domain.call_state import CallState
from wallet_rpc.domain.policy import Policy, PolicyLimits
from wallet_rpc.metrics import catalogue, exposition
from wallet_rpc.metrics.exposition import FactsCollector, WorkerFacts, _FolderFacts
from wallet_rpc.metrics.facts import Fact, FactSources, read_shared_facts
from wallet_rpc.metrics.instruments import Instruments
from wallet_rpc.metrics.sharing import FactSharing
from wallet_rpc.payer_opening import Payers, RelayerOptions
from wallet_rpc.primitives import Address, Hash32

NO_PAYERS = Payers(sponsor=None, relayer=None)
RELAYER_KEY = b"\x07" * 32


def sources_of(store: RedisStore, *, now: int = NOW, payers: Payers = NO_PAYERS) -> FactSources:
    return FactSources(store=store, chain_clients=(), clock=FixedClock(now), payers=payers)


def values(facts: list[Fact], name: str) -> dict[str, float]:
    """Return the values of a metric by its labels."""
    return {" ".join(labels): value for definition, labels, value in facts if definition.name == f"wallet_rpc_{name}"}


async def test_calls_of_all_organisations_count_by_state_and_age(store: RedisStore) -> None:
    hashes = [Hash32(number.to_bytes(32)) for number in range(1, 6000)]
    of_shard = [each for each in hashes if _shard_of(_format_call(OPEN_ORGANIZATION, CALL_CHAIN, each)) == 0]
    for number, operation_hash in enumerate(of_shard[:250], 1):  # more than one step of the scan of a shard
        state = CallState.SUBMITTED if number > 3 else CallState.ACCEPTED
        sent_at = NOW - 10 - (number if state is CallState.ACCEPTED else 5 * number)
        call = replace(a_call(), hash=operation_hash, nonce=1000 + number, state=state, sent_at=sent_at)
        organization = OrganizationId("org_one") if number % 10 == 0 else OPEN_ORGANIZATION
        assert await store.for_organization(organization).calls.claim(call, SIGNED) is None

    facts = await read_shared_facts(sources_of(store))

    accepted, submitted = [f"{CALL_CHAIN} {state.value}" for state in (CallState.ACCEPTED, CallState.SUBMITTED)]
    assert values(facts, "calls") == {accepted: 3, submitted: 247}
    assert values(facts, "oldest_call_age_seconds") == {accepted: 13, submitted: 10 + 5 * 250}
    assert sum(values(facts, "outbox_scheduled_calls").values()) == 250
    assert sum(values(facts, "outbox_stream_entries").values()) == 0


async def test_queues_show_calls_that_are_ready_and_calls_that_a_worker_has(store: RedisStore) -> None:
    for number in range(1, 6):
        await store.outbox.add(OPEN_ORGANIZATION, 1, Hash32(number.to_bytes(32)), at=NOW + (number > 3))

    facts = await read_shared_facts(sources_of(store))
    assert sum(values(facts, "outbox_ready_calls").values()) == 3
    await store.outbox.take(now=NOW)
    facts = await read_shared_facts(sources_of(store))
    assert sum(values(facts, "outbox_ready_calls").values()) == 0
    assert sum(values(facts, "outbox_stream_entries").values()) == 3
    assert set(values(facts, "outbox_ready_calls")) == {str(shard) for shard in range(8)}
    assert values(facts, "calls") == {}, "entries without a record are no calls"


async def test_what_a_policy_has_left_counts_its_window_only(store: RedisStore) -> None:
    limits = PolicyLimits(total_wei=10_000, total_operations=40, window_seconds=60)
    policy = Policy(id=UUID(int=7), limits=limits)
    ledger = Ledger(policy.id, 60)
    for one in (a_reservation(1, cost=700), a_reservation(2, cost=200, sender=1, valid_until=NOW)):
        assert await store.budgets.reserve(ledger, one, limits, now=NOW) is None
    for pending in await store.budgets.lease_pending(ledger, now=NOW, lease_seconds=1, most=9):
        await store.budgets.settle(ledger, pending, cost=150, now=NOW)
    async with HttpClient() as http:
        sponsor = Sponsor(policies={policy.id: policy}, budgets=store.budgets, clock=FixedClock(NOW), http=http)
        payers = Payers(sponsor=sponsor, relayer=None)
        now, later = [await read_shared_facts(sources_of(store, now=at, payers=payers)) for at in (NOW, NOW + 61)]

    label = str(policy.id)
    assert values(now, "policy_budget_left_wei") == {label: 9150}
    assert values(now, "policy_operations_left") == {label: 38}
    assert values(now, "policy_budget_left_ratio") == {label: 0.915}
    assert values(later, "policy_budget_left_wei") == {label: 9300}
    assert values(later, "policy_operations_left") == {label: 39}


async def test_reading_a_budget_changes_no_decision_about_it(store: RedisStore) -> None:
    ledger, limits = a_ledger(60), PolicyLimits(total_wei=100, window_seconds=60)
    await settle_once(store.budgets, ledger, 0, 1)
    assert await store.budgets.reserve(ledger, a_reservation(1, cost=40), limits, now=NOW) is None
    for at in (NOW, NOW + 1000):
        wei, _ = await store.budgets.read_used(ledger, now=at)
        assert wei == 40, "an open reservation counts until its end"
        assert await store.budgets.reserve(ledger, a_reservation(2, cost=61, sender=1), limits, now=at) is not None


async def test_the_relayers_budget_of_today_is_read_by_chain(store: RedisStore) -> None:
    clock = FixedClock(NOW)
    budget = store.relayer_budget(DailyWei(total=4 * 10**17, account=10**18), clock)
    await budget.take(Expense(chain_id=5, account=Address(b"\x01" * 20), transaction=Hash32(b"\x02" * 32), cost=10**17))

    assert [await budget.read_left(chain) for chain in (5, 6)] == [3 * 10**17, 4 * 10**17]
    clock.seconds += 86_400
    assert await budget.read_left(5) == 4 * 10**17


async def test_a_chain_that_is_down_leaves_its_balances_out_and_keeps_the_others(store: RedisStore) -> None:
    def answer(body: bytes) -> Answer:
        requested = json.loads(body)
        many = requested if isinstance(requested, list) else [requested]
        results = {"eth_getBalance": "0x2a", "eth_call": f"0x{43:064x}"}
        found = [{"jsonrpc": "2.0", "id": one["id"], "result": results[one["method"]]} for one in many]
        return Answer(json.dumps(found if isinstance(requested, list) else found[0]).encode())

    budget = store.relayer_budget(DailyWei(total=10, account=10), FixedClock(NOW))
    options = RelayerOptions(key=RELAYER_KEY, budget=budget, turn=store.relayer_turn())
    with serve_stub(answer) as works, serve_stub(lambda _: Answer(b"", 503)) as fails:
        async with HttpClient() as http:
            chains = [
                build_chain_clients(
                    ChainSetting(
                        chain_id=number,
                        node_urls=(url,),
                        bundler_urls=(url,),
                        verifying_paymaster=dev_constants.PAYMASTER,
                    ),
                    http,
                    relayer_options=options,
                )
                for number, url in enumerate((fails, works), 1)
            ]
            payers = Payers(sponsor=None, relayer=options)
            facts = await read_shared_facts(replace(sources_of(store, payers=payers), chain_clients=chains))

    assert values(facts, "calls") == {f"{chain} {state.value}": 0 for chain in (1, 2) for state in CallState}
    assert values(facts, "relayer_balance_wei") == {"2": 42}
    assert values(facts, "paymaster_deposit_wei") == {"2": 43}
    assert values(facts, "relayer_budget_left_ratio") == {"1": 1.0, "2": 1.0}
    assert set(values(facts, "redis_memory_used_bytes")) == set(values(facts, "redis_memory_limit_bytes")) == {"1"}


class BrokenClock(FixedClock):
    """Clock that fails at its first use."""

    has_failed = False

    def now(self) -> int:
        if not self.has_failed:
            self.has_failed = True
            raise ZeroDivisionError
        return super().now()


class Replica:
    """One process of a server that takes part in reading the facts."""

    def __init__(self, store: RedisStore, clock: FixedClock | None = None) -> None:
        self.facts = FactsCollector()
        self.instruments = Instruments()
        self.sharing = FactSharing(
            replace(sources_of(store), clock=FixedClock(NOW) if clock is None else clock),
            self.facts,
            self.instruments,
            renewal_seconds=0.05,
            read_seconds=0.05,
        )

    @property
    def has_facts(self) -> bool:
        return list(self.facts.collect()) != []

    @property
    def is_holder(self) -> bool:
        return self.instruments.registry.get_sample_value("wallet_rpc_facts_leaseholder") == 1


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  # a fact in other tasks
            await asyncio.sleep(0.01)


async def test_one_replica_exports_the_facts_and_another_goes_on(store: RedisStore) -> None:
    first, second = Replica(store), Replica(store)
    async with second.sharing.run():
        await until(lambda: second.has_facts)
        async with first.sharing.run():
            for _ in range(10):
                await asyncio.sleep(0.05)
                assert (first.is_holder, first.has_facts) == (False, False)
                assert (second.is_holder, second.has_facts) == (True, True)
    assert (second.is_holder, second.has_facts) == (False, False), "it has left the lease"
    async with first.sharing.run():
        await until(lambda: first.has_facts)
        assert first.is_holder


async def test_a_replica_that_lost_the_lease_withdraws_its_facts(store: RedisStore) -> None:
    first, second = Replica(store), Replica(store)
    async with first.sharing.run():
        await until(lambda: first.has_facts)
        await store._link.command("DEL", store._link.key("facts-lease"))  # as if it had ended by time
        assert await second.sharing._lease.take()
        await until(lambda: not first.has_facts)
        assert not first.is_holder


async def test_a_bug_in_reading_is_logged_and_the_next_reading_works(
    store: RedisStore, capfd: pytest.CaptureFixture[str]
) -> None:
    replica = Replica(store, BrokenClock(NOW))
    async with replica.sharing.run():
        await until(lambda: replica.has_facts)
    printed = "".join(capfd.readouterr())
    assert "metrics_failed" in printed
    assert "(metrics)" in printed


async def test_the_clock_is_compared_with_that_of_redis(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    replica = Replica(store)

    async def read_time() -> float:
        return 5.0

    monkeypatch.setattr(store, "read_time", read_time)
    async with replica.sharing.run():
        registry = replica.instruments.registry
        await until(lambda: (registry.get_sample_value("wallet_rpc_clock_skew_seconds") or 0) > NOW / 2)


@pytest.mark.parametrize("has_folder", [False, True])
def test_facts_of_a_reader_that_hangs_vanish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_folder: bool) -> None:
    facts = WorkerFacts(tmp_path, 1) if has_folder else FactsCollector()
    collector = _FolderFacts(tmp_path) if has_folder else facts
    facts.publish([(catalogue.FACTS_TIME, (), NOW)])
    assert [family.name for family in collector.collect()] == [catalogue.FACTS_TIME.name]

    monkeypatch.setattr(exposition, "KEPT_SECONDS", -1.0)

    assert list(collector.collect()) == []
