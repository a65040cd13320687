"""Policies backed by a paymaster service: no signature of the service leaves the server before it is reserved."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.devchain.asking import catch_failure, send
from tests.devchain.sample import Actor
from tests.policies.hook import serve_hook
from tests.policies.service import LIMITS, SIGN, STUB, Service
from tests.policies.world import CHAIN, CONTEXT, POLICY, World
from wallet_rpc.adapters.sponsorship.outcomes import SETTLE_GRACE_SECONDS, SETTLE_TIMEOUT_SECONDS
from wallet_rpc.adapters.sponsorship.paymaster import LEASE_SECONDS
from wallet_rpc.adapters.sponsorship.setup import build_policy_paymaster
from wallet_rpc.devchain import dev_constants
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.gas import max_cost
from wallet_rpc.domain.policy import PaymasterServiceOptions as Terms
from wallet_rpc.domain.policy import Policy, Webhook
from wallet_rpc.domain.policy import PolicyLimits as Budget
from wallet_rpc.domain.user_operation import user_operation_hash
from wallet_rpc.errors import PaymasterRejected, Unavailable

LONG = 40 * 86_400
"""Time after which any sponsorship with a known expiry has expired."""
TOKEN_PAYMENT = {"tokenAddress": dev_constants.TEST_TOKEN.hex0x(), "exchangeRate": "0x1", "maxTokenAmount": "0x1"}


def set_policy(world: World, **changes: Any) -> Policy:
    world.policies[POLICY.id] = replace(POLICY, **changes)
    return world.policies[POLICY.id]


async def rejection(world: World, actor: Actor) -> PaymasterRejected:
    with pytest.raises(PaymasterRejected) as error_info:
        await world.sponsor_operation(actor)
    return error_info.value


async def test_policies_need_a_contract_or_a_service(world: World) -> None:
    outcomes = world.sponsor.outcomes[CHAIN]
    assert (
        build_policy_paymaster(world.sponsor, outcomes, chain=world.chain, chain_id=CHAIN, address=None, service=None)
        is None
    )


async def test_an_operation_signed_by_the_service_is_reserved_and_included(world: World, service: Service) -> None:
    op = await world.sponsor_operation(world.actor(1))
    assert await world.totals() == (max_cost(op), 1)
    identity = send(world.node, op)
    assert world.node.rpc("eth_getUserOperationReceipt", identity)["success"] is True
    assert op.paymaster is not None
    assert service.signatures == [op.paymaster.data.hex0x()]


async def test_the_service_receives_the_policys_id(world: World, service: Service) -> None:
    op = world.actor(1).operation([])
    context = {"policyId": str(POLICY.id).upper(), "erc20Context": {}, "webhookData": "order 7"}
    for call in (world.paymaster.stub, world.paymaster.sponsor):
        await call(op, context)
    assert service.requests == [(method, {**CONTEXT, "webhookData": "order 7"}) for method in (STUB, SIGN)]


async def test_the_service_receives_the_policys_own_context(world: World, service: Service) -> None:
    set_policy(world, service=Terms(context={"sponsorshipPolicyId": "sp_x", "webhookData": "policy"}))
    op = world.actor(1).operation([])
    for call in (world.paymaster.stub, world.paymaster.sponsor):
        await call(op, {**CONTEXT, "webhookData": "caller"})
    assert service.requests == [
        (method, {"sponsorshipPolicyId": "sp_x", "webhookData": "policy"}) for method in (STUB, SIGN)
    ]


@pytest.mark.parametrize("change", [{"enabled": False}, {"allowed_targets": frozenset()}, {"chains": frozenset({1})}])
async def test_a_denied_operation_does_not_reach_the_service(
    world: World, service: Service, change: dict[str, Any]
) -> None:
    op = await world.sponsor_operation(world.actor(1))
    service.requests.clear()
    set_policy(world, **change)
    for call in (world.paymaster.stub, world.paymaster.sponsor):
        with pytest.raises(PaymasterRejected, match=f"policy {POLICY.id} "):
            await call(op, CONTEXT)
    assert service.requests == []


async def test_the_webhook_is_called_before_the_service(world: World, service: Service) -> None:
    with serve_hook() as hook:
        set_policy(world, webhook=Webhook(url=hook.url, timeout_seconds=5))
        hook.body = b"{}"
        assert (await rejection(world, world.actor(1))).reason == "policy_webhook_denied"
    assert (await rejection(world, world.actor(1))).reason == "policy_webhook_failed"
    assert service.signatures == []


async def test_a_signature_without_budget_is_not_returned(world: World, service: Service) -> None:
    await world.sponsor_operation(world.actor(1))
    error = await rejection(world, world.actor(2))
    assert error.reason == "policy_total_count"
    dropped = service.signatures[1]
    assert dropped[2:] not in f"{error.message} {error.data}"
    assert (await world.totals())[1] == 1


@pytest.mark.parametrize(
    ("method", "more", "cause"),
    [
        (STUB, {"isFinal": True}, "sponsors before the gas limits are known"),
        (STUB, {"tokenPayment": TOKEN_PAYMENT}, "charges the account in ERC-20"),
        (SIGN, {"tokenPayment": TOKEN_PAYMENT}, "charges the account in ERC-20"),
    ],
)
async def test_a_service_that_bypasses_limits_is_rejected(
    world: World, service: Service, method: str, more: dict[str, Any], cause: str
) -> None:
    service.more[method] = more
    error = await rejection(world, world.actor(1))
    assert error.reason == "policy_service_unfit"
    assert cause in error.message
    assert await world.totals() == (0, 0)


async def test_gas_limits_of_the_service_are_counted(world: World, service: Service) -> None:
    service.more[SIGN] = dict(zip(LIMITS, (hex(70_000), hex(5_000)), strict=True))
    op = await world.sponsor_operation(world.actor(1))
    assert op.paymaster is not None
    assert (op.paymaster.verification_gas_limit, op.paymaster.post_op_gas_limit) == (70_000, 5_000)
    assert await world.totals() == (max_cost(op), 1)
    operation_hash = user_operation_hash(op, CHAIN, ENTRY_POINT)
    assert await world.store.budgets.find_policy(CHAIN, operation_hash) == POLICY.id
    send(world.node, op)


async def test_gas_limits_of_the_service_are_checked_against_the_policy(world: World, service: Service) -> None:
    cost = max_cost(await world.sponsor_operation(world.actor(1)))
    set_policy(world, limits=Budget(operation_wei=cost + 100_000))
    service.more[SIGN] = dict(zip(LIMITS, (hex(10**6), "0x0"), strict=True))
    assert (await rejection(world, world.actor(2))).reason == "policy_operation_limit"
    assert len(service.signatures) == 2
    assert (await world.totals())[1] == 1


async def test_an_operation_without_gas_limits_gets_zero_paymaster_limits(world: World) -> None:
    given = await world.paymaster.sponsor(world.actor(1).operation([]), CONTEXT)
    assert (given.verification_gas_limit, given.post_op_gas_limit) == (0, 0)


@pytest.mark.parametrize("method", [STUB, SIGN])
async def test_a_rejection_of_the_service_reserves_nothing(world: World, service: Service, method: str) -> None:
    service.fails[method] = -32000
    error = await rejection(world, world.actor(1))
    assert error.message == "the paymaster refused to sponsor the user operation"
    service.fails[method] = -32603
    with pytest.raises(Unavailable):
        await world.sponsor_operation(world.actor(1))
    assert await world.totals() == (0, 0)


async def test_an_open_ended_signature_counts_until_its_nonce_is_used(world: World) -> None:
    op = await world.sponsor_operation(world.actor(1))
    for _ in range(3):
        world.pass_time(LONG)
        assert await world.is_rejected(world.actor(2))
    assert await world.totals() == (max_cost(op), 1)
    identity = send(world.node, op)  # after a long time, and not through the server
    cost = int(world.node.rpc("eth_getUserOperationReceipt", identity)["actualGasCost"], 16)
    assert await world.is_rejected(world.actor(2))  # its lease has not ended yet
    assert await world.totals() == (max_cost(op), 1)
    world.pass_time(3600)
    set_policy(world, limits=Budget(total_operations=2))
    other = await world.sponsor_operation(world.actor(2))
    assert await world.totals() == (cost + max_cost(other), 2)


async def test_an_operation_sent_here_is_settled_at_the_next_request(world: World) -> None:
    op = await world.sponsor_operation(world.actor(1))
    send(world.node, op)
    await world.paymaster.report_sent(op, user_operation_hash(op, CHAIN, ENTRY_POINT))
    world.pass_time(1)
    assert await world.is_rejected(world.actor(2))
    assert (await world.totals())[0] < max_cost(op)


async def test_a_nonce_used_by_an_operation_without_paymaster_is_released(world: World) -> None:
    actor = world.actor(1)
    await world.sponsor_operation(actor)
    actor.fund()
    send(world.node, actor.sign(actor.estimate(actor.operation([]))))
    world.pass_time(POLICY.sponsorship_seconds + SETTLE_GRACE_SECONDS)
    assert await world.is_rejected(world.actor(2))
    world.pass_time(SETTLE_TIMEOUT_SECONDS)
    assert not await world.is_rejected(world.actor(2))


async def test_a_signature_with_a_known_expiry_is_released_after_it(world: World) -> None:
    set_policy(world, service=Terms(valid_seconds=3000))
    await world.sponsor_operation(world.actor(1))
    world.pass_time(3000)
    assert await world.is_rejected(world.actor(2))
    world.pass_time(SETTLE_GRACE_SECONDS + LEASE_SECONDS)
    assert not await world.is_rejected(world.actor(2))


async def test_a_nonce_with_an_open_ended_signature_stays_open_ended(world: World) -> None:
    """Preparing again under a policy with `valid_seconds` does not limit the first signature."""
    actor = world.actor(1)
    await world.sponsor_operation(actor)
    set_policy(world, service=Terms(valid_seconds=30))
    await world.sponsor_operation(actor)
    world.pass_time(LONG)
    assert await world.is_rejected(world.actor(2))


async def test_a_request_that_waits_for_the_service_reserves_no_budget(world: World, service: Service) -> None:
    """Concurrent requests reserve the budget in the order of the service's signatures."""
    service.delay_seconds = 0.05
    ops = [world.actor(number).operation([]) for number in range(1, 5)]
    answers = await asyncio.gather(*(world.paymaster.sponsor(op, CONTEXT) for op in ops), return_exceptions=True)
    assert sum(not isinstance(answer, PaymasterRejected) for answer in answers) == 1
    assert len(service.signatures) == 4


async def test_the_contract_accepts_only_the_operation_signed_by_the_service(world: World) -> None:
    op = await world.sponsor_operation(world.actor(1))
    changed = world.actor(1).sign(replace(op, call_gas_limit=op.call_gas_limit + 1))
    assert catch_failure(lambda: send(world.node, changed)).data["entryPoint"] == "AA34"
