"""User operations that the bundler has accepted and keeps back, because a test has requested it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from wallet_rpc.domain.fault import Fault, FaultKind
from wallet_rpc.domain.user_operation import UserOperation


@dataclass(frozen=True, slots=True)
class HeldOperation:
    """An operation, its hash, the fault that keeps it back, and when that ends, by the clock of `HeldOperations`."""

    operation: UserOperation
    hash: bytes
    fault: Fault
    until: float

    @property
    def is_collected(self) -> bool:
        """True if the operation waits for others, to be included in reverse order."""
        return self.fault.kind is FaultKind.REORDER_OPERATIONS


class HeldOperations:
    """The operations that are kept back, by arrival."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: list[HeldOperation] = []

    @property
    def seconds_left(self) -> float | None:
        """The time until the first operation is to be included; None without one."""
        return max(0.0, min(one.until for one in self._held) - self._clock()) if self._held else None

    def find(self, identity: bytes) -> UserOperation | None:
        """Return the operation of that hash; None when it is not kept back."""
        return next((one.operation for one in self._held if one.hash == identity), None)

    def add(self, operation: UserOperation, identity: bytes, fault: Fault) -> None:
        """Keep an operation back, in place of one with its sender and nonce."""
        self.forget(operation)
        until = self._clock() + (fault.milliseconds or 0) / 1000
        self._held.append(HeldOperation(operation, identity, fault, until))

    def forget(self, operation: UserOperation) -> None:
        """Forget the operation with the sender and nonce of another, which replaces it."""
        place = operation.sender, operation.nonce
        self._held = [one for one in self._held if (one.operation.sender, one.operation.nonce) != place]

    def clear(self) -> None:
        """Forget all operations, as the chain that they were sent to is gone."""
        self._held.clear()

    def take_ended(self) -> list[HeldOperation]:
        """Remove and return the operations whose time has come, in the order of inclusion."""
        now = self._clock()
        ended = {bytes(one.fault.id) for one in self._held if one.until <= now and one.is_collected}
        return self._take(lambda one: one.until <= now or bytes(one.fault.id) in ended)

    def take_of(self, identity: bytes | None) -> list[HeldOperation]:
        """Remove and return the operations that one fault keeps back, or all for None, in the order of inclusion."""
        return self._take(lambda one: identity is None or one.fault.id == identity)

    def _take(self, condition: Callable[[HeldOperation], bool]) -> list[HeldOperation]:
        taken = [one for one in self._held if condition(one)]
        self._held = [one for one in self._held if not condition(one)]
        return [one for one in taken if not one.is_collected] + [one for one in taken[::-1] if one.is_collected]
