"""Calls of a stand-in: equal ones that are in flight together are sent once, and each caller gets the outcome."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.contract.upstream import Upstream, UpstreamError
from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.errors import ExecutionReverted
from wallet_rpc.primitives import Address

STAND_IN = Address(b"\x05" * 20)
OVERRIDE = {"code": "0x00"}


async def test_equal_calls_in_flight_are_sent_once() -> None:
    upstream = Upstream({"eth_call": "0xaa"})
    node = NodeChain(upstream.client())

    found = await asyncio.gather(*(node.call_stand_in(STAND_IN, b"same", OVERRIDE) for _ in range(20)))

    assert found == [b"\xaa"] * 20
    assert count_calls(upstream) == 1


async def test_other_and_later_calls_are_sent() -> None:
    upstream = Upstream({"eth_call": "0xaa"})
    node = NodeChain(upstream.client())

    await asyncio.gather(*(node.call_stand_in(STAND_IN, data, OVERRIDE) for data in (b"one", b"other")))
    assert count_calls(upstream) == 2
    await node.call_stand_in(STAND_IN, b"one", OVERRIDE)
    assert count_calls(upstream) == 3


async def test_a_cancelled_caller_does_not_cancel_the_call_of_others() -> None:
    upstream = Upstream({"eth_call": "0xaa"})
    node = NodeChain(upstream.client())
    first, second = (asyncio.create_task(node.call_stand_in(STAND_IN, b"same", OVERRIDE)) for _ in range(2))

    await asyncio.sleep(0)
    first.cancel()

    assert await second == b"\xaa"
    with pytest.raises(asyncio.CancelledError):
        await first
    assert count_calls(upstream) == 1


async def test_each_caller_gets_the_error() -> None:
    def revert(*_: Any) -> Any:
        raise UpstreamError(3, "execution reverted", "0x1234")

    node = NodeChain(Upstream({"eth_call": revert}).client())

    found = await asyncio.gather(
        *(node.call_stand_in(STAND_IN, b"same", OVERRIDE) for _ in range(3)), return_exceptions=True
    )

    assert [type(each) for each in found] == [ExecutionReverted] * 3


def count_calls(upstream: Upstream) -> int:
    return sum(len(post) for post in upstream.posts)
