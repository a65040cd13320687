"""Probes of real upstreams over 127.0.0.1: marks of servers that are killed, frozen, cut off, slow or lying."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.contract.probing import (
    CHAIN,
    SHORT,
    assert_fails_at_once,
    chain_process,
    marks,
    probed,
    until_mark,
    until_probed,
)
from tests.support.flaky_upstream import FlakyUpstream, answer_always, answer_result, serve_upstream
from wallet_rpc.adapters.client import JsonRpcClient
from wallet_rpc.adapters.health import DEPENDENCY_DOWN, WRONG_CHAIN, Mark
from wallet_rpc.adapters.http_post import HttpClient
from wallet_rpc.adapters.probes import ProbedServer, ProbeTimes, ask_chain_id, run_probes
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.errors import Unavailable

LIES = {
    "status 500": answer_always(b"{}", 500),
    "garbage": answer_always(b"<html>"),
    "nothing": answer_always(b""),
    "null": answer_result(None),
    "no chain id": answer_result("one"),
}
LIMITS = {
    "a rate limit": answer_always(b"slow down", 429),
    "an error response": answer_always(b'{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"slow down"}}'),
}


@pytest.fixture
def upstream() -> Iterator[FlakyUpstream]:
    with serve_upstream(answer_result(hex(CHAIN))) as served:
        yield served


async def test_a_killed_server_is_down_at_once_and_used_again_after_its_restart() -> None:
    async with chain_process() as (process, port), probed(f"http://127.0.0.1:{port}") as rpc:
        assert await rpc.read("find", []) == "0x1"
        process.kill()
        await until_mark(Mark.UNAVAILABLE, rpc.servers[0].health)
        await assert_fails_at_once(rpc, DEPENDENCY_DOWN)
        await process.wait()
        async with chain_process(port):
            await until_mark(Mark.OK, rpc.servers[0].health)
            assert await rpc.read("find", []) == "0x1"


async def test_a_frozen_server_is_down_and_used_again_when_it_continues() -> None:
    async with chain_process() as (process, port), probed(f"http://127.0.0.1:{port}", times=SHORT) as rpc:
        assert await rpc.read("find", []) == "0x1"
        process.send_signal(signal.SIGSTOP)
        await until_mark(Mark.TIMEOUT, rpc.servers[0].health)
        await assert_fails_at_once(rpc, DEPENDENCY_DOWN)
        process.send_signal(signal.SIGCONT)
        await until_mark(Mark.OK, rpc.servers[0].health)
        assert await rpc.read("find", []) == "0x1"


async def test_a_server_that_accepts_no_connection_is_down() -> None:
    """A full backlog drops the packets of new connections, as a cut network does."""
    with socket.socket() as listener, socket.socket() as first:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        first.connect(listener.getsockname())
        async with probed(f"http://127.0.0.1:{listener.getsockname()[1]}", times=SHORT) as rpc:
            await until_mark(Mark.TIMEOUT, rpc.servers[0].health)
            await assert_fails_at_once(rpc, DEPENDENCY_DOWN)


async def test_a_server_that_resets_connections_is_down(upstream: FlakyUpstream) -> None:
    async with probed(upstream.url) as rpc:
        upstream.resets = True
        await until_mark(Mark.UNAVAILABLE, rpc.servers[0].health)
        await assert_fails_at_once(rpc, DEPENDENCY_DOWN)
        upstream.recover()
        await until_mark(Mark.OK, rpc.servers[0].health)


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_a_server_with_unusable_responses_is_down(upstream: FlakyUpstream, lie: Callable[[bytes], Any]) -> None:
    async with probed(upstream.url) as rpc:
        upstream.lie = lie
        await until_mark(Mark.UNAVAILABLE, rpc.servers[0].health)
        await assert_fails_at_once(rpc, DEPENDENCY_DOWN)
        assert upstream.count("find") == 0
        upstream.recover()
        await until_mark(Mark.OK, rpc.servers[0].health)


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
async def test_a_server_that_limits_probes_is_not_down(upstream: FlakyUpstream, limit: Callable[[bytes], Any]) -> None:
    with capture_logs() as logs:
        async with probed(upstream.url):
            upstream.lie = limit
            await until_probed(upstream, 5)
    assert marks(logs) == []


async def test_one_failed_probe_marks_no_server(upstream: FlakyUpstream) -> None:
    """A server may close an idle connection just when a probe uses it."""

    def fail_every_second(body: bytes) -> Any:
        is_second = upstream.count("eth_chainId") % 2 == 0
        return (answer_always(b"", 502) if is_second else upstream.work)(body)

    upstream.lie = fail_every_second
    with capture_logs() as logs:
        async with probed(upstream.url):
            await until_probed(upstream, 10)
    assert marks(logs) == []


async def test_a_server_that_changes_its_chain_is_not_used_until_it_serves_the_right_one(
    upstream: FlakyUpstream,
) -> None:
    async with probed(upstream.url) as rpc:
        upstream.lie = answer_result("0x2")
        await until_mark(Mark.WRONG_CHAIN, rpc.servers[0].health)
        await assert_fails_at_once(rpc, WRONG_CHAIN)
        for limit in LIMITS.values():  # these do not show the chain
            upstream.lie = limit
            await until_probed(upstream, 3)
            assert rpc.servers[0].health.mark is Mark.WRONG_CHAIN
        assert upstream.count("find") == 0
        upstream.recover()
        await until_mark(Mark.OK, rpc.servers[0].health)
        assert await rpc.read("find", []) == "0x1"


@pytest.mark.parametrize("lie", [*LIMITS.values(), answer_always(b"not found", 404), answer_result("0x2")])
async def test_a_service_without_a_chain_is_up_with_any_response(
    upstream: FlakyUpstream, lie: Callable[[bytes], Any]
) -> None:
    with capture_logs() as logs:
        async with probed(upstream.url, chain_id=None) as rpc:
            upstream.lie = lie
            await until_probed(upstream, 3)
            upstream.lie = answer_always(b"", 500)
            await until_mark(Mark.UNAVAILABLE, rpc.servers[0].health)
    assert marks(logs) == ["unavailable"]


async def test_a_slow_server_is_down_at_most_until_its_first_response(upstream: FlakyUpstream) -> None:
    """Each response takes longer than the patience of a server that is usually fast."""
    with capture_logs() as logs:
        async with probed(upstream.url, times=SHORT) as rpc:
            await until_probed(upstream, 2)
            upstream.delay_seconds = 1.0
            await until_mark(Mark.TIMEOUT, rpc.servers[0].health)
            await until_mark(Mark.OK, rpc.servers[0].health)
            await until_probed(upstream, 3)
            assert await rpc.read("find", []) == "0x1"
    assert marks(logs) == ["timeout", "ok"]


async def test_a_server_that_responds_to_other_requests_is_not_down(upstream: FlakyUpstream) -> None:
    """Probes wait behind slow requests at a busy server."""
    times = ProbeTimes(interval_seconds=0.05, patience_seconds=1.0, longest_seconds=1.5)
    with capture_logs() as logs:
        async with probed(upstream.url, times=times) as rpc:
            upstream.freeze("eth_chainId")
            before = upstream.count("eth_chainId")
            while upstream.count("eth_chainId") < before + 3:  # two probes have been given up
                await rpc.read("find", [])
                await asyncio.sleep(0.02)
            assert marks(logs) == []
            await until_mark(Mark.TIMEOUT, rpc.servers[0].health)


async def test_a_probe_waits_for_the_one_before(upstream: FlakyUpstream) -> None:
    upstream.freeze()
    async with probed(upstream.url, times=SHORT) as rpc:
        await until_mark(Mark.TIMEOUT, rpc.servers[0].health)  # after many intervals
        assert upstream.methods == ["eth_chainId"]


async def test_a_pause_of_this_process_marks_no_server(upstream: FlakyUpstream) -> None:
    upstream.delay_seconds = 0.2
    with capture_logs() as logs:
        async with probed(upstream.url, times=SHORT):
            await until_probed(upstream, 1)
            time.sleep(1.5)  # noqa: ASYNC251  # the pause under test, longer than the patience
            await until_probed(upstream, 2)
    assert marks(logs) == []


async def test_no_probe_is_left_after_the_end(upstream: FlakyUpstream) -> None:
    before = asyncio.all_tasks()
    async with probed(upstream.url):
        upstream.freeze()
        await until_probed(upstream, 1)
    assert asyncio.all_tasks() == before


async def test_each_server_has_its_own_mark_and_requests_go_to_a_usable_one(upstream: FlakyUpstream) -> None:
    with serve_upstream(answer_result(hex(CHAIN))) as second:
        async with probed(upstream.url, second.url, times=SHORT) as rpc:
            upstream.freeze()
            await until_mark(Mark.TIMEOUT, rpc.servers[0].health)
            assert [await rpc.read("find", []), await rpc.write("send", [])] == ["0x1", "0x1"]
            assert rpc.servers[1].health.mark is Mark.OK
            second.lie = answer_result("0x2")
            await until_mark(Mark.WRONG_CHAIN, rpc.servers[1].health)
            for call in (rpc.read, rpc.write):
                with pytest.raises(Unavailable):
                    async with asyncio.timeout(0):
                        await call("find", [])
            upstream.recover()
            await until_mark(Mark.OK, rpc.servers[0].health)
            assert await rpc.read("find", []) == "0x1"
    assert [set(upstream.methods), second.count("send")] == [{"eth_chainId", "find"}, 1]


@contextmanager
def frozen(server: RedisServer) -> Iterator[None]:
    assert server.process_id is not None
    os.kill(server.process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.process_id, signal.SIGCONT)


async def test_a_frozen_redis_is_down_and_used_again_when_it_continues() -> None:
    async with (
        RedisServer(None) as server,
        RedisStore.open(server.url, deadline_seconds=0.5) as store,  # so that another probe finds it again
        run_probes([ProbedServer("redis", store.health, store.check_writable)], times=SHORT),
    ):
        with frozen(server):
            await until_mark(Mark.TIMEOUT, store.health)
            for query in (
                store.check_writable(),
                store.for_organization(OrganizationId("org_other")).tokens.is_revoked("0"),
            ):
                with pytest.raises(Unavailable) as error_info:
                    async with asyncio.timeout(0):
                        await query
                assert error_info.value.data == {"reason": DEPENDENCY_DOWN, "retryable": True, "part": "store"}
        await until_mark(Mark.OK, store.health)
        await store.check_writable()


async def test_a_server_that_fails_its_first_check_is_used_after_a_probe(upstream: FlakyUpstream) -> None:
    upstream.lie = answer_always(b"", 502)
    async with HttpClient() as http:
        client = JsonRpcClient(http, upstream.url, part="node")
        with pytest.raises(Unavailable):
            await client.check_chain(CHAIN)
        upstream.recover()
        await assert_fails_at_once(client, DEPENDENCY_DOWN)
        probe = ProbedServer("node", client.health, partial(ask_chain_id, http, client, CHAIN))
        async with run_probes([probe], times=SHORT):
            await until_mark(Mark.OK, client.health)
        assert await client.read("find", []) == "0x1"


def test_the_default_times_mark_a_silent_server_within_two_seconds() -> None:
    times = ProbeTimes()
    assert times.interval_seconds == 1.0
    assert times.interval_seconds + times.patience_seconds < 2.0
    assert times.longest_seconds + times.interval_seconds <= 5.0
