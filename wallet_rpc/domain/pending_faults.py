"""The faults on demand that still occur: added, counted and removed in one place, for requests and for chains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from wallet_rpc.domain.fault import Fault


class PendingFaults:
    """The faults that still occur, the oldest first. They are in memory only."""

    def __init__(self) -> None:
        self.faults: tuple[Fault, ...] = ()
        """The faults."""

    def add(self, fault: Fault) -> None:
        """Add a fault."""
        self.faults = (*self.faults, fault)

    def clear(self, identity: bytes | None) -> int:
        """Remove the fault of that id, or all for None, and return how many were removed."""
        before = len(self.faults)
        self.faults = () if identity is None else tuple(one for one in self.faults if one.id != identity)
        return before - len(self.faults)

    def take(self, holds: Callable[[Fault], bool]) -> Fault | None:
        """Count one occurrence of the oldest fault that holds, and return it as it is then; None without one."""
        found = next((one for one in self.faults if holds(one)), None)
        return None if found is None else self.count(lambda one: one is found)[0]

    def count(self, holds: Callable[[Fault], bool]) -> list[Fault]:
        """Count one occurrence of each fault that holds, and return them as they are then."""
        left = [replace(one, remaining=one.remaining - 1) if holds(one) else one for one in self.faults]
        counted = [one for one, before in zip(left, self.faults, strict=True) if one is not before]
        self.faults = tuple(one for one in left if one.remaining > 0)
        return counted
