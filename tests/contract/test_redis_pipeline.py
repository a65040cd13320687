"""Connection that all requests share: one write for each tick, replies in order, lost and silent servers."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis, UnixDomainSocketConnection
from redis.exceptions import ResponseError

from tests.contract.waiting import until
from tests.support.constants import LONGEST_SECONDS
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_master import SingleMaster
from wallet_rpc.adapters.redis_pipeline import PipelinedServer
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_topology import open_topology
from wallet_rpc.errors import Unavailable


async def _connections(redis: Redis) -> int:
    """Return the number of connections that Redis has accepted."""
    return int((await redis.info("stats"))["total_connections_received"])


async def test_the_commands_of_a_tick_are_one_write_on_one_connection(own: RedisServer, link: Link) -> None:
    async with Redis.from_url(own.url, single_connection_client=True) as observer:
        await link.command("SET", "k", 0)
        before = await observer.info("stats")
        found = await asyncio.gather(*(link.command("INCR", "k") for _ in range(50)))
        after = await observer.info("stats")

    assert found == list(range(1, 51))
    assert after["total_commands_processed"] - before["total_commands_processed"] == 51  # with INFO
    assert after["total_reads_processed"] - before["total_reads_processed"] == 2
    assert after["total_connections_received"] == before["total_connections_received"]


async def test_an_error_reply_reaches_its_caller_only(link: Link) -> None:
    await link.command("SET", "text", "a")
    commands = [link.command(name, "text") for name in ("GET", "INCR", "STRLEN", "LLEN")]

    found = await asyncio.gather(*commands, return_exceptions=True)

    assert found[0::2] == [b"a", 1]
    assert all(isinstance(each, Unavailable) and isinstance(each.__cause__, ResponseError) for each in found[1::2])


async def test_a_reply_that_cannot_be_decoded_fails_its_command_only(own: RedisServer) -> None:
    def connection() -> UnixDomainSocketConnection:
        return UnixDomainSocketConnection(path=str(own.socket))

    server = PipelinedServer(connection, {"STRLEN": lambda reply: reply["length"]}, silence_seconds=LONGEST_SECONDS)
    await server.execute_command("SET", "text", "abc")

    found = await asyncio.gather(
        *(server.execute_command(name, "text") for name in ("GET", "STRLEN", "GET")), return_exceptions=True
    )

    assert found[0::2] == [b"abc", b"abc"]
    assert isinstance(found[1], TypeError)
    server.close()


async def test_replies_of_any_size_and_kind_reach_their_callers(link: Link) -> None:
    values = [os.urandom(size) for size in (0, 1, 100, 70_000, 1_000_000)]
    await asyncio.gather(*(link.command("SET", f"v{n}", value) for n, value in enumerate(values)))

    found = await asyncio.gather(
        *(link.command("GET", f"v{n}") for n in range(5)), link.command("GET", "none"), link.records(["h"])
    )

    assert found == [*values, None, [{}]]


@pytest.mark.parametrize("cancelled", [(0,), (2,), (0, 1, 2, 3, 4)])
async def test_a_cancelled_commands_reply_is_dropped_and_the_connection_kept(
    own: RedisServer, link: Link, cancelled: tuple[int, ...]
) -> None:
    async with Redis.from_url(own.url, single_connection_client=True) as observer:
        for number in range(5):
            await link.command("SET", f"n{number}", number)
        before = await _connections(observer)
        tasks = [asyncio.create_task(link.command("GET", f"n{number}")) for number in range(5)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # they are sent
        for number in cancelled:
            tasks[number].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)

        assert await link.command("GET", "n4") == b"4"
        assert await _connections(observer) == before
    for number, each in enumerate(found):
        assert isinstance(each, asyncio.CancelledError) if number in cancelled else each == str(number).encode()


async def test_a_silent_server_is_left_before_the_deadline_and_the_command_repeated(own: RedisServer) -> None:
    """The server goes on after the connection was given up: the command then succeeds on another connection."""
    topology = open_topology(own.url, deadline_seconds=0.4, connections=1)
    link = Link(topology, prefix="silent", deadline_seconds=20, connections=1)
    assert isinstance(topology, SingleMaster)
    async with Redis.from_url(own.url, single_connection_client=True) as observer:
        await link.command("SET", "k", "v")
        before = await _connections(observer)
        assert own.process_id is not None
        first = topology.server._current
        assert first is not None
        os.kill(own.process_id, signal.SIGSTOP)
        waiting = asyncio.create_task(link.command("GET", "k"))
        await until(_is(lambda: not first.is_usable))
        os.kill(own.process_id, signal.SIGCONT)

        assert await waiting == b"v"
        assert await _connections(observer) == before + 1
    await link.close()


async def test_a_lost_connection_is_opened_once_for_all_commands(own: RedisServer, link: Link) -> None:
    async with Redis.from_url(own.url, single_connection_client=True) as observer:
        await link.command("SET", "k", "v")
        before = await _connections(observer)
        for _ in range(3):
            await observer.client_kill_filter(_type="normal", skipme=True)
            assert await asyncio.gather(*(link.command("GET", "k") for _ in range(50))) == [b"v"] * 50

        assert await _connections(observer) == before + 3


@pytest.mark.parametrize("noise", [b"?\r\n", b"+OK\r\n+OK\r\n"], ids=["no reply", "too many replies"])
async def test_a_server_that_sends_what_no_command_waits_for_is_left(noise: bytes) -> None:
    """The first connection gets noise, the others the right reply."""
    numbers = itertools.count()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_first = next(numbers) == 0
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            while await reader.readuntil(b"k\r\n"):
                writer.write(noise if is_first else b"$1\r\nv\r\n")

    server = await asyncio.start_server(serve, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    topology = open_topology(f"redis://127.0.0.1:{port}", deadline_seconds=5, connections=1)
    link = Link(topology, prefix="noise", deadline_seconds=5, connections=1)
    first = await link.command("GET", "k")
    second = await link.command("GET", "k")
    await link.close()
    server.close()
    await server.wait_closed()

    assert (first, second) == ((b"OK", b"v") if noise.startswith(b"+") else (b"v", b"v"))
    assert next(numbers) == 2


def _is(condition: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return condition()

    return check
