"""Policies of ours where a paymaster service pays: it signs, and nothing it signs leaves before it is counted."""

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
"""Longer than any sponsorship of ours can be used."""
TOKEN_PAYMENT = {"tokenAddress": dev_constants.TEST_TOKEN.hex0x(), "exchangeRate": "0x1", "maxTokenAmount": "0x1"}


def set_policy(world: World, **changes: Any) -> Policy:
    world.policies[POLICY.id] = replace(POLICY, **changes)
    return world.policies[POLICY.id]


async def refusal(world: World, actor: Actor) -> PaymasterRejected:
    with pytest.raises(PaymasterRejected) as error_info:
        await world.sponsor_operation(actor)
    return error_info.value


async def test_policies_pay_where_somebody_pays(world: World) -> None:
    outcomes = world.sponsor.outcomes[CHAIN]
    assert (
        build_policy_paymaster(world.sponsor, outcomes, chain=world.chain, chain_id=CHAIN, address=None, service=None)
        is None
    )


async def test_an_operation_that_the_service_signed_is_counted_and_lands(world: World, service: Service) -> None:
    op = await world.sponsor_operation(world.actor(1))
    assert await world.totals() == (max_cost(op), 1)
    identity = send(world.node, op)
    assert world.node.rpc("eth_getUserOperationReceipt", identity)["success"] is True
    assert op.paymaster is not None
    assert service.signatures == [op.paymaster.data.hex0x()]


async def test_the_service_is_told_the_policys_id(world: World, service: Service) -> None:
    op = world.actor(1).operation([])
    spelled = {"policyId": str(POLICY.id).upper(), "erc20Context": {}, "webhookData": "order 7"}
    for ask in (world.paymaster.stub, world.paymaster.sponsor):
        await ask(op, spelled)
    assert service.requests == [(method, {**CONTEXT, "webhookData": "order 7"}) for method in (STUB, SIGN)]


async def test_the_service_is_told_what_the_policy_says_instead(world: World, service: Service) -> None:
    set_policy(world, service=Terms(context={"sponsorshipPolicyId": "sp_x", "webhookData": "ours"}))
    op = world.actor(1).operation([])
    for ask in (world.paymaster.stub, world.paymaster.sponsor):
        await ask(op, {**CONTEXT, "webhookData": "theirs"})
    assert service.requests == [
        (method, {"sponsorshipPolicyId": "sp_x", "webhookData": "ours"}) for method in (STUB, SIGN)
    ]


@pytest.mark.parametrize("change", [{"enabled": False}, {"allowed_targets": frozenset()}, {"chains": frozenset({1})}])
async def test_a_denied_operation_does_not_reach_the_service(
    world: World, service: Service, change: dict[str, Any]
) -> None:
    op = await world.sponsor_operation(world.actor(1))
    service.requests.clear()
    set_policy(world, **change)
    for ask in (world.paymaster.stub, world.paymaster.sponsor):
        with pytest.raises(PaymasterRejected, match=f"policy {POLICY.id} "):
            await ask(op, CONTEXT)
    assert service.requests == []


async def test_the_webhook_is_asked_before_the_service(world: World, service: Service) -> None:
    with serve_hook() as hook:
        set_policy(world, webhook=Webhook(url=hook.url, timeout_seconds=5))
        hook.body = b"{}"
        assert (await refusal(world, world.actor(1))).reason == "policy_webhook_denied"
    assert (await refusal(world, world.actor(1))).reason == "policy_webhook_failed"
    assert service.signatures == []


async def test_a_signature_whose_budget_is_refused_never_leaves(world: World, service: Service) -> None:
    await world.sponsor_operation(world.actor(1))
    error = await refusal(world, world.actor(2))
    assert error.reason == "policy_total_count"
    dropped = service.signatures[1]
    assert dropped[2:] not in f"{error.message} {error.data}"
    assert (await world.totals())[1] == 1


@pytest.mark.parametrize(
    ("method", "more", "why"),
    [
        (STUB, {"isFinal": True}, "sponsors before the gas limits are known"),
        (STUB, {"tokenPayment": TOKEN_PAYMENT}, "takes a token"),
        (SIGN, {"tokenPayment": TOKEN_PAYMENT}, "takes a token"),
    ],
)
async def test_what_no_limit_could_hold_is_refused_by_name(
    world: World, service: Service, method: str, more: dict[str, Any], why: str
) -> None:
    service.more[method] = more
    error = await refusal(world, world.actor(1))
    assert error.reason == "policy_service_unfit"
    assert why in error.message
    assert await world.totals() == (0, 0)


async def test_limits_that_the_service_gives_are_what_is_counted(world: World, service: Service) -> None:
    service.more[SIGN] = dict(zip(LIMITS, (hex(70_000), hex(5_000)), strict=True))
    op = await world.sponsor_operation(world.actor(1))
    assert op.paymaster is not None
    assert (op.paymaster.verification_gas_limit, op.paymaster.post_op_gas_limit) == (70_000, 5_000)
    assert await world.totals() == (max_cost(op), 1)
    operation_hash = user_operation_hash(op, CHAIN, ENTRY_POINT)
    assert await world.store.budgets.find_policy(CHAIN, operation_hash) == POLICY.id
    send(world.node, op)


