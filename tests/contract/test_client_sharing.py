"""Batched reads: each gets its own response, also when the POST fails or the server rejects batches."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.contract.upstream import FAST, BrokenResponse, NoResponse, Upstream, UpstreamError, answer_in_turn
from wallet_rpc.adapters.http_post import PostResponse
from wallet_rpc.errors import Unavailable

UNBATCHED = replace(FAST, batch_size=1)


async def test_reads_of_one_tick_are_batched_and_each_gets_its_own_response() -> None:
    upstream = Upstream({"double": lambda number: 2 * number})
    client = upstream.client()

    answers = await asyncio.gather(*(client.read("double", [number]) for number in range(120)))

    assert answers == [2 * number for number in range(120)]
    assert [len(post) for post in upstream.posts] == [50, 50, 20]


async def test_reads_of_task_groups_are_batched_too() -> None:
    upstream = Upstream({"eth_chainId": "0x1", "eth_call": "0x"})
    client = upstream.client()

    async def request() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(client.read("eth_chainId", []))
            group.create_task(client.read("eth_call", []))

    await asyncio.gather(*(request() for _ in range(10)))

    assert len(upstream.posts) == 1


async def test_reads_that_nested_calls_start_a_few_ticks_later_share_a_post() -> None:
    upstream = Upstream({"find": 1})
    client = upstream.client()

    async def read_later(ticks: int) -> None:
        for _ in range(ticks):
            await asyncio.sleep(0)
        await client.read("find", [])

    await asyncio.gather(*(read_later(ticks) for ticks in (0, 2, 3, 6)))

    assert [len(post) for post in upstream.posts] == [3, 1]


async def test_an_unbatched_slow_read_does_not_block_other_reads() -> None:
    upstream = Upstream({"slow": answer_in_turn(NoResponse()), "quick": 1})
    client = upstream.client()
    slow = asyncio.create_task(client.read("slow", [], unbatched=True))

    async with asyncio.timeout(FAST.deadline_seconds / 2):
        assert await client.read("quick", []) == 1

    slow.cancel()
    assert upstream.posts == [["slow"], ["quick"]]


async def test_a_batch_without_a_response_is_retried_as_a_whole() -> None:
    upstream = Upstream({"find": answer_in_turn(BrokenResponse(503), 1)})
    client = upstream.client()

    assert await asyncio.gather(*(client.read("find", []) for _ in range(2))) == [1, 1]
    assert [len(post) for post in upstream.posts] == [2, 2]


async def test_batching_can_be_turned_off() -> None:
    upstream = Upstream({"find": 1})
    client = upstream.client(UNBATCHED)

    await asyncio.gather(client.read("find", []), client.read("find", []))

    assert upstream.posts == [["find"], ["find"]]


@pytest.mark.parametrize("response_id", [[], {}, None, "1", 1.5])
async def test_a_response_with_an_unknown_id_is_ignored(response_id: Any) -> None:
    body = json.dumps([{"jsonrpc": "2.0", "id": response_id, "result": 1}] * 2).encode()
    client = Upstream({"find": answer_in_turn(BrokenResponse(200, body), 7)}).client()

    assert await asyncio.gather(*(client.read("find", []) for _ in range(2))) == [7, 7]


async def test_an_error_of_one_call_in_a_batch_does_not_affect_the_others() -> None:
    client = Upstream({"bad": answer_in_turn(UpstreamError(-32000, "no")), "good": 1}).client()

    answers: list[Any] = await asyncio.gather(
        *(client.read(method, []) for method in ("bad", "good")), return_exceptions=True
    )

    assert isinstance(answers[0], Unavailable)
    assert answers[1] == 1


@pytest.mark.parametrize(
    "rejection",
    [
        False,
        PostResponse(405, b"batch requests are off"),
        PostResponse(413, b"<html>"),
        PostResponse(400, b'{"error":1}'),
    ],
)
async def test_a_server_that_rejects_batches_gets_single_calls_afterwards(rejection: bool | PostResponse) -> None:
    upstream = Upstream({"double": lambda number: 2 * number}, batches=rejection)
    client = upstream.client()

    for _ in range(2):
        assert await asyncio.gather(*(client.read("double", [number]) for number in (1, 2))) == [2, 4]

    assert [len(post) for post in upstream.posts] == [2, 1, 1, 1, 1]


async def test_a_cancelled_read_does_not_cancel_others() -> None:
    upstream = Upstream({"find": 1})
    client = upstream.client()
    first, second, third = (asyncio.create_task(client.read("find", [])) for _ in range(3))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    second.cancel()

    assert await third == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_read_that_was_cancelled_before_its_post_is_not_sent() -> None:
    upstream = Upstream({"find": 1})
    client = upstream.client()
    task = asyncio.create_task(client.read("find", []))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0.01)

    assert upstream.posts == []


async def test_reads_missing_in_a_batch_response_are_retried() -> None:
    upstream = Upstream({"find": 1})
    upstream.batches = PostResponse(200, b'[{"jsonrpc":"2.0","id":1,"result":"early"}, 5]')
    client = upstream.client()

    assert await asyncio.gather(*(client.read("find", []) for _ in range(2))) == ["early", 1]
    assert [len(post) for post in upstream.posts] == [2, 1]
