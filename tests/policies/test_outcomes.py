"""Release and settlement of reservations: the paymaster over an in-process chain whose clock the test sets."""

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
    async with open_world(store) as opened:
        yield opened


async def test_an_unused_reservation_is_released_after_its_expiry(world: World) -> None:
    await world.sponsor_operation(world.actor(1))
    world.pass_time(POLICY.sponsorship_seconds + SETTLE_GRACE_SECONDS - 1)
    assert await world.is_rejected(world.actor(2))
    world.pass_time(LEASE_SECONDS)
    assert not await world.is_rejected(world.actor(2))
    assert (await world.totals())[1] == 1


async def test_a_used_up_budget_looks_up_as_many_reservations_as_needed(world: World) -> None:
    """Nine reservations fill the budget: the first eight are of included operations, the ninth has expired unused."""
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


async def test_a_policy_that_is_not_configured_is_left_to_the_fallback(world: World) -> None:
    """Here the fallback is a second policy paymaster, under another policy."""
    other_id = UUID("11111111-2222-4333-8444-555555555555")
    sponsor = replace(world.sponsor, policies={other_id: Policy(id=other_id)}, outcomes={})
    outcomes = world.sponsor.outcomes[CHAIN]
    backing = replace(OURS, address=SINK)
    first = PolicyPaymaster(
        sponsor, outcomes, chain=world.chain, chain_id=CHAIN, backing=backing, fallback=world.paymaster
    )
    op = world.actor(1).operation([])
    for call in (first.stub, first.sponsor):
        assert (await call(op, CONTEXT)).paymaster == dev_constants.PAYMASTER
        assert (await call(op, {"policyId": str(other_id)})).paymaster == SINK


async def test_an_operation_sent_elsewhere_is_settled_with_its_cost(world: World) -> None:
    op = await world.sponsor_operation(world.actor(1))
    identity = send(world.node, op)
    world.pass_time(POLICY.sponsorship_seconds + SETTLE_GRACE_SECONDS + 1)
    assert await world.is_rejected(world.actor(2))
    cost = int(world.node.rpc("eth_getUserOperationReceipt", identity)["actualGasCost"], 16)
    assert await world.totals() == (cost, 1)
    assert cost < max_cost(op)


async def test_an_operation_sent_here_is_settled_at_the_next_request(world: World) -> None:
    op = await world.sponsor_operation(world.actor(1))
    send(world.node, op)
    await world.paymaster.report_sent(op, user_operation_hash(op, CHAIN, ENTRY_POINT))
    world.pass_time(1)
    assert await world.is_rejected(world.actor(2))
    assert (await world.totals())[0] < max_cost(op)


async def test_a_receipt_settles_nothing_before_its_confirmations(store: RedisStore) -> None:
    """The block is replaced, and in the new one the operation costs more than the first receipt said."""
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


async def test_reports_of_other_operations_are_ignored(world: World) -> None:
    op = await world.sponsor_operation(world.actor(1))
    part = op.paymaster
    assert part is not None
    for other in (replace(op, paymaster=None), replace(op, paymaster=replace(part, address=Address(b"\x01" * 20))), op):
        await world.paymaster.report_sent(other, user_operation_hash(replace(other, nonce=9), CHAIN, ENTRY_POINT))
    assert (await world.totals()) == (max_cost(op), 1)


async def test_on_an_idle_chain_a_reservation_is_released_after_the_timeout(world: World) -> None:
    """Without a new block only the server's clock shows the expiry, so the release comes much later."""
    await world.sponsor_operation(world.actor(1))
    valid_until = world.node.dev.chain.next_timestamp() + POLICY.sponsorship_seconds
    world.clock.seconds = valid_until + SETTLE_GRACE_SECONDS + 5
    assert await world.is_rejected(world.actor(2))
    world.clock.seconds = valid_until + SETTLE_TIMEOUT_SECONDS + 5
    assert not await world.is_rejected(world.actor(2))


async def test_nothing_is_released_while_the_bundler_does_not_respond(world: World) -> None:
    await world.sponsor_operation(world.actor(1))
    world.pass_time(POLICY.sponsorship_seconds + SETTLE_GRACE_SECONDS + 5)
    world.bundler_wire.is_cut = True
    assert await world.is_rejected(world.actor(2))
    world.bundler_wire.is_cut = False
    world.pass_time(LEASE_SECONDS)
    assert not await world.is_rejected(world.actor(2))


async def test_nothing_is_sponsored_while_the_node_does_not_respond(world: World) -> None:
    op = world.actor(1).operation([])
    world.wire.is_cut = True
    with pytest.raises(Unavailable):
        await world.paymaster.sponsor(op, CONTEXT)


async def test_reservations_of_a_removed_chain_stay(world: World) -> None:
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


async def test_the_contract_accepts_only_the_signed_operation(world: World) -> None:
    actor = world.actor(1)
    world.node.send(
        to=dev_constants.TEST_TOKEN.hex0x(), data="0x40c10f19" + "00" * 12 + actor.address.hex() + f"{1000:064x}"
    )
    op = await world.sponsor_operation(actor, tokens=1)
    changed = actor.sign(replace(op, max_priority_fee_per_gas=op.max_priority_fee_per_gas + 1))
    failure = catch_failure(lambda: send(world.node, changed))
    assert (failure.code, failure.data["entryPoint"]) == (-32507, "AA34")
    before = world.node.rpc("eth_getBalance", actor.address.hex0x())
    receipt = world.node.rpc("eth_getUserOperationReceipt", send(world.node, op))
    assert receipt["success"] is True
    assert world.node.rpc("eth_getBalance", actor.address.hex0x()) == before


async def test_the_contract_rejects_an_expired_sponsorship(world: World) -> None:
    op = await world.sponsor_operation(world.actor(1))
    world.pass_time(POLICY.sponsorship_seconds + 1)
    failure = catch_failure(lambda: send(world.node, op))
    assert (failure.code, failure.data["entryPoint"]) == (-32503, "AA32")


@pytest.mark.parametrize("context", [{}, {"policyId": "?"}, {"policyId": 5}, {"policyId": str(UUID(int=1))}])
async def test_a_policy_that_is_not_configured_is_rejected(world: World, context: dict[str, Any]) -> None:
    op = world.actor(1).operation([])
    for call in (world.paymaster.stub, world.paymaster.sponsor):
        with pytest.raises(PaymasterRejected) as error_info:
            await call(op, context)
        assert error_info.value.reason == "policy_unknown"


async def test_the_contracts_signer_must_match_the_configured_key(world: World) -> None:
    await check_signer(world.chain, dev_constants.PAYMASTER, dev_constants.PAYMASTER_KEY)
    with pytest.raises(Unavailable, match=r"has signer 0x.*, expected 0x.*, the address of the configured key"):
        await check_signer(world.chain, dev_constants.PAYMASTER, b"\x01" * 32)
    for address in (SINK, ENTRY_POINT):
        with pytest.raises(Unavailable, match="no VerifyingPaymaster at 0x"):
            await check_signer(world.chain, address, dev_constants.PAYMASTER_KEY)


async def test_the_repr_of_a_sponsor_does_not_contain_its_key(world: World) -> None:
    assert dev_constants.PAYMASTER_KEY.hex() not in repr(world.sponsor)
    assert repr(dev_constants.PAYMASTER_KEY)[2:-1] not in repr(world.sponsor)
