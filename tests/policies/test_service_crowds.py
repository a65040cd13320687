"""Concurrent requests with a paymaster service: accepted sponsorships never exceed a limit, with any gas limits."""

from __future__ import annotations

import asyncio
import uuid

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policies.sample import SENDERS
from tests.policies.service import LIMITS, SIGN, Service
from tests.policies.world import CHAIN, World, with_part
from wallet_rpc.adapters.sponsorship.redis_budgets import Ledger
from wallet_rpc.devchain import dev_constants
from wallet_rpc.domain.authorization import Authorization, add_dummy_signature
from wallet_rpc.domain.contracts import SEMI_MODULAR_ACCOUNT_7702
from wallet_rpc.domain.gas import max_cost
from wallet_rpc.domain.policy import Policy, PolicyLimits
from wallet_rpc.domain.user_operation import PaymasterPart, UserOperation
from wallet_rpc.errors import PaymasterRejected
from wallet_rpc.ports import Sponsorship
from wallet_rpc.primitives import Address, Data

FEE = 10**9
PART = PaymasterPart(dev_constants.PAYMASTER, 50_000, 0, Data())


def an_operation(sender: Address, nonce: int, gas: int) -> UserOperation:
    """Build an operation of an externally owned account with an authorization."""
    return UserOperation(
        sender=sender,
        nonce=nonce,
        call_data=Data(),
        call_gas_limit=gas,
        verification_gas_limit=0,
        pre_verification_gas=0,
        max_fee_per_gas=FEE,
        max_priority_fee_per_gas=1,
        paymaster=PART,
        authorization=add_dummy_signature(Authorization(CHAIN, SEMI_MODULAR_ACCOUNT_7702, 0)),
    )


async def try_sponsor(world: World, op: UserOperation, policy: Policy) -> Sponsorship | None:
    try:
        return await world.paymaster.sponsor(op, {"policyId": str(policy.id)})
    except PaymasterRejected:
        return None


requests = st.lists(
    st.tuples(st.sampled_from(SENDERS), st.integers(0, 5), st.integers(0, 10**6)), min_size=8, max_size=20
)


@given(requests, st.integers(10**14, 5 * 10**15), st.integers(1, 9), st.sampled_from([None, 0, 40_000, 400_000]))
@settings(max_examples=20)
async def test_concurrent_sponsorships_never_exceed_a_limit(
    world: World,
    service: Service,
    requests: list[tuple[Address, int, int]],
    total: int,
    count: int,
    own_gas: int | None,
) -> None:
    service.signatures.clear()
    service.more[SIGN] = {} if own_gas is None else dict.fromkeys(LIMITS, hex(own_gas))
    limits = PolicyLimits(
        total_wei=total, sender_wei=total // 2, total_operations=count, sender_operations=max(1, count // 2)
    )
    policy = Policy(id=uuid.uuid4(), limits=limits)
    world.policies[policy.id] = policy
    ops = [an_operation(*request) for request in requests]

    answers = await asyncio.gather(*(try_sponsor(world, op, policy) for op in ops))

    costs: dict[tuple[Address, int], int] = {}
    for op, answer in zip(ops, answers, strict=True):
        if answer is not None:
            nonce = (op.sender, op.nonce)
            costs[nonce] = max(costs.get(nonce, 0), max_cost(with_part(op, answer)))
    assert len(service.signatures) == len(ops)  # each was signed before its budget was reserved
    ledger = Ledger(policy.id)
    assert await world.store.budgets.read_totals(ledger) == (sum(costs.values()), len(costs))
    assert sum(costs.values()) <= total
    assert len(costs) <= count
    for sender in SENDERS:
        own_costs = [cost for (address, _), cost in costs.items() if address == sender]
        assert await world.store.budgets.read_totals(ledger, sender) == (sum(own_costs), len(own_costs))
        assert sum(own_costs) <= total // 2
        assert len(own_costs) <= max(1, count // 2)
