"""Log of the calls that requests make to Redis, nodes and other servers: the lines of the level `debug`."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType

from wallet_rpc.edge.observe import log
from wallet_rpc.edge.request_context import current_context
from wallet_rpc.errors import WalletError
from wallet_rpc.tracing import Peer

_NOTHING = nullcontext()


class CallLog:
    """`tracing.CallObserver` that logs each call of a request, or of the delivery of its call."""

    def watch_call(self, peer: Peer, method: str, script: str) -> AbstractContextManager[object]:
        """Return the block of a call; a call of no request, such as a probe, is not logged."""
        return _NOTHING if current_context().id == "" else _LoggedCall(peer, method, script)


class _LoggedCall:
    __slots__ = ("_began", "_method", "_peer", "_script")

    def __init__(self, peer: Peer, method: str, script: str) -> None:
        self._peer = peer
        self._method = method
        self._script = script

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        outcome = "ok" if error is None else error.reason if isinstance(error, WalletError) else type(error).__name__
        event = {"part": self._peer.part, "server": self._peer.address, "method": self._method}
        if self._script != "":
            event["script"] = self._script
        log.debug("call", **event, outcome=outcome, ms=round((time.perf_counter() - self._began) * 1000, 2))
