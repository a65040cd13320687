"""The time budget of a request: all its calls to nodes, bundlers and Redis end when it is used up."""

from __future__ import annotations

import asyncio
import contextvars
import json
import os
import signal
import time
from typing import Any

import pytest

from tests.contract.upstream import NoResponse, Upstream, answer_in_turn
from tests.edge.sample import Journal, request
from wallet_rpc.adapters.client import is_no_response
from wallet_rpc.adapters.failover import Failover
from wallet_rpc.adapters.limits import ClientLimits
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.edge.jsonrpc import JsonRpcDispatcher
from wallet_rpc.edge.outcome import run_until
from wallet_rpc.errors import OutcomeUnknown, Unavailable
from wallet_rpc.time_budget import BUDGET_SECONDS, BUDGET_USED, STORE_SECONDS, limit_time, remaining_seconds

PATIENT = ClientLimits(deadline_seconds=60.0)
"""Limits of a client whose own deadline is far away."""
SOON = STORE_SECONDS + 0.2
"""Budget in seconds of which 0.2 s are for upstreams."""
FOREVER = 30.0
"""Timeout in seconds of a call that must end long before; only a failure takes that long."""


def silent() -> Upstream:
    return Upstream({"find": answer_in_turn(NoResponse()), "send": answer_in_turn(NoResponse())})


async def test_a_read_ends_with_the_budget_and_names_its_part() -> None:
    async with asyncio.timeout(FOREVER):
        with limit_time(SOON), pytest.raises(Unavailable) as error_info:
            await silent().client(PATIENT).read("find", [])

    assert error_info.value.data == {"reason": "unavailable", "retryable": True, "part": "node"}


async def test_the_outcome_of_a_write_that_the_budget_ends_is_unknown() -> None:
    upstream = silent()

    async with asyncio.timeout(FOREVER):
        with limit_time(SOON), pytest.raises(OutcomeUnknown):
            await upstream.client(PATIENT).write("send", [])

    assert upstream.posts == [["send"]]


async def test_calls_share_one_budget_and_none_is_sent_after_its_end() -> None:
    upstream = Upstream({"find": answer_in_turn(NoResponse()), "send": 1, "more": 1})
    client = upstream.client(PATIENT)

    with limit_time(SOON):
        with pytest.raises(Unavailable):
            await client.read("find", [])
        for call in (client.read("more", []), client.write("send", [])):
            with pytest.raises(Unavailable, match=r"^the node got no request: other dependencies took") as error_info:
                await call
            assert not isinstance(error_info.value, OutcomeUnknown)
            assert error_info.value.data == {"reason": BUDGET_USED, "retryable": True, "part": "node"}
            assert is_no_response(error_info.value)
    assert upstream.posts == [["find"]]


async def test_a_request_whose_upstream_took_its_time_can_still_use_redis(store: RedisStore) -> None:
    with limit_time(SOON):
        with pytest.raises(Unavailable):
            await silent().client(PATIENT).read("find", [])
        await store.check_writable()
    with limit_time(0.0), pytest.raises(Unavailable, match="the store got no request") as error_info:
        await store.check_writable()
    assert error_info.value.data == {"reason": BUDGET_USED, "retryable": True, "part": "store"}


async def test_a_failover_ends_with_the_budget_and_keeps_the_order_of_its_servers() -> None:
    first, second = Upstream({"find": 1}), Upstream({"find": 2})
    part = Failover([each.client(PATIENT) for each in (first, second)], read_seconds=60.0)

    with limit_time(0.0), pytest.raises(Unavailable) as error_info:
        await part.read("find", [])

    assert error_info.value.reason == BUDGET_USED
    assert await part.read("find", []) == 1
    assert second.posts == []


async def test_a_call_to_redis_ends_with_the_budget() -> None:
    async with RedisServer(None) as server, RedisStore.open(server.url, deadline_seconds=60.0) as store:
        await store.check_writable()
        assert server.process_id is not None
        os.kill(server.process_id, signal.SIGSTOP)
        try:
            async with asyncio.timeout(FOREVER):
                with limit_time(SOON), pytest.raises(Unavailable) as error_info:
                    await store.check_writable()
        finally:
            os.kill(server.process_id, signal.SIGCONT)

    assert error_info.value.data == {"reason": "unavailable", "retryable": True, "part": "store"}


async def test_a_budget_shortens_deadlines_and_is_never_extended() -> None:
    assert remaining_seconds(60.0) == 60.0
    with limit_time(5.0):
        with limit_time(60.0):
            assert 0 < remaining_seconds(60.0) <= 5.0
        with limit_time(1.0):
            assert remaining_seconds(60.0) <= 1.0
        assert 1.0 < remaining_seconds(60.0) <= 5.0
        assert remaining_seconds(0.5) == 0.5
    assert remaining_seconds(60.0) == 60.0


async def test_tasks_of_a_request_share_its_budget_and_background_tasks_have_none() -> None:
    async def remaining() -> float:
        return remaining_seconds(60.0)

    with limit_time(1.0):
        own = asyncio.create_task(remaining())
        background = asyncio.create_task(remaining(), context=contextvars.Context())

    assert await own <= 1.0
    assert await background == 60.0


async def test_each_operation_has_a_budget_of_eight_seconds() -> None:
    async def remaining() -> float:
        return remaining_seconds(60.0)

    assert BUDGET_SECONDS == 8.0
    found = await run_until(remaining(), asyncio.get_running_loop().time() + 30.0)
    assert 7.0 < found <= 8.0


async def test_each_entry_of_a_batch_has_a_budget_of_its_own() -> None:
    found: list[float] = []

    async def forward(entry: dict[str, Any]) -> dict[str, Any]:
        found.append(remaining_seconds(60.0))
        time.sleep(0.2)  # noqa: ASYNC251  # the next entry starts later by this much
        return {"jsonrpc": "2.0", "id": entry["id"], "result": 1}

    dispatcher = JsonRpcDispatcher[Journal]((), Journal, fallback=forward)
    await dispatcher.dispatch(json.dumps([request("a", id=1), request("b", id=2)]).encode())

    assert len(found) == 2
    assert abs(found[0] - found[1]) < 0.1


def test_a_call_has_no_more_time_than_a_request() -> None:
    assert ClientLimits().deadline_seconds == BUDGET_SECONDS
