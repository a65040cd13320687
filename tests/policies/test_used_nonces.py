"""Outcome of a reservation whose nonce was used by an operation without a receipt."""

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
from wallet_rpc.adapters.log_search import SPAN_BLOCKS
from wallet_rpc.adapters.operation_search import find_nonce_use
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.sponsorship.outcomes import SETTLE_GRACE_SECONDS, SETTLE_TIMEOUT_SECONDS
from wallet_rpc.adapters.sponsorship.paymaster import LEASE_SECONDS
from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.gas import max_cost
from wallet_rpc.domain.user_operation import USER_OPERATION_EVENT
from wallet_rpc.errors import Unavailable
from wallet_rpc.ports import NO_LOGS, NonceUse
from wallet_rpc.primitives import Address, Data, Hash32

LATE = POLICY.sponsorship_seconds + SETTLE_TIMEOUT_SECONDS + 5
NO_PAYMASTER, SOME_PAYMASTER = Address(bytes(20)), Address(b"\x0b" * 20)
SENDER, NONCE = Address(b"\x0a" * 20), 7 << 64 | 5


@pytest.fixture
async def world(store: RedisStore) -> AsyncIterator[World]:
    async with open_world(store) as opened:
        yield opened


def send_unsponsored(world: World, actor: Actor) -> str:
    """Use the account's nonce by an operation without a paymaster."""
    actor.fund()
    return send(world.node, actor.sign(actor.estimate(actor.operation([]))))


async def test_an_operation_paid_by_its_account_releases_the_reservation(world: World) -> None:
    actor = world.actor(1)
    op = await world.sponsor_operation(actor)
    send_unsponsored(world, actor)
    world.pass_time(POLICY.sponsorship_seconds + SETTLE_GRACE_SECONDS + 5)
    assert await world.is_rejected(world.actor(2))
    assert await world.totals() == (max_cost(op), 1)
    world.pass_time(SETTLE_TIMEOUT_SECONDS)
    other = await world.sponsor_operation(world.actor(2))
    assert await world.totals() == (max_cost(other), 1)


async def test_an_operation_paid_by_a_paymaster_counts_with_its_cost(world: World) -> None:
    """The operation is one of the first preparations of its nonce, whose hash is no longer stored."""
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


async def test_a_nonce_used_up_without_an_operation_counts_in_full(world: World) -> None:
    """There is no event of such a use, and a missing event proves nothing."""
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


async def test_a_use_counts_in_full_when_the_node_rejects_the_search(world: World) -> None:
    op = await world.sponsor_operation(world.actor(1))
    send_unsponsored(world, world.actor(1))
    world.pass_time(LATE)
    world.wire.refuses = "eth_getLogs"
    assert await world.is_rejected(world.actor(2))
    world.wire.refuses = None
    world.pass_time(LATE)
    assert await world.is_rejected(world.actor(2))
    assert await world.totals() == (max_cost(op), 1)


async def test_the_search_is_repeated_when_the_node_does_not_respond(world: World) -> None:
    await world.sponsor_operation(world.actor(1))
    send_unsponsored(world, world.actor(1))
    world.pass_time(LATE)
    world.wire.loses = "eth_getLogs"
    assert await world.is_rejected(world.actor(2))
    world.wire.loses = None
    world.pass_time(LEASE_SECONDS)
    assert not await world.is_rejected(world.actor(2))


async def test_a_use_counts_after_its_blocks_confirmations(store: RedisStore) -> None:
    async with open_world(store, confirmations=3) as world:
        op = await world.sponsor_operation(world.actor(1))
        world.pass_time(LATE)
        send_unsponsored(world, world.actor(1))
        for _ in range(2):
            assert await world.is_rejected(world.actor(2))
            assert await world.totals() == (max_cost(op), 1)
            world.pass_time(LEASE_SECONDS)
        assert not await world.is_rejected(world.actor(2))


def event(**changes: Any) -> dict[str, Any]:
    """Build the event of an operation of SENDER with NONCE that cost 3 wei and has no paymaster."""
    values: dict[str, Any] = {"address": ENTRY_POINT, "first": USER_OPERATION_EVENT, "sender": SENDER, "nonce": NONCE}
    values |= {"paymaster": NO_PAYMASTER, "number": 9, **changes}
    topics = [values["first"], Hash32(b"\x01" * 32), abi.address(values["sender"]), abi.address(values["paymaster"])]
    return {
        "address": values["address"].hex0x(),
        "topics": [Data(topic).hex0x() for topic in topics],
        "data": Data(b"".join(map(abi.uint, (values["nonce"], 1, 3, 4)))).hex0x(),
        "blockNumber": hex(values["number"]),
        "transactionHash": "0x" + "22" * 32,
        "removed": False,
    }


@pytest.mark.parametrize(("paymaster", "is_sponsored"), [(NO_PAYMASTER, False), (SOME_PAYMASTER, True)])
async def test_the_event_of_the_nonce_has_cost_and_paymaster(paymaster: Address, is_sponsored: bool) -> None:
    others = [event(nonce=NONCE - 1, paymaster=SOME_PAYMASTER), event(nonce=NONCE + 1, paymaster=SOME_PAYMASTER)]
    upstream = Upstream({"eth_getLogs": [*others, event(paymaster=paymaster)]})

    found = await find_nonce_use(upstream.client(), SENDER, NONCE, range(11), to_latest=True)

    assert found == NonceUse(operation_hash=Hash32(b"\x01" * 32), cost=3, block_number=9, is_sponsored=is_sponsored)
    (log_filter,) = upstream.params[0]
    sender = Hash32(abi.address(SENDER)).hex0x()
    assert log_filter == {
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
    """A node may ignore the filter."""
    assert (
        await find_nonce_use(Upstream({"eth_getLogs": [other]}).client(), SENDER, NONCE, range(11), to_latest=True)
        is None
    )


@given(st.integers(0, 3 * SPAN_BLOCKS), st.integers(1, 3 * SPAN_BLOCKS), st.booleans())
async def test_the_blocks_are_searched_once_and_newest_first(first: int, count: int, to_latest: bool) -> None:
    upstream = Upstream({"eth_getLogs": []})
    blocks = range(first, first + count)

    assert await find_nonce_use(upstream.client(), SENDER, NONCE, blocks, to_latest=to_latest) is None

    ends = [each["toBlock"] for (each,) in upstream.params]
    assert (ends[0] == "latest", "latest" in ends[1:]) == (to_latest, False)
    upstream.params[0][0]["toBlock"] = hex(blocks[-1])
    spans = [(int(each["fromBlock"], 16), int(each["toBlock"], 16)) for (each,) in upstream.params]
    assert [number for first, last in spans for number in reversed(range(first, last + 1))] == list(reversed(blocks))
    assert all(last - first < SPAN_BLOCKS for first, last in spans)


async def test_older_spans_are_searched_too() -> None:
    upstream = Upstream({"eth_getLogs": answer_in_turn([], [event()])})
    assert await find_nonce_use(upstream.client(), SENDER, NONCE, range(2 * SPAN_BLOCKS)) is not None
    assert len(upstream.methods) == 2


@pytest.mark.parametrize("answer", [answer_in_turn(UpstreamError(-32005, "range too wide")), None, [{}]])
async def test_a_failed_search_is_unavailable(answer: Any) -> None:
    with pytest.raises(Unavailable) as error_info:
        await find_nonce_use(Upstream({"eth_getLogs": answer}).client(), SENDER, NONCE, range(11), to_latest=True)
    assert (error_info.value.reason == NO_LOGS) == callable(answer)
