"""The state of one failure proxy: its behaviour, and the step at which an injected action happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

Action: TypeAlias = Callable[[], Awaitable[None]]
"""Begins or ends a failure."""


class Behaviour(StrEnum):
    """The way in which a proxy treats requests."""

    PASS = "pass"
    CUT = "cut"
    """Reset the connection."""
    FREEZE = "freeze"
    """Accept the request and stay silent; continue with it when the behaviour changes."""
    SLOW = "slow"
    """Delay each answer by `SLOW_SECONDS`."""
    ERROR_500 = "http-500"
    ERROR_503 = "http-503"
    GARBAGE = "garbage"
    """Answer with text that is neither JSON nor a Redis reply."""
    NULL = "null"
    """Answer with a JSON `null` result."""
    WRONG_CHAIN = "wrong-chain"
    """Report another chain id."""
    STALE_NONCE = "stale-nonce"
    """Repeat the first answer to each request for EntryPoint's nonce."""
    NO_LOGS = "no-logs"
    """Report that no log exists."""
    FORGET_PENDING = "forget-pending"
    """Report that pending operations are unknown."""
    FORGET = "forget"
    """Report that all operations are unknown."""


class Moment(StrEnum):
    """The side of forwarding on which a step lies."""

    BEFORE = "before"
    """The request has arrived and was not forwarded yet."""
    AFTER = "after"
    """The request was forwarded and the answer was not returned yet."""
    DONE = "done"
    """The answer was returned."""


SLOW_SECONDS = 1.2
"""Delay of an answer: slower than usual, and within the time that a dependency is given."""


@dataclass(frozen=True)
class Step:
    """A step of prepare, send or watch, as a proxy sees it."""

    part: str
    """The proxy: `node`, `bundler` or `redis`."""
    method: str | None
    """The JSON-RPC method; None for any request or Redis command."""
    moment: Moment
    occurrence: int = 1
    """The number of the matching request, counted from the moment the step is awaited."""

    def __str__(self) -> str:
        return f"{self.part} {self.method or 'command'} #{self.occurrence} {self.moment}"


@dataclass
class Switch:
    """Behaviour of a proxy, which may change at any time."""

    behaviour: Behaviour = Behaviour.PASS
    requests: int = 0
    """Requests that the proxy has received."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _step: Step | None = None
    _action: Action | None = None
    _remaining: int = 0

    def set(self, behaviour: Behaviour) -> None:
        """Change the behaviour, and continue with the requests that a freeze holds."""
        self.behaviour = behaviour
        self._changed.set()
        self._changed = asyncio.Event()

    def arm(self, step: Step, action: Action) -> None:
        """Run `action` once, at the step."""
        self._step, self._action, self._remaining = step, action, step.occurrence

    def disarm(self) -> None:
        """Forget the step that was not reached."""
        self._step = self._action = None

    async def reach(self, method: str, moment: Moment) -> None:
        """Run the armed action if this is its step, then wait while requests are frozen."""
        step, action = self._step, self._action
        if step is not None and action is not None and step.moment is moment and step.method in (None, method):
            self._remaining -= 1
            if self._remaining <= 0:
                self.disarm()
                await action()
        await self.wait_while_frozen()

    async def wait_while_frozen(self) -> None:
        """Return as soon as requests are not frozen."""
        while self.behaviour is Behaviour.FREEZE:
            await self._changed.wait()
