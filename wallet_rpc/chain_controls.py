"""Control methods of an embedded chain that take the wallet's state with them: snapshots, resets and dumps.

The chain and the wallet store their states apart. A request that changes both is stored first, and deleted together
with the change of the wallet's state. A server that was killed in between makes both changes at its next start.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias, TypeVar

from wallet_rpc.adapters.redis_undo import UndoLog
from wallet_rpc.adapters.state_rows import StateRow, format_section, parse_section
from wallet_rpc.devchain.state_file import decode_state, encode_state, unreadable_state
from wallet_rpc.devchain.supervisor import ChainSupervisor
from wallet_rpc.edge.envelope import ResponseObject
from wallet_rpc.errors import InvalidParams, InvalidRequest
from wallet_rpc.primitives import Data, parse_quantity
from wallet_rpc.read_write_lock import ReadWriteLock, Shared
from wallet_rpc.time_budget import unlimited_context

_T = TypeVar("_T")
_Dump: TypeAlias = tuple[list[StateRow] | None, bool]
"""Rows of a dump, None without the wallet's section, and True for a dump of a whole chain."""

_SECTION = "wallet"
"""Name of the wallet's section of a dump."""
_CHAIN_SECTION = "chain"
CONTROL_METHODS = frozenset(
    {"evm_snapshot", "evm_revert"}
    | {f"anvil_{control}" for control in ("snapshot", "revert", "reset", "dumpState", "loadState")}
    | {f"hardhat_{control}" for control in ("reset", "dumpState", "loadState")}
)
"""The methods that this module handles."""


