"""Clients of probed upstreams, and waits for the marks of their servers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from tests.contract.waiting import until
from tests.support.flaky_upstream import FlakyUpstream
from wallet_rpc.adapters.failover import build_rpc
from wallet_rpc.adapters.health import Mark, ServerHealth
from wallet_rpc.adapters.http_post import HttpClient
from wallet_rpc.adapters.limits import ClientLimits
from wallet_rpc.adapters.probes import ProbedServer, ProbeTimes, ask_chain_id, run_probes
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.errors import OutcomeUnknown, Unavailable

SHORT = ProbeTimes(interval_seconds=0.05, patience_seconds=0.7, longest_seconds=30.0)
"""Times for tests that wait for a silent server's mark."""
PATIENT = ProbeTimes(interval_seconds=0.05, patience_seconds=30.0, longest_seconds=30.0)
"""Times for tests in which no server is silent, however slow the machine is."""
CHAIN = 1


@asynccontextmanager
async def probed(*urls: str, chain_id: int | None = CHAIN, times: ProbeTimes = PATIENT) -> AsyncIterator[Rpc]:
    """Open a client of the URLs and probe them."""
    async with HttpClient() as http, HttpClient() as probe_http:
        rpc = build_rpc(http, urls, part="node", limits=ClientLimits(deadline_seconds=30.0))
        servers = [
            ProbedServer(f"node {number}", client.health, partial(ask_chain_id, probe_http, client, chain_id))
            for number, client in enumerate(rpc.servers, 1)
        ]
        async with run_probes(servers, times=times):
            yield rpc


async def until_mark(mark: Mark, health: ServerHealth) -> None:
    async def is_marked() -> bool:
        return health.mark is mark

    await until(is_marked)


async def until_probed(upstream: FlakyUpstream, times: int) -> None:
    """Wait until the upstream has received that many further probes."""
    enough = upstream.count("eth_chainId") + times

    async def is_probed() -> bool:
        return upstream.count("eth_chainId") >= enough

    await until(is_probed)


def marks(logs: list[MutableMapping[str, Any]]) -> list[str]:
    return [line["state"] for line in logs if line["event"] == "dependency"]


async def assert_fails_at_once(rpc: Rpc, reason: str) -> None:
    """Check that neither a read nor a write waits: each fails before the event loop has run any other task."""
    for call in (rpc.read, rpc.write):
        with pytest.raises(Unavailable) as error_info:
            async with asyncio.timeout(0):
                await call("find", [])
        assert not isinstance(error_info.value, OutcomeUnknown)
        assert error_info.value.data == {"reason": reason, "retryable": True, "part": "node"}


@asynccontextmanager
async def chain_process(port: int = 0) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Run an upstream in a process of its own, which the block may stop, continue or kill."""
    arguments = [sys.executable, "-m", "tests.contract.chain_server", str(port)]
    process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield process, int(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
