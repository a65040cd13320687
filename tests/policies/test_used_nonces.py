"""What a promise counts when its nonce was used, and nobody has a receipt of what used it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.upstream import Upstream, UpstreamError, answer_in_turn
from tests.devchain.asking import send
from tests.devchain.sample import Actor, key_of
from tests.policies.world import POLICY, World, open_world
from wallet_rpc.adapters.nonce_use import MAX_SPANS, SPAN_BLOCKS, NonceUse, find_nonce_use
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.sponsorship.outcomes import SETTLE_GRACE_SECONDS, SETTLE_TIMEOUT_SECONDS
from wallet_rpc.adapters.sponsorship.paymaster import LEASE_SECONDS
from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.gas import max_cost
from wallet_rpc.domain.user_operation import USER_OPERATION_EVENT
from wallet_rpc.errors import Unavailable
from wallet_rpc.primitives import Address, Data, Hash32

LATE = POLICY.sponsorship_seconds + SETTLE_TIMEOUT_SECONDS + 5
NO_PAYMASTER, SOME_PAYMASTER = Address(bytes(20)), Address(b"\x0b" * 20)
SENDER, NONCE = Address(b"\x0a" * 20), 7 << 64 | 5


@pytest.fixture
async def world(store: RedisStore) -> AsyncIterator[World]:
    async with open_world(store) as made:
        yield made


def pay_alone(world: World, actor: Actor) -> str:
    """Let the account use its nonce with an operation that no paymaster pays."""
    actor.fund()
    return send(world.node, actor.sign(actor.estimate(actor.operation([]))))


async def test_an_operation_that_its_account_paid_frees_the_promise(world: World) -> None:
    actor = world.actor(1)
    op = await world.sponsor_operation(actor)
    pay_alone(world, actor)
    world.pass_time(POLICY.sponsorship_seconds + SETTLE_GRACE_SECONDS + 5)
    assert await world.is_rejected(world.actor(2))
    assert await world.totals() == (max_cost(op), 1)
    world.pass_time(SETTLE_TIMEOUT_SECONDS)
    other = await world.sponsor_operation(world.actor(2))
    assert await world.totals() == (max_cost(other), 1)


async def test_an_operation_that_a_paymaster_paid_counts_what_it_cost(world: World) -> None:
    """It is so old a version of what was prepared that its hash is forgotten."""
    op = await world.sponsor_operation(world.actor(1))
    for _ in range(4):
        world.pass_time(1)
        await world.sponsor_operation(world.actor(1))
    identity = send(world.node, op)
    cost = int(world.node.rpc("eth_getUserOperationReceipt", identity)["actualGasCost"], 16)
    world.pass_time(LATE)
    assert await world.is_rejected(world.actor(2))
    assert await world.totals() == (cost, 1)
    assert cost < max_cost(op)


async def test_a_nonce_that_was_burnt_without_an_operation_counts_in_full(world: World) -> None:
    """No event tells of it; that there is none is no proof."""
    actor = Actor(world.node, key_of(1), is_delegated=True)
    op = await world.sponsor_operation(actor)
    actor.fund()
    account = SimpleNamespace(address=actor.address, key=actor.owner.to_bytes())
    burn = Data(abi.INCREMENT_NONCE + abi.uint(op.nonce >> 64, 192)).hex0x()
    world.node.send(sender=account, to=ENTRY_POINT.hex0x(), data=burn)
    assert actor.operation([]).nonce == op.nonce + 1
    world.pass_time(LATE)
    assert await world.is_rejected(world.actor(2))
    world.pass_time(LATE)
    assert await world.is_rejected(world.actor(2))
    assert await world.totals() == (max_cost(op), 1)


async def test_a_use_that_the_node_will_not_tell_counts_in_full(world: World) -> None:
    op = await world.sponsor_operation(world.actor(1))
    pay_alone(world, world.actor(1))
    world.pass_time(LATE)
    world.wire.refuses = "eth_getLogs"
    assert await world.is_rejected(world.actor(2))
    world.wire.refuses = None
    world.pass_time(LATE)
    assert await world.is_rejected(world.actor(2))
    assert await world.totals() == (max_cost(op), 1)


async def test_a_node_that_is_silent_about_it_is_asked_again(world: World) -> None:
    await world.sponsor_operation(world.actor(1))
    pay_alone(world, world.actor(1))
    world.pass_time(LATE)
    world.wire.loses = "eth_getLogs"
    assert await world.is_rejected(world.actor(2))
    world.wire.loses = None
    world.pass_time(LEASE_SECONDS)
    assert not await world.is_rejected(world.actor(2))


async def test_a_use_counts_when_its_block_is_deep_enough(store: RedisStore) -> None:
    async with open_world(store, confirmations=3) as world:
        op = await world.sponsor_operation(world.actor(1))
        world.pass_time(LATE)
        pay_alone(world, world.actor(1))
        for _ in range(2):
            assert await world.is_rejected(world.actor(2))
            assert await world.totals() == (max_cost(op), 1)
            world.pass_time(LEASE_SECONDS)
        assert not await world.is_rejected(world.actor(2))


def event(**changes: Any) -> dict[str, Any]:
    """Of an operation of SENDER with NONCE that cost 3 wei, which it paid itself."""
    made: dict[str, Any] = {"address": ENTRY_POINT, "first": USER_OPERATION_EVENT, "sender": SENDER, "nonce": NONCE}
    made |= {"paymaster": NO_PAYMASTER, "number": 9, **changes}
    topics = [made["first"], Hash32(b"\x01" * 32), abi.address(made["sender"]), abi.address(made["paymaster"])]
    return {
        "address": made["address"].hex0x(),
        "topics": [Data(topic).hex0x() for topic in topics],
        "data": Data(b"".join(map(abi.uint, (made["nonce"], 1, 3, 4)))).hex0x(),
        "blockNumber": hex(made["number"]),
        "removed": False,
    }


@pytest.mark.parametrize(("paymaster", "is_sponsored"), [(NO_PAYMASTER, False), (SOME_PAYMASTER, True)])
async def test_the_event_of_the_nonce_says_who_paid(paymaster: Address, is_sponsored: bool) -> None:
    others = [event(nonce=NONCE - 1, paymaster=SOME_PAYMASTER), event(nonce=NONCE + 1, paymaster=SOME_PAYMASTER)]
    upstream = Upstream({"eth_getLogs": [*others, event(paymaster=paymaster)]})

    found = await find_nonce_use(upstream.client(), SENDER, NONCE, latest=10)

    assert found == NonceUse(cost=3, block_number=9, is_sponsored=is_sponsored)
    (wanted,) = upstream.params[0]
    sender = Hash32(abi.address(SENDER)).hex0x()
    assert wanted == {
        "address": ENTRY_POINT.hex0x(),
        "topics": [USER_OPERATION_EVENT.hex0x(), None, sender],
        "fromBlock": "0x0",
        "toBlock": "latest",
    }


@pytest.mark.parametrize(
    "other",
    [
        event(address=SOME_PAYMASTER),
        event(first=Hash32(b"\x02" * 32)),
        event(sender=SOME_PAYMASTER),
        event(nonce=NONCE & (2**64 - 1)),
        {**event(), "topics": event()["topics"][:3]},
        {**event(), "data": event()["data"][:-2]},
    ],
)
async def test_no_other_event_proves_a_use(other: dict[str, Any]) -> None:
    """A node may know no filters."""
    assert await find_nonce_use(Upstream({"eth_getLogs": [other]}).client(), SENDER, NONCE, latest=10) is None


@given(st.integers(0, 3 * MAX_SPANS * SPAN_BLOCKS))
async def test_the_last_blocks_are_asked_for_once_and_newest_first(latest: int) -> None:
    upstream = Upstream({"eth_getLogs": []})

    assert await find_nonce_use(upstream.client(), SENDER, NONCE, latest=latest) is None

    assert upstream.params[0][0]["toBlock"] == "latest"
    upstream.params[0][0]["toBlock"] = hex(latest)
    spans = [(int(wanted["fromBlock"], 16), int(wanted["toBlock"], 16)) for (wanted,) in upstream.params]
    asked = [number for first, last in spans for number in reversed(range(first, last + 1))]
    assert asked == list(range(latest, max(latest - MAX_SPANS * SPAN_BLOCKS, -1), -1))
    assert all(last - first < SPAN_BLOCKS for first, last in spans)


async def test_an_older_span_is_looked_through_too() -> None:
    upstream = Upstream({"eth_getLogs": answer_in_turn([], [event()])})
    assert await find_nonce_use(upstream.client(), SENDER, NONCE, latest=2 * SPAN_BLOCKS) is not None
    assert len(upstream.methods) == 2


@pytest.mark.parametrize("answer", [answer_in_turn(UpstreamError(-32005, "range too wide")), None, [{}]])
async def test_a_node_that_does_not_tell_is_no_proof(answer: Any) -> None:
    with pytest.raises(Unavailable):
        await find_nonce_use(Upstream({"eth_getLogs": answer}).client(), SENDER, NONCE, latest=10)
