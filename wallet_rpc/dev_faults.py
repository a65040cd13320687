"""Faults of a development server: of requests, of the embedded chains, and of Redis."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from wallet_rpc import wire
from wallet_rpc.adapters import redis_socket
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.devchain.supervisor import ChainSupervisor
from wallet_rpc.domain.fault import REQUEST_FAULTS, Fault, FaultKind
from wallet_rpc.domain.pending_faults import PendingFaults
from wallet_rpc.edge.faults import FaultInjector
from wallet_rpc.edge.rpc_endpoint import Handler
from wallet_rpc.errors import LimitExceeded, Rejected, Unavailable, UnsupportedCapability
from wallet_rpc.primitives import ChainId, Data

MAX_FAULTS = 1000
"""The maximum number of faults of requests that still occur, and of those of chains."""


class DevFaults:
    """`ports.faults.FaultControls` over embedded chains and a Redis. They do not survive a restart."""

    def __init__(self, chains: Mapping[int, ChainSupervisor], redis: RedisServer | None) -> None:
        """Create the controls; `redis` is None for a Redis that the server did not start."""
        self._chains = chains
        self._redis = redis
        self._numbers = count(1)
        self._pending = PendingFaults()
        self._injector = FaultInjector(self._pending, next(iter(chains)))
        self._pause: Fault | None = None
        self._pause_ends = -math.inf

    def intercept(self, handlers: Mapping[str, Handler]) -> dict[str, Handler]:
        """Return handlers by their paths that answer with the faults of requests."""
        return {path: self._injector.intercept(path, handler) for path, handler in handlers.items()}

    async def add(self, fault: Fault) -> Fault:
        """Add a fault, and return it with its id. Raises: as `FaultControls.add`."""
        if fault.kind is FaultKind.PAUSE_REDIS:
            return await self._pause_redis(fault)
        is_of_requests = fault.kind in REQUEST_FAULTS
        if len(self._pending.faults if is_of_requests else await self._list_chain_faults()) >= MAX_FAULTS:
            text = f"expected at most {MAX_FAULTS} faults; remove some with wallet_test_clearFaults"
            raise LimitExceeded(text, reason="too_many_faults")
        added = self._number(fault)
        if is_of_requests:
            self._pending.add(added)
        elif added.chain_id is not None:
            await self.control(added.chain_id, "dev_addFault", wire.encode(Fault, added))
        return added

    def _number(self, fault: Fault) -> Fault:
        return replace(fault, id=Data(next(self._numbers).to_bytes(8)))

    async def list_faults(self) -> tuple[Fault, ...]:
        """Return the faults that still occur, the oldest first."""
        found = [*self._pending.faults]
        left = self._pause_ends - asyncio.get_running_loop().time()
        if self._pause is not None and left > 0:
            found.append(replace(self._pause, milliseconds=math.ceil(left * 1000)))
        found += await self._list_chain_faults()
        return tuple(sorted(found, key=lambda fault: bytes(fault.id)))

    async def clear(self, identity: Data | None) -> int:
        """Remove one fault, or all for None, and return how many were removed; a pause of Redis goes on."""
        params = () if identity is None else (identity.hex0x(),)
        counts = await self._ask_chains("dev_clearFaults", *params)
        return self._pending.clear(identity) + sum(map(int, counts))

    async def control(self, chain_id: ChainId, method: str, *params: Any) -> Any:
        """Call a control method of an embedded chain, and return its JSON result. Raises: Rejected; Unavailable."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        match await self._chains[chain_id].request(request):
            case {"result": result}:
                return result
            case {"error": {"message": message}}:
                raise Rejected(f"the chain rejects the change: {message}")

    async def _list_chain_faults(self) -> list[Fault]:
        results = await self._ask_chains("dev_listFaults")
        return [fault for result in results for fault in wire.decode(tuple[Fault, ...], result, at="result")]

    async def _ask_chains(self, method: str, *params: Any) -> list[Any]:
        """Return the results of all chains that run; one that is restarted has no faults."""
        calls = (self.control(ChainId(chain_id), method, *params) for chain_id in self._chains)
        results = await asyncio.gather(*calls, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, Unavailable):
                raise result
        return [result for result in results if not isinstance(result, BaseException)]

    async def _pause_redis(self, fault: Fault) -> Fault:
        if self._redis is None:
            text = "this server did not start its Redis, which others may use; pause it in your own way"
            raise UnsupportedCapability(text, reason="redis_not_embedded")
        now = asyncio.get_running_loop().time()
        if now < self._pause_ends:
            raise Rejected("Redis is paused already; wait until it answers again", reason="redis_paused")
        milliseconds = fault.milliseconds or 0
        self._pause, self._pause_ends = self._number(fault), now + milliseconds / 1000
        reply = await redis_socket.send_command(self._redis.socket, f"CLIENT PAUSE {milliseconds} ALL".encode())
        if reply != "+OK":
            self._pause_ends = now
            raise Unavailable("Redis does not answer", reason="unavailable")
        return self._pause