async def test_limits_that_the_service_gives_are_held_to_the_policy(world: World, service: Service) -> None:
    cost = max_cost(await world.sponsor_operation(world.actor(1)))
    set_policy(world, limits=Budget(operation_wei=cost + 100_000))
    service.more[SIGN] = dict(zip(LIMITS, (hex(10**6), "0x0"), strict=True))
    assert (await refusal(world, world.actor(2))).reason == "policy_operation_limit"
    assert len(service.signatures) == 2
    assert (await world.totals())[1] == 1


async def test_what_has_no_limits_yet_gets_none_of_the_service(world: World) -> None:
    given = await world.paymaster.sponsor(world.actor(1).operation([]), CONTEXT)
    assert (given.verification_gas_limit, given.post_op_gas_limit) == (0, 0)


@pytest.mark.parametrize("method", [STUB, SIGN])
async def test_a_refusal_of_the_service_counts_nothing(world: World, service: Service, method: str) -> None:
    service.fails[method] = -32000
    error = await refusal(world, world.actor(1))
    assert error.message == "the paymaster refused to sponsor the user operation"
    service.fails[method] = -32603
    with pytest.raises(Unavailable):
        await world.sponsor_operation(world.actor(1))
    assert await world.totals() == (0, 0)


async def test_a_signature_without_a_known_end_counts_until_its_nonce_is_used(world: World) -> None:
    op = await world.sponsor_operation(world.actor(1))
    for _ in range(3):
        world.pass_time(LONG)
        assert await world.is_rejected(world.actor(2))
    assert await world.totals() == (max_cost(op), 1)
    identity = send(world.node, op)  # as late as that, and without telling the server
    cost = int(world.node.rpc("eth_getUserOperationReceipt", identity)["actualGasCost"], 16)
    assert await world.is_rejected(world.actor(2))  # looked up too lately to be asked about again
    assert await world.totals() == (max_cost(op), 1)
    world.pass_time(3600)
    set_policy(world, limits=Budget(total_operations=2))
    other = await world.sponsor_operation(world.actor(2))
    assert await world.totals() == (cost + max_cost(other), 2)


async def test_what_was_sent_here_is_settled_at_the_next_request(world: World) -> None:
    op = await world.sponsor_operation(world.actor(1))
    send(world.node, op)
    await world.paymaster.report_sent(op, user_operation_hash(op, CHAIN, ENTRY_POINT))
    world.pass_time(1)
    assert await world.is_rejected(world.actor(2))
    assert (await world.totals())[0] < max_cost(op)


async def test_a_nonce_that_an_operation_without_paymaster_used_is_free(world: World) -> None:
    actor = world.actor(1)
    await world.sponsor_operation(actor)
    actor.fund()
    send(world.node, actor.sign(actor.estimate(actor.operation([]))))
    world.pass_time(POLICY.sponsorship_seconds + SETTLE_GRACE_SECONDS)
    assert await world.is_rejected(world.actor(2))
    world.pass_time(SETTLE_TIMEOUT_SECONDS)
    assert not await world.is_rejected(world.actor(2))


async def test_a_signature_with_an_end_that_is_known_is_free_after_it(world: World) -> None:
    set_policy(world, service=Terms(valid_seconds=3000))
    await world.sponsor_operation(world.actor(1))
    world.pass_time(3000)
    assert await world.is_rejected(world.actor(2))
    world.pass_time(SETTLE_GRACE_SECONDS + LEASE_SECONDS)
    assert not await world.is_rejected(world.actor(2))


async def test_a_nonce_once_signed_for_without_an_end_stays_so(world: World) -> None:
    """Preparing again under terms that know an end does not end the first signature."""
    actor = world.actor(1)
    await world.sponsor_operation(actor)
    set_policy(world, service=Terms(valid_seconds=30))
    await world.sponsor_operation(actor)
    world.pass_time(LONG)
    assert await world.is_rejected(world.actor(2))


async def test_one_that_waits_for_the_service_holds_no_budget(world: World, service: Service) -> None:
    """What is asked at once is decided in the order in which the signatures come."""
    service.delay_seconds = 0.05
    ops = [world.actor(number).operation([]) for number in range(1, 5)]
    answers = await asyncio.gather(*(world.paymaster.sponsor(op, CONTEXT) for op in ops), return_exceptions=True)
    assert sum(not isinstance(answer, PaymasterRejected) for answer in answers) == 1
    assert len(service.signatures) == 4


async def test_the_contract_holds_what_the_service_signed(world: World) -> None:
    op = await world.sponsor_operation(world.actor(1))
    dearer = world.actor(1).sign(replace(op, call_gas_limit=op.call_gas_limit + 1))
    assert catch_failure(lambda: send(world.node, dearer)).data["entryPoint"] == "AA34"
