"""A paymaster service (ERC-7677) for VerifyingPaymaster on any chain: the embedded chain's own methods over HTTP."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from starlette.types import ASGIApp

from wallet_rpc.devchain.bundler_methods import OPERATIONS
from wallet_rpc.devchain.chain import Blockchain
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.paymaster import DevPaymaster
from wallet_rpc.edge.http import build_app
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
    """The part of a chain that the paymaster reads: its id and its time."""

    config: _Config

    def next_timestamp(self) -> int:
        return int(time.time())


def _same(context: DevChain) -> DevChain:
    return context


def paymaster_service(*chain_ids: int) -> ASGIApp:
    """Build an application that sponsors like the embedded chain's paymaster, at `/{chain id}`."""
    handlers = {}
    for chain_id in chain_ids:
        chain = cast("Blockchain", _Elsewhere(_Config(chain_id)))
        context = DevChain(chain, cast("Any", None), DevPaymaster(chain))
        handlers[f"/{chain_id}"] = JsonRpcDispatcher(SPONSORING, partial(_same, context)).dispatch
    return build_app(handlers)
