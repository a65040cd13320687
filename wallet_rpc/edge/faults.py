"""Faults of requests that a test has requested: a layer between the endpoints of `dev` and their handlers.

While there are no faults, a request costs one comparison more.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from wallet_rpc.domain.fault import TEST_NAMESPACE, Fault, FaultKind
from wallet_rpc.domain.pending_faults import PendingFaults
from wallet_rpc.edge import envelope, observe
from wallet_rpc.edge.connections import ConnectionCut
from wallet_rpc.edge.drain import current_drain
from wallet_rpc.edge.envelope import Reply, RequestObject, ResponseObject
from wallet_rpc.edge.request_context import current_context
from wallet_rpc.edge.rpc_endpoint import Handler
from wallet_rpc.errors import WalletError
from wallet_rpc.primitives import parse_quantity
from wallet_rpc.wire import parse_json

_CHAIN_PATH = "/chain/"
_WALLET_NAMESPACE = "wallet_"
_LOST = (FaultKind.CUT, FaultKind.TIME_OUT)


class FaultInjector:
    """Wraps the handlers of a server whose first chain is `first_chain`."""

    def __init__(self, pending: PendingFaults, first_chain: int) -> None:
        self._pending = pending
        self._first_chain = first_chain

    def intercept(self, path: str, handler: Handler) -> Handler:
        """Return a handler for the path that answers with the faults."""
        path_chain = path.removeprefix(_CHAIN_PATH) if path.startswith(_CHAIN_PATH) else None

        async def answer(body: bytes) -> Reply:
            affected = None if not self._pending.faults else self._find(body, path_chain or current_context().chain)
            return await (handler(body) if affected is None else affected.answer(handler))

        return answer

    def _find(self, body: bytes, chain: str | None) -> _AffectedBody | None:
        """Return a body with the faults of its requests; None without any."""
        with suppress(WalletError):  # the handler answers a body that cannot be parsed
            parsed = envelope.parse_body(body)
            entries = parsed if isinstance(parsed, list) else [parsed]
            found = [self._take(entry, chain) for entry in entries]
            if any(fault is not None for fault in found):
                return _AffectedBody(parsed, body, list(zip(entries, found, strict=True)))
        return None

    def _take(self, entry: Any, chain: str | None) -> Fault | None:
        try:
            request = envelope.parse_request(entry)
        except WalletError:
            return None
        if request.method.startswith(TEST_NAMESPACE):
            return None
        named = self._chain_of(request, chain)
        return self._pending.take(lambda fault: fault.holds_for(request.method, named))

    def _chain_of(self, request: RequestObject, chain: str | None) -> int | None:
        """Return the chain that a request names: in its parameters, or for a node's method by its URL."""
        params = request.params[0] if isinstance(request.params, list) and request.params else request.params
        named = params.get("chainId") if isinstance(params, dict) else None
        if named is None and not request.method.startswith(_WALLET_NAMESPACE):
            named = self._first_chain if chain is None else chain
        try:
            return parse_quantity(int(named) if isinstance(named, str) and named.isdecimal() else named, 32)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class _AffectedBody:
    """A body, and its entries with the fault of each."""

    parsed: Any
    text: bytes
    entries: list[tuple[Any, Fault | None]]

    async def answer(self, handler: Handler) -> Reply:
        """Answer with the faults. Raises: ConnectionCut for an answer that is lost."""
        faults = [fault for _, fault in self.entries if fault is not None]
        lost = next((fault for fault in faults if fault.kind in _LOST), None)
        if lost is not None and not lost.executes:
            await _lose(lost)
        earlier = [await handler(_dump(entry)) for entry, fault in self.entries if _is(fault, FaultKind.REPEAT)]
        reply = await self._run(handler)
        await _wait(max((fault.milliseconds or 0 for fault in faults if fault.kind is FaultKind.DELAY), default=0))
        if lost is not None:
            await _lose(lost)
        return replace(reply, earlier=tuple(one.text for one in earlier if one.text is not None))

    async def _run(self, handler: Handler) -> Reply:
        """Return the reply of the entries that do not fail, with the errors of the others."""
        failed = [(entry, fault) for entry, fault in self.entries if fault is not None and fault.error is not None]
        if not failed:
            return await handler(self.text)
        errors = [_fail(entry, fault) for entry, fault in failed]
        if not isinstance(self.parsed, list):
            (error,), (_, fault) = errors, failed[0]
            return Reply(None, 204) if error is None else Reply(envelope.encode_response(error), fault.status or 200)
        rest = [entry for entry, fault in self.entries if fault is None or fault.error is None]
        reply = Reply(None, 204) if not rest else await handler(_dump(rest))
        answers = [] if reply.text is None else parse_json(reply.text)
        if not isinstance(answers, list):
            return reply  # the whole body was rejected
        answers += [error for error in errors if error is not None]
        return Reply(_dump(answers)) if answers else Reply(None, 204)


def _is(fault: Fault | None, kind: FaultKind) -> bool:
    return fault is not None and fault.kind is kind


def _fail(entry: Any, fault: Fault) -> ResponseObject | None:
    """Return the response with the error of a fault; None for a notification."""
    request, error = envelope.parse_request(entry), fault.error
    chosen: dict[str, Any] = {} if error is None else {"code": error.code, "message": error.message}
    if error is not None and error.data is not None:
        chosen["data"] = error.data
    response: ResponseObject = {"jsonrpc": "2.0", "error": chosen, "id": request.id}
    observe.record_response(observe.OTHER, response)
    return None if request.is_notification else response


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


async def _lose(fault: Fault) -> NoReturn:
    await _wait(fault.milliseconds or 0)
    raise ConnectionCut


async def _wait(milliseconds: int) -> None:
    """Wait, but not longer than until the server begins to end."""
    if milliseconds:
        with suppress(TimeoutError):
            async with asyncio.timeout(milliseconds / 1000):
                await current_drain().begun.wait()
