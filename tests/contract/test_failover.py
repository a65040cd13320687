"""Failover between several servers of one upstream: the order of servers, and writes that at most one receives."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.contract.upstream import FAST, BrokenResponse, NoResponse, Upstream, UpstreamError, answer_in_turn
from wallet_rpc.adapters.client import JsonRpcClient
from wallet_rpc.adapters.failover import Failover, build_rpc
from wallet_rpc.adapters.http_post import HttpClient
from wallet_rpc.errors import LimitExceeded, OutcomeUnknown, Unavailable

SHARED = replace(FAST, deadline_seconds=3.0, servers=2, attempts=2)
EXPECTED_CHAIN, OTHER_CHAIN = {"eth_chainId": "0x1"}, {"eth_chainId": "0x2"}


def servers(*upstreams: Upstream, suspend_seconds: float = 15.0) -> Failover:
    clients = [each.client(SHARED) for each in upstreams]
    return Failover(clients, read_seconds=SHARED.deadline_seconds, suspend_seconds=suspend_seconds)


async def test_the_first_server_that_responds_is_used() -> None:
    first, second = Upstream({"find": 1}), Upstream({"find": 2})

    assert await servers(first, second).read("find", []) == 1
    assert second.posts == []


@pytest.mark.parametrize("trouble", [BrokenResponse(502), BrokenResponse(200, b"<html>"), NoResponse()])
async def test_a_read_goes_to_the_next_server_within_the_deadline(trouble: Exception) -> None:
    first, second = Upstream({"find": answer_in_turn(trouble)}), Upstream({"find": 2})

    async with asyncio.timeout(SHARED.deadline_seconds):
        assert await servers(first, second).read("find", []) == 2


async def test_a_server_whose_response_is_too_large_is_not_suspended() -> None:
    """Otherwise a caller's large request could suspend every server."""
    first, second = Upstream({"find": answer_in_turn([0] * 200_000, 1)}), Upstream({"find": 2})
    part = servers(first, second)

    with pytest.raises(LimitExceeded):
        await part.read("find", [], unbatched=True)
    assert await part.read("find", []) == 1
    assert second.posts == []


async def test_a_failed_server_is_suspended_and_used_again_later() -> None:
    first, second = (
        Upstream({"find": answer_in_turn(BrokenResponse(502), BrokenResponse(502), 1)}),
        Upstream({"find": 2}),
    )
    part = servers(first, second, suspend_seconds=1.0)

    assert [await part.read("find", []) for _ in range(3)] == [2, 2, 2]
    assert len(first.posts) == 2
    await asyncio.sleep(1.01)
    assert await part.read("find", []) == 1


async def test_a_suspended_server_is_used_when_no_other_responds() -> None:
    first, second = (
        Upstream({"find": answer_in_turn(BrokenResponse(502), BrokenResponse(502), 1)}),
        Upstream({"find": answer_in_turn(2, BrokenResponse(502))}),
    )
    part = servers(first, second)

    assert [await part.read("find", []) for _ in range(2)] == [2, 1]


async def test_a_read_fails_when_no_server_responds() -> None:
    part = servers(
        Upstream({"find": answer_in_turn(BrokenResponse(502))}), Upstream({"find": answer_in_turn(NoResponse())})
    )

    with pytest.raises(Unavailable, match=r"^the node does not answer$"):
        await part.read("find", [])


async def test_an_error_response_is_not_followed_by_another_server() -> None:
    first, second = Upstream({"find": answer_in_turn(UpstreamError(-32000, "no"))}), Upstream({"find": 2})

    with pytest.raises(Unavailable, match="returned an error"):
        await servers(first, second).read("find", [])
    assert second.posts == []


@pytest.mark.parametrize("trouble", [BrokenResponse(502), BrokenResponse(200, b"<html>"), NoResponse()])
async def test_a_write_that_a_server_may_have_received_goes_to_no_other(trouble: Exception) -> None:
    first, second = Upstream({"send": answer_in_turn(trouble)}), Upstream({"send": 2})

    with pytest.raises(OutcomeUnknown):
        await servers(first, second).write("send", [])
    assert second.posts == []


async def test_a_write_that_no_server_received_goes_to_the_next() -> None:
    second = Upstream({"send": 2})
    async with HttpClient() as http:
        absent = JsonRpcClient(http, "http://127.0.0.1:1", part="node", limits=SHARED)
        part = Failover([absent, second.client(SHARED)], read_seconds=1.0)

        assert await part.write("send", []) == 2
    assert second.posts == [["send"]]


async def test_every_server_must_serve_the_chain() -> None:
    with pytest.raises(Unavailable, match="the node serves chain 2, expected chain 1"):
        await servers(Upstream(EXPECTED_CHAIN), Upstream(OTHER_CHAIN)).check_chain(1)


async def test_the_chain_check_passes_with_one_server_that_does_not_respond() -> None:
    silent, right = Upstream({"eth_chainId": answer_in_turn(BrokenResponse(502))}), Upstream(EXPECTED_CHAIN)
    await servers(silent, right).check_chain(1)
    assert set(silent.methods) == set(right.methods) == {"eth_chainId"}


async def test_the_chain_check_fails_when_no_server_responds() -> None:
    broken: dict[str, Any] = {"eth_chainId": answer_in_turn(BrokenResponse(502))}
    with pytest.raises(Unavailable, match=r"does not answer$"):
        await servers(Upstream(broken), Upstream(broken)).check_chain(1)


async def test_a_server_that_recovers_on_another_chain_is_not_used() -> None:
    woken = Upstream(
        {
            "eth_chainId": answer_in_turn(BrokenResponse(502), BrokenResponse(502), "0x2"),
            "find": "wrong",
            "send": "wrong",
        }
    )
    part = servers(woken, Upstream({**EXPECTED_CHAIN, "find": "right", "send": "right"}), suspend_seconds=0.0)
    await part.check_chain(1)

    assert await part.read("find", []) == await part.write("send", []) == "right"
    assert set(woken.methods) == {"eth_chainId"}


async def test_all_attempts_of_a_read_are_within_one_deadline() -> None:
    upstream = Upstream({"eth_chainId": answer_in_turn("0x1", NoResponse()), "find": answer_in_turn(NoResponse())})
    part = servers(upstream, upstream, upstream)
    await part.check_chain(1)

    async with asyncio.timeout(SHARED.deadline_seconds + 1.0):
        with pytest.raises(Unavailable, match="does not answer"):
            await part.read("find", [])


async def test_one_url_gets_a_client_without_failover() -> None:
    async with HttpClient() as http:
        assert isinstance(build_rpc(http, ["http://a"], part="node"), JsonRpcClient)
        assert isinstance(build_rpc(http, ["http://a", "http://b"], part="node"), Failover)
