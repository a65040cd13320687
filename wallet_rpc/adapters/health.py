"""Health mark of one server of a dependency: a node, bundler or paymaster URL, or Redis.

Probes (`adapters/probes.py`) set the mark. The server's client reports each response as a sign of life, and fails a
request to a marked server at once instead of waiting for a response.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextvars import ContextVar
from enum import StrEnum

from wallet_rpc.errors import Unavailable

DEPENDENCY_DOWN = "dependency_down"
"""Reason of the error for a server that is marked down."""
WRONG_CHAIN = "wrong_chain"
"""Reason of the error for a server that serves another chain."""

_is_probing: ContextVar[bool] = ContextVar("is_probing", default=False)


class Mark(StrEnum):
    """Mark of a server, as `GET /ready` shows it."""

    OK = "ok"
    TIMEOUT = "timeout"
    """The server did not respond to a probe in time."""
    UNAVAILABLE = "unavailable"
    """The connection failed, or the response was not usable."""
    WRONG_CHAIN = "wrong_chain"


class ServerHealth:
    """Health of one server; `part` is its name in errors."""

    def __init__(self, part: str) -> None:
        self.part = part
        self.mark = Mark.OK
        """The mark; a server is usable until a probe finds otherwise, since the start checks it."""
        self.answered_at = 0.0
        """Loop time of the last response to a request of any kind."""

    @property
    def is_usable(self) -> bool:
        """True if requests may go to the server."""
        return self.mark is Mark.OK

    def record_answer(self) -> None:
        """Record a response: a sign of life."""
        self.answered_at = asyncio.get_running_loop().time()

    def require_usable(self) -> None:
        """Check the mark; probes themselves always pass.

        Raises: Unavailable (dependency_down or wrong_chain). The request was not sent.
        """
        if self.is_usable or _is_probing.get():
            return
        if self.mark is Mark.WRONG_CHAIN:
            text = f"the {self.part} now serves another chain and is not used until it serves the right one"
            raise Unavailable(text, reason=WRONG_CHAIN, part=self.part)
        raise Unavailable(f"the {self.part} does not answer", reason=DEPENDENCY_DOWN, part=self.part)


def start_probing() -> None:
    """Let the current task and its tasks send requests to marked servers."""
    _is_probing.set(True)


def best_mark(healths: Iterable[ServerHealth]) -> Mark:
    """Return ok if one of the servers is usable, else the mark of the first."""
    marks = [health.mark for health in healths]
    return Mark.OK if Mark.OK in marks else marks[0]
