"""When a promise is free again: the paymaster over a chain in this process, whose time the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from tests.devchain.asking import catch_failure, send
from tests.devchain.sample import SINK, mint
from tests.policies.world import CHAIN, CONTEXT, OURS, POLICY, World, open_world
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.sponsorship.outcomes import SETTLE_GRACE_SECONDS, SETTLE_TIMEOUT_SECONDS
from wallet_rpc.adapters.sponsorship.paymaster import LEASE_SECONDS, LOOKUP_BATCH, PolicyPaymaster
from wallet_rpc.adapters.sponsorship.setup import check_signer
from wallet_rpc.devchain import dev_constants
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.gas import max_cost
from wallet_rpc.domain.policy import Policy
from wallet_rpc.domain.policy import PolicyLimits as Budget
from wallet_rpc.domain.user_operation import user_operation_hash
from wallet_rpc.errors import PaymasterRejected, Unavailable
from wallet_rpc.primitives import Address


@pytest.fixture
async def world(store: RedisStore) -> AsyncIterator[World]:
    async with open_world(store) as made:
        yield made


async def test_a_promise_nobody_used_is_free_when_its_time_is_over(world: World) -> None:
    await world.sponsor_operation(world.actor(1))
    world.pass_time(POLICY.sponsorship_seconds + SETTLE_GRACE_SECONDS - 1)
    assert await world.is_rejected(world.actor(2))
    world.pass_time(LEASE_SECONDS)
    assert not await world.is_rejected(world.actor(2))
    assert (await world.totals())[1] == 1


async def test_a_used_up_budget_is_looked_through_as_far_as_needed(world: World) -> None:
    """Nine promises fill it; the eight that are looked at first have landed, the ninth can never land."""
    world.policies[POLICY.id] = replace(POLICY, limits=Budget())
    for number in range(LOOKUP_BATCH):
        send(world.node, await world.sponsor_operation(world.actor(1 + number)))
    world.pass_time(1)
    await world.sponsor_operation(world.actor(50))
    world.policies[POLICY.id] = replace(POLICY, limits=Budget(total_operations=LOOKUP_BATCH + 1))
    assert await world.is_rejected(world.actor(51))
    world.pass_time(POLICY.sponsorship_seconds + SETTLE_GRACE_SECONDS + 5)
    assert not await world.is_rejected(world.actor(51))
    assert await world.is_rejected(world.actor(52))
    assert (await world.totals())[1] == LOOKUP_BATCH + 1


async def test_what_is_not_configured_is_left_to_the_other_paymaster(world: World) -> None:
    """Which here is ours once more, under another policy."""
    other_id = UUID("11111111-2222-4333-8444-555555555555")
    only = replace(world.sponsor, policies={other_id: Policy(id=other_id)}, outcomes={})
    outcomes = world.sponsor.outcomes[CHAIN]
    backing = replace(OURS, address=SINK)
    first = PolicyPaymaster(
        only, outcomes, chain=world.chain, chain_id=CHAIN, backing=backing, fallback=world.paymaster
    )
    op = world.actor(1).operation([])
    for ask in (first.stub, first.sponsor):
        assert (await ask(op, CONTEXT)).paymaster == dev_constants.PAYMASTER
        assert (await ask(op, {"policyId": str(other_id)})).paymaster == SINK


async def test_what_was_sent_elsewhere_stays_counted_with_its_cost(world: World) -> None:
    op = await world.sponsor_operation(world.actor(1))
    identity = send(world.node, op)
    world.pass_time(POLICY.sponsorship_seconds + SETTLE_GRACE_SECONDS + 1)
    assert await world.is_rejected(world.actor(2))
    cost = int(world.node.rpc("eth_getUserOperationReceipt", identity)["actualGasCost"], 16)
    assert await world.totals() == (cost, 1)
    assert cost < max_cost(op)


async def test_what_was_sent_here_is_settled_at_the_next_request(world: World) -> None:
    op = await world.sponsor_operation(world.actor(1))
    send(world.node, op)
    await world.paymaster.report_sent(op, user_operation_hash(op, CHAIN, ENTRY_POINT))
    world.pass_time(1)
    assert await world.is_rejected(world.actor(2))
    assert (await world.totals())[0] < max_cost(op)


async def test_a_receipt_settles_nothing_before_its_block_is_deep_enough(store: RedisStore) -> None:
    """The block is replaced, and what lands then costs more than the receipt said."""
    async with open_world(store, confirmations=3) as world:
        actor = world.actor(1)
        world.policies[POLICY.id] = replace(POLICY, limits=Budget())
        world.node.send(**mint(dev_constants.TEST_TOKEN, actor.address, 1000))
        op = await world.sponsor_operation(actor, tokens=1)
        before = world.node.rpc("evm_snapshot")
        world.node.send(**mint(dev_constants.TEST_TOKEN, SINK, 1))  # so that the transfer to it is cheaper
        cheap = int(world.node.rpc("eth_getUserOperationReceipt", send(world.node, op))["actualGasCost"], 16)
        await world.paymaster.report_sent(op, user_operation_hash(op, CHAIN, ENTRY_POINT))
        other = await world.sponsor_operation(world.actor(2))
        world.policies[POLICY.id] = replace(POLICY, limits=Budget(total_operations=2))
        assert await world.totals() == (max_cost(op) + max_cost(other), 2)

        world.node.rpc("evm_revert", before)
        cost = int(world.node.rpc("eth_getUserOperationReceipt", send(world.node, op))["actualGasCost"], 16)
        assert cost > cheap
        for counted in (max_cost(op), max_cost(op), cost):
            assert await world.is_rejected(world.actor(3))
            assert await world.totals() == (counted + max_cost(other), 2)
            world.pass_time(LEASE_SECONDS)


async def test_the_paymaster_does_not_mind_what_others_sent(world: World) -> None:
    op = await world.sponsor_operation(world.actor(1))
    part = op.paymaster
    assert part is not None
    for other in (replace(op, paymaster=None), replace(op, paymaster=replace(part, address=Address(b"\x01" * 20))), op):
        await world.paymaster.report_sent(other, user_operation_hash(replace(other, nonce=9), CHAIN, ENTRY_POINT))
    assert (await world.totals()) == (max_cost(op), 1)


async def test_an_idle_chain_is_believed_late(world: World) -> None:
    """No block shows that time is over, so the clock has to say so for much longer."""
    await world.sponsor_operation(world.actor(1))
    ends = world.node.dev.chain.next_timestamp() + POLICY.sponsorship_seconds
    world.clock.seconds = ends + SETTLE_GRACE_SECONDS + 5
    assert await world.is_rejected(world.actor(2))
    world.clock.seconds = ends + SETTLE_TIMEOUT_SECONDS + 5
    assert not await world.is_rejected(world.actor(2))


async def test_nothing_is_free_while_the_bundler_is_silent(world: World) -> None:
    await world.sponsor_operation(world.actor(1))
    world.pass_time(POLICY.sponsorship_seconds + SETTLE_GRACE_SECONDS + 5)
    world.bundler_wire.is_cut = True
    assert await world.is_rejected(world.actor(2))
    world.bundler_wire.is_cut = False
    world.pass_time(LEASE_SECONDS)
    assert not await world.is_rejected(world.actor(2))


async def test_nothing_is_sponsored_while_the_node_is_silent(world: World) -> None:
    op = world.actor(1).operation([])
    world.wire.is_cut = True
    with pytest.raises(Unavailable):
        await world.paymaster.sponsor(op, CONTEXT)


async def test_promises_of_a_chain_that_is_gone_stay(world: World) -> None:
    await world.sponsor_operation(world.actor(1))
    world.pass_time(POLICY.sponsorship_seconds + SETTLE_GRACE_SECONDS + 5)
    world.sponsor.outcomes.clear()
    assert await world.is_rejected(world.actor(2))


async def test_preparing_again_counts_once(world: World) -> None:
    actor = world.actor(1)
    first = await world.sponsor_operation(actor)
    world.pass_time(1)
    await world.sponsor_operation(actor)
    assert await world.totals() == (max_cost(first), 1)


async def test_the_contract_takes_the_promise_and_nothing_else(world: World) -> None:
    actor = world.actor(1)
    world.node.send(
        to=dev_constants.TEST_TOKEN.hex0x(), data="0x40c10f19" + "00" * 12 + actor.address.hex() + f"{1000:064x}"
    )
    op = await world.sponsor_operation(actor, tokens=1)
    dearer = actor.sign(replace(op, max_priority_fee_per_gas=op.max_priority_fee_per_gas + 1))
    failure = catch_failure(lambda: send(world.node, dearer))
    assert (failure.code, failure.data["entryPoint"]) == (-32507, "AA34")
    before = world.node.rpc("eth_getBalance", actor.address.hex0x())
    receipt = world.node.rpc("eth_getUserOperationReceipt", send(world.node, op))
    assert receipt["success"] is True
    assert world.node.rpc("eth_getBalance", actor.address.hex0x()) == before


async def test_the_contract_refuses_a_promise_that_is_over(world: World) -> None:
    op = await world.sponsor_operation(world.actor(1))
    world.pass_time(POLICY.sponsorship_seconds + 1)
    failure = catch_failure(lambda: send(world.node, op))
    assert (failure.code, failure.data["entryPoint"]) == (-32503, "AA32")


@pytest.mark.parametrize("context", [{}, {"policyId": "?"}, {"policyId": 5}, {"policyId": str(UUID(int=1))}])
async def test_a_policy_that_is_not_configured_is_refused(world: World, context: dict[str, Any]) -> None:
    op = world.actor(1).operation([])
    for ask in (world.paymaster.stub, world.paymaster.sponsor):
        with pytest.raises(PaymasterRejected) as error_info:
            await ask(op, context)
        assert error_info.value.reason == "policy_unknown"


async def test_the_contracts_signer_must_be_our_key(world: World) -> None:
    await check_signer(world.chain, dev_constants.PAYMASTER, dev_constants.PAYMASTER_KEY)
    with pytest.raises(Unavailable, match=r"has the signer 0x.* not 0x.* of our key"):
        await check_signer(world.chain, dev_constants.PAYMASTER, b"\x01" * 32)
    for address in (SINK, ENTRY_POINT):
        with pytest.raises(Unavailable, match="no VerifyingPaymaster at 0x"):
            await check_signer(world.chain, address, dev_constants.PAYMASTER_KEY)


async def test_a_sponsor_does_not_show_its_key(world: World) -> None:
    assert dev_constants.PAYMASTER_KEY.hex() not in repr(world.sponsor)
    assert repr(dev_constants.PAYMASTER_KEY)[2:-1] not in repr(world.sponsor)