class StateTurns:
    """Turns of requests and deliveries, which share the state of a server, and of control methods, which have it alone.

    Requests that have begun end first, with the work that outlives them. Those that come later wait.
    """

    def __init__(self) -> None:
        self._lock = ReadWriteLock()
        self._interrupted: dict[int, Callable[[], Awaitable[None]]] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self.background: set[asyncio.Task[Any]] = set()
        """Tasks that outlive their request."""

    def share(self) -> AbstractAsyncContextManager[None]:
        """Use the state during the block. Raises: Unavailable while an interrupted change cannot be finished."""
        return Shared(self._begin, self._lock.release_shared)

    async def _begin(self) -> None:
        if self._interrupted:
            await self.run_alone(self._finish)
        await self._lock.acquire_shared()

    async def run_alone(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Run work while nothing else uses the state; once begun, it ends also if the caller is cancelled."""
        await self._lock.acquire_alone()
        task = asyncio.create_task(self._run_and_release(work), context=unlimited_context())
        self._running.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def interrupt(self, chain_id: int, finish: Callable[[], Awaitable[None]]) -> None:
        """Have `finish` run before the state is used again, until it succeeds."""
        self._interrupted[chain_id] = finish

    def end_interruption(self, chain_id: int) -> None:
        """Let the state be used."""
        self._interrupted.pop(chain_id, None)

    async def _run_and_release(self, work: Callable[[], Awaitable[_T]]) -> _T:
        try:
            while self.background:
                await asyncio.wait(self.background)
            await self._finish()
            return await work()
        finally:
            self._lock.release_alone()

    async def _finish(self) -> None:
        for finish in list(self._interrupted.values()):
            await finish()

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved, also if the caller was cancelled


class ChainControls:
    """The control methods of one chain."""

    def __init__(self, chain_id: int, chain: ChainSupervisor, undo: UndoLog, turns: StateTurns) -> None:
        self._chain_id = chain_id
        self.chain = chain
        self._undo = undo
        self._turns = turns
        self._methods: Mapping[str, Callable[[dict[str, Any]], Awaitable[ResponseObject]]] = {
            "snapshot": self._snapshot,
            "revert": self._revert,
            "reset": self._reset,
            "dumpState": self._dump_state,
            "loadState": self._load_state,
        }

    async def recover(self) -> None:
        """Finish the request during which an earlier server ended. Raises: Unavailable."""
        stored = await self._undo.read_request(self._chain_id)
        if stored is not None:
            await self._finish_stored(json.loads(stored))

    async def forward(self, request: dict[str, Any]) -> ResponseObject | None:
        """Answer a request to the wallet's paths. Raises: as `ChainSupervisor.forward`, and as `request`."""
        if request["method"] in CONTROL_METHODS:
            return await self._run(request)
        response: ResponseObject | None = await self.chain.forward(request)
        return response

    async def request(self, request: dict[str, Any]) -> ResponseObject | None:
        """Answer a request to the chain's own path. Raises: WalletError."""
        if request["method"] in CONTROL_METHODS:
            return await self._run(request)
        response: ResponseObject | None = await self.chain.request(request)
        return response

    async def _run(self, request: Mapping[str, Any]) -> ResponseObject:
        """Run a request for one of `CONTROL_METHODS` while nothing else uses the state. Raises: WalletError."""
        method = request["method"]
        control = self._methods[method.partition("_")[2]]
        if not self._undo.is_supported:
            text = f"{method} changes the wallet's state too, which needs a single Redis, not a cluster"
            raise InvalidRequest(text, reason="state_in_cluster")
        own = {"jsonrpc": "2.0", "id": 0, "method": method, "params": request.get("params") or []}
        response = await self._turns.run_alone(lambda: control(own))
        return {**response, "id": request.get("id")}

    async def _snapshot(self, request: dict[str, Any]) -> ResponseObject:
        response = await self._ask(request)
        if "result" in response:
            await self._undo.add_snapshot(self._chain_id, int(response["result"], 16))
        return response

    async def _revert(self, request: dict[str, Any]) -> ResponseObject:
        number = _read_snapshot(request["params"])
        if not self._undo.has_snapshot(self._chain_id, number):
            return {"jsonrpc": "2.0", "id": 0, "result": False}
        return await self._change({**request, "params": [hex(number)]})

    async def _reset(self, request: dict[str, Any]) -> ResponseObject:
        return await self._change(request)

    async def _load_state(self, request: dict[str, Any]) -> ResponseObject:
        dump = await asyncio.to_thread(self._read_dump, request["params"])
        return await self._change(request, dump)

    async def _dump_state(self, request: dict[str, Any]) -> ResponseObject:
        response = await self._ask(request)
        if "result" in response:
            rows = await self._undo.read_rows(self._chain_id)
            response["result"] = await asyncio.to_thread(self._add_section, response["result"], rows)
        return response

    async def _change(self, request: dict[str, Any], dump: _Dump | None = None) -> ResponseObject:
        """Change the chain, and then the wallet's state. Raises: Unavailable; then both changes are made later."""
        self._turns.interrupt(self._chain_id, self._drop_stored)  # a write without a reply may have taken effect
        await self._undo.begin_request(self._chain_id, json.dumps(request))
        self._turns.interrupt(self._chain_id, lambda: self._finish_stored(request))
        response = await self._ask(request)
        if response.get("result", False) is False:  # nothing was changed
            self._turns.interrupt(self._chain_id, self._drop_stored)
            await self._drop_stored()
        else:
            await self._change_state(request, dump)
        self._turns.end_interruption(self._chain_id)
        return response

    async def _drop_stored(self) -> None:
        """Delete a stored request that changed nothing."""
        await self._undo.end_request(self._chain_id)
        self._turns.end_interruption(self._chain_id)

    async def _finish_stored(self, request: dict[str, Any]) -> None:
        """Make both changes of a stored request, of which the chain may have made its own."""
        response = await self._ask(request)
        if "result" in response:  # also False: the chain has been reverted
            await self._change_state(request)
        else:
            await self._undo.end_request(self._chain_id)
        self._turns.end_interruption(self._chain_id)

    async def _change_state(self, request: dict[str, Any], dump: _Dump | None = None) -> None:
        """Change the wallet's state as the chain was changed, and delete the stored request.

        `dump` is that of the request, if it was read already.
        """
        chain_id, params = self._chain_id, request["params"]
        match request["method"].partition("_")[2]:
            case "revert":
                await self._undo.revert(chain_id, _read_snapshot(params))
            case "reset":
                await self._undo.replace(chain_id, ())
            case _:
                rows, has_chain = await asyncio.to_thread(self._read_dump, params) if dump is None else dump
                if rows is not None:
                    await self._undo.replace(chain_id, rows)
                elif has_chain:
                    await self._undo.discard_snapshots(chain_id)
                else:
                    await self._undo.end_request(chain_id)

    async def _ask(self, request: dict[str, Any]) -> ResponseObject:
        response: ResponseObject = await self.chain.request(request)
        return response

    def _read_dump(self, params: Any) -> _Dump:
        """Read a dump. Raises: InvalidParams."""
        sections = decode_state(_read_state(params))
        if _SECTION not in sections:
            return None, _CHAIN_SECTION in sections
        try:
            return parse_section(sections[_SECTION], self._chain_id), _CHAIN_SECTION in sections
        except ValueError as error:
            raise unreadable_state(str(error)) from error

    def _add_section(self, state: str, rows: list[StateRow]) -> str:
        sections = decode_state(Data.parse(state))
        return encode_state({**sections, _SECTION: format_section(self._chain_id, rows)})


def _read_snapshot(params: Any) -> int:
    """Return the number of a snapshot. Raises: InvalidParams."""
    given = _read_only(params, "snapshot")
    try:
        return parse_quantity(given, 256)
    except ValueError as error:
        raise InvalidParams(field="params.snapshot", expected="the number of a snapshot", given=given) from error


def _read_state(params: Any) -> Data:
    """Return the text of a dump as bytes. Raises: InvalidParams."""
    given = _read_only(params, "state")
    try:
        return Data.parse(given)
    except ValueError as error:
        raise unreadable_state("0x and hex digits") from error


def _read_only(params: Any, name: str) -> Any:
    """Return the only parameter, by position or by name. Raises: InvalidParams."""
    match params:
        case [only]:
            return only
        case {**named} if list(named) == [name]:
            return named[name]
    raise InvalidParams(field="params", expected=f"one parameter, {name}", given=params)
