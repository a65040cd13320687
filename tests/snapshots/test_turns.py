"""Requests of each kind end before a control method begins, and those that come later wait for its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from wallet_rpc.chain_controls import StateTurns
from wallet_rpc.edge.envelope import Reply
from wallet_rpc.embedded_chains import EmbeddedChains
from wallet_rpc.operations import list_stops
from wallet_rpc.ports import Ports

CHAIN = 31337
REQUEST = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}


class Work:
    """Work of a request, which counts and ends when it may."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = asyncio.Event()

    async def run(self, *_: Any) -> Any:
        self.begun += 1
        await self.may_end.wait()
        return Reply(b"{}")


def handle_body(chains: EmbeddedChains, work: Work) -> Callable[[], Awaitable[Any]]:
    handler = chains.guard_handler(work.run)
    return lambda: handler(json.dumps(REQUEST).encode())


def handle_batch(chains: EmbeddedChains, work: Work) -> Callable[[], Awaitable[Any]]:
    handler = chains.guard_handler(work.run)
    return lambda: handler(json.dumps([REQUEST, {**REQUEST, "method": "evm_snapshot"}]).encode())


def forward(chains: EmbeddedChains, work: Work) -> Callable[[], Awaitable[Any]]:
    fallback = chains.guard_fallbacks({})[CHAIN]
    return lambda: fallback(dict(REQUEST))


def run_operation(chains: EmbeddedChains, work: Work) -> Callable[[], Awaitable[Any]]:
    (operation,) = chains.guard_operations([replace(list_stops.OPERATION, run=work.run)])
    return lambda: operation.run(cast("Ports", None), cast("Any", None))


@pytest.mark.parametrize("build", [handle_body, handle_batch, forward, run_operation])
async def test_requests_and_control_methods_take_turns(
    build: Callable[[EmbeddedChains, Work], Callable[[], Awaitable[Any]]],
) -> None:
    work, turns = Work(), StateTurns()
    chains = EmbeddedChains(
        handlers={}, chains={CHAIN: work.run}, reads=frozenset(), methods=frozenset(), feeds={}, turns=turns
    )
    request = build(chains, work)
    first = asyncio.ensure_future(request())
    await settle()
    assert work.begun == 1
    control = Work()
    running = asyncio.create_task(turns.run_alone(control.run))
    second = asyncio.ensure_future(request())
    await settle()
    assert (work.begun, control.begun) == (1, 0)
    work.may_end.set()
    await settle()
    assert (work.begun, control.begun) == (1 if build is not handle_batch else 2, 1)
    assert not second.done()
    control.may_end.set()
    await asyncio.gather(first, running, second)
    assert work.begun == (2 if build is not handle_batch else 4)


async def settle() -> None:
    """Let all tasks run until they wait for each other; there is no I/O here."""
    for _ in range(50):
        await asyncio.sleep(0)
