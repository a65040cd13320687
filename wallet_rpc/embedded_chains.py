"""The embedded chains of `dev` next to the wallet: their handlers, and the turns of requests that use the state."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.chain_controls import CONTROL_METHODS, ChainControls, StateTurns
from wallet_rpc.config.settings import variable
from wallet_rpc.devchain import dev_constants
from wallet_rpc.devchain.supervisor import ChainSupervisor
from wallet_rpc.edge.chain_choice import RequestRecorder, record_requests
from wallet_rpc.edge.chain_feed import ChainFeed
from wallet_rpc.edge.envelope import Reply, ResponseObject, build_reply, parse_body, parse_request
from wallet_rpc.edge.http import CHAIN_PATH
from wallet_rpc.edge.interception import Interceptors, intercept_bodies, intercept_requests
from wallet_rpc.edge.jsonrpc import Fallback, JsonRpcDispatcher
from wallet_rpc.edge.rpc_endpoint import Handler
from wallet_rpc.errors import Unavailable, WalletError
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.store_opening import require_available
from wallet_rpc.wire import parse_json

_MARKS = (b"_snapshot", b"_revert", b"_reset", b"_dumpState", b"_loadState", b"\\u")
"""Bytes of which each body with a control method has some; its name may be written with escapes."""
_MOST_ENTRIES = 1000
"""The maximum number of entries of a batch with a control method, which is that of the chain."""
MAX_CHAIN_BODY_BYTES = 4 << 20
"""The maximum size of a request to a chain's own path, for `anvil_loadState`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedChains:
    """The embedded chains that `dev` serves next to the wallet, by chain id."""

    handlers: Mapping[int, Handler]
    """The handlers at `/chain/{id}`."""
    chains: Mapping[int, Fallback]
    reads: frozenset[str]
    """Methods of these chains that change no state."""
    methods: frozenset[str]
    """The methods of these chains that `serve` does not forward."""
    feeds: Mapping[int, ChainFeed]
    """The notifications of these chains."""
    turns: StateTurns
    """The turns of all that uses the chains and the wallet's state."""

    def guard_operations(self, operations: Sequence[Operation[Ports, Any, Any]]) -> list[Operation[Ports, Any, Any]]:
        """Have operations wait while a control method runs."""
        return [replace(operation, run=self._guard(operation.run)) for operation in operations]

    def _guard(self, run: Callable[[Ports, Any], Any]) -> Callable[[Ports, Any], Any]:
        async def run_in_turn(ports: Ports, request: Any) -> Any:
            async with self.turns.share():
                return await run(ports, request)

        return run_in_turn

    def guard_fallbacks(self, interceptors: Interceptors) -> dict[int, Fallback]:
        """Return the fallbacks with interceptors; their requests wait while a control method runs."""
        chains = intercept_requests(self.chains, interceptors)
        return {chain_id: self._guard_fallback(fallback) for chain_id, fallback in chains.items()}

    def _guard_fallback(self, fallback: Fallback) -> Fallback:
        async def answer(request: dict[str, Any]) -> ResponseObject | None:
            if request["method"] in CONTROL_METHODS:
                return await fallback(request)
            async with self.turns.share():
                return await fallback(request)

        return answer

    def build_handlers(
        self, interceptors: Interceptors, record: RequestRecorder, *, methods: frozenset[str]
    ) -> dict[str, Handler]:
        """Build the handlers of the chains' own paths, which record requests; the log names `methods`."""
        built = {}
        for chain_id, handler in self.handlers.items():
            guarded = self.guard_handler(intercept_bodies(chain_id, handler, interceptors))
            built[CHAIN_PATH.format(id=chain_id)] = record_requests(chain_id, guarded, record, methods=methods)
        return built

    def guard_handler(self, handler: Handler) -> Handler:
        """Have bodies for a chain wait while a control method runs; the entries of a batch with one run in order."""

        async def answer(body: bytes) -> Reply:
            entries, is_batch = find_controlled(body)
            if entries is None:
                async with self.turns.share():
                    return await handler(body)
            if not is_batch:
                return await handler(body)
            replies = [await self._answer_entry(entry, handler) for entry in entries]
            return build_reply([parse_json(reply.text) for reply in replies if reply.text is not None] or None)

        return answer

    async def _answer_entry(self, entry: Any, handler: Handler) -> Reply:
        body = json.dumps(entry).encode()
        if is_control(entry):
            return await handler(body)
        async with self.turns.share():
            return await handler(body)


async def open_embedded_chains(
    by_id: Mapping[int, ChainSupervisor], store: RedisStore, *, keeps_snapshots: bool
) -> EmbeddedChains:
    """Build the handlers of the embedded chains' own paths and their fallbacks for the wallet's paths.

    What an earlier server began to change in a chain and in the wallet's state is finished first.
    """
    undo, turns = store.undo_log(tuple(by_id)), StateTurns()
    await undo.load(keeps_snapshots=keeps_snapshots)
    controls = {chain_id: ChainControls(chain_id, chain, undo, turns) for chain_id, chain in by_id.items()}
    for each in controls.values():
        await require_available(variable("redis_url"), each.recover)
    return EmbeddedChains(
        handlers={chain_id: _build_chain_handler(each) for chain_id, each in controls.items()},
        chains={chain_id: each.forward for chain_id, each in controls.items()},
        reads=dev_constants.EXTRA_READ_METHODS,
        methods=dev_constants.EXTRA_METHODS,
        feeds={chain_id: each.chain.feed for chain_id, each in controls.items()},
        turns=turns,
    )


def _build_chain_handler(controls: ChainControls) -> Handler:
    """Build the handler of a chain's own path; while the chain has no process, it returns an error to each request.

    The dispatcher handles the requests one by one: control methods, and those that get `Unavailable`.
    """
    dispatcher = JsonRpcDispatcher[None]((), lambda: None, fallback=controls.request)

    async def answer(body: bytes) -> Reply:
        if find_controlled(body)[0] is not None:
            return await dispatcher.dispatch(body)
        try:
            return Reply(await controls.chain.answer(body))
        except Unavailable:
            return await dispatcher.dispatch(body)

    return answer


def is_control(entry: Any) -> bool:
    """Return True for a valid request object with a control method."""
    try:
        return parse_request(entry).method in CONTROL_METHODS
    except WalletError:
        return False


def find_controlled(body: bytes) -> tuple[list[Any] | None, bool]:
    """Return the entries of a body with a control method, and True for a batch; None for any other body."""
    if not any(mark in body for mark in _MARKS):
        return None, False
    try:
        parsed = parse_body(body)
    except WalletError:
        return None, False
    entries = parsed if isinstance(parsed, list) else [parsed]
    if len(entries) > _MOST_ENTRIES or not any(map(is_control, entries)):
        return None, False
    return entries, isinstance(parsed, list)
