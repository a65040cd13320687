"""Several servers for one part: who is asked when one does not answer, and who never gets what."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from tests.contract.upstream import FAST, BrokenResponse, NoResponse, Upstream, UpstreamError, answer_in_turn
from wallet_rpc.adapters.client import JsonRpcClient
from wallet_rpc.adapters.failover import Failover, build_rpc
from wallet_rpc.errors import LimitExceeded, OutcomeUnknown, Unavailable

SHARED = replace(FAST, deadline_seconds=3.0, servers=2, attempts=2)
EXPECTED_CHAIN, OTHER_CHAIN = {"eth_chainId": "0x1"}, {"eth_chainId": "0x2"}


def servers(*upstreams: Upstream, rest_seconds: float = 15.0) -> Failover:
    clients = [each.client(SHARED) for each in upstreams]
    return Failover(clients, read_seconds=SHARED.deadline_seconds, suspend_seconds=rest_seconds)


def absent() -> JsonRpcClient:
    """Nobody listens there."""
    return JsonRpcClient(httpx2.AsyncClient(), "http://127.0.0.1:1", part="node", limits=SHARED)


async def test_the_first_that_answers_is_the_part() -> None:
    first, second = Upstream({"find": 1}), Upstream({"find": 2})

    assert await servers(first, second).read("find", []) == 1
    assert second.posts == []


@pytest.mark.parametrize("trouble", [BrokenResponse(502), BrokenResponse(200, b"<html>"), NoResponse()])
async def test_a_read_goes_on_to_the_next_within_the_deadline(trouble: Exception) -> None:
    first, second = Upstream({"find": answer_in_turn(trouble)}), Upstream({"find": 2})

    async with asyncio.timeout(SHARED.deadline_seconds):
        assert await servers(first, second).read("find", []) == 2


async def test_a_server_whose_answer_is_too_large_has_answered() -> None:
    """Else a caller who asks for much would have every server rest."""
    first, second = Upstream({"find": answer_in_turn([0] * 200_000, 1)}), Upstream({"find": 2})
    part = servers(first, second)

    with pytest.raises(LimitExceeded):
        await part.read("find", [], unbatched=True)
    assert await part.read("find", []) == 1
    assert second.posts == []


async def test_a_server_that_failed_rests_and_is_then_asked_again() -> None:
    first, second = (
        Upstream({"find": answer_in_turn(BrokenResponse(502), BrokenResponse(502), 1)}),
        Upstream({"find": 2}),
    )
    part = servers(first, second, rest_seconds=1.0)

    assert [await part.read("find", []) for _ in range(3)] == [2, 2, 2]
    assert len(first.posts) == 2
    await asyncio.sleep(1.01)
    assert await part.read("find", []) == 1


async def test_one_at_rest_is_asked_when_no_other_answers() -> None:
    first, second = (
        Upstream({"find": answer_in_turn(BrokenResponse(502), BrokenResponse(502), 1)}),
        Upstream({"find": answer_in_turn(2, BrokenResponse(502))}),
    )
    part = servers(first, second)

    assert [await part.read("find", []) for _ in range(2)] == [2, 1]


async def test_when_none_answers_the_part_does_not() -> None:
    part = servers(
        Upstream({"find": answer_in_turn(BrokenResponse(502))}), Upstream({"find": answer_in_turn(NoResponse())})
    )

    with pytest.raises(Unavailable, match=r"^the node does not answer$"):
        await part.read("find", [])


async def test_a_refusal_is_an_answer() -> None:
    first, second = Upstream({"find": answer_in_turn(UpstreamError(-32000, "no"))}), Upstream({"find": 2})

    with pytest.raises(Unavailable, match="refused to answer"):
        await servers(first, second).read("find", [])
    assert second.posts == []


@pytest.mark.parametrize("trouble", [BrokenResponse(502), BrokenResponse(200, b"<html>"), NoResponse()])
async def test_a_write_that_may_have_arrived_goes_nowhere_else(trouble: Exception) -> None:
    first, second = Upstream({"send": answer_in_turn(trouble)}), Upstream({"send": 2})

    with pytest.raises(OutcomeUnknown):
        await servers(first, second).write("send", [])
    assert second.posts == []


async def test_a_write_that_did_not_arrive_goes_to_the_next() -> None:
    second = Upstream({"send": 2})
    part = Failover([absent(), second.client(SHARED)], read_seconds=1.0)

    assert await part.write("send", []) == 2
    assert second.posts == [["send"]]


async def test_every_server_must_be_of_the_chain() -> None:
    with pytest.raises(Unavailable, match="the node does not answer for chain 1 but for chain 2"):
        await servers(Upstream(EXPECTED_CHAIN), Upstream(OTHER_CHAIN)).check_chain(1)


async def test_a_silent_server_is_no_reason_not_to_start() -> None:
    silent, right = Upstream({"eth_chainId": answer_in_turn(BrokenResponse(502))}), Upstream(EXPECTED_CHAIN)
    await servers(silent, right).check_chain(1)
    assert set(silent.methods) == set(right.methods) == {"eth_chainId"}


async def test_servers_that_are_all_silent_are_one() -> None:
    broken: dict[str, Any] = {"eth_chainId": answer_in_turn(BrokenResponse(502))}
    with pytest.raises(Unavailable, match=r"does not answer$"):
        await servers(Upstream(broken), Upstream(broken)).check_chain(1)


async def test_a_server_that_wakes_up_on_another_chain_is_asked_nothing() -> None:
    woken = Upstream(
        {
            "eth_chainId": answer_in_turn(BrokenResponse(502), BrokenResponse(502), "0x2"),
            "find": "wrong",
            "send": "wrong",
        }
    )
    part = servers(woken, Upstream({**EXPECTED_CHAIN, "find": "right", "send": "right"}), rest_seconds=0.0)
    await part.check_chain(1)

    assert await part.read("find", []) == await part.write("send", []) == "right"
    assert set(woken.methods) == {"eth_chainId"}


async def test_all_that_a_read_takes_is_within_one_deadline() -> None:
    upstream = Upstream({"eth_chainId": answer_in_turn("0x1", NoResponse()), "find": answer_in_turn(NoResponse())})
    part = servers(upstream, upstream, upstream)
    await part.check_chain(1)

    async with asyncio.timeout(SHARED.deadline_seconds + 1.0):
        with pytest.raises(Unavailable, match="does not answer"):
            await part.read("find", [])


async def test_one_url_is_asked_directly() -> None:
    async with httpx2.AsyncClient() as http:
        assert isinstance(build_rpc(http, ["http://a"], part="node"), JsonRpcClient)
        assert isinstance(build_rpc(http, ["http://a", "http://b"], part="node"), Failover)
