"""A paymaster service (ERC-7677) for VerifyingPaymaster on any chain: the embedded chain's own methods over HTTP."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from wallet_rpc.devchain.bundler_methods import OPERATIONS
from wallet_rpc.devchain.chain import Blockchain
from wallet_rpc.devchain.chain_faults import ChainFaults
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.paymaster import DevPaymaster
from wallet_rpc.edge.jsonrpc import JsonRpcDispatcher
from wallet_rpc.operations.operation import Operation

SPONSORING: tuple[Operation[DevChain, Any, Any], ...] = tuple(
    operation for operation in OPERATIONS if operation.name.startswith("pm_")
)


@dataclass(frozen=True)
class _Config:
    chain_id: int


@dataclass(frozen=True)
class _Elsewhere:
    """The part of a chain that the paymaster reads: its id, its time and the faults on demand, of which it has none."""

    config: _Config
    faults: ChainFaults = field(default_factory=ChainFaults)

    def next_timestamp(self) -> int:
        return int(time.time())


def _same(context: DevChain) -> DevChain:
    return context


def paymaster_service(*chain_ids: int) -> ASGIApp:
    """Build an application that sponsors like the embedded chain's paymaster, at `/{chain id}`, and logs nothing.

    Servers under test probe it every second, and tests in the same process read the log.
    """
    routes = []
    for chain_id in chain_ids:
        chain = cast("Blockchain", _Elsewhere(_Config(chain_id)))
        context = DevChain(chain, cast("Any", None), DevPaymaster(chain))
        dispatcher = JsonRpcDispatcher(SPONSORING, partial(_same, context))
        routes.append(Route(f"/{chain_id}", partial(_answer, dispatcher), methods=["POST"]))
    return Starlette(routes=routes)


async def _answer(dispatcher: JsonRpcDispatcher[DevChain], request: Request) -> Response:
    reply = await dispatcher.dispatch(await request.body())
    return Response(reply.text, reply.status, media_type="application/json")
