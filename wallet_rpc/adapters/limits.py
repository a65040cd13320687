"""Limits of one client of an upstream: how long it waits, how often it asks, and how much it reads."""

from __future__ import annotations

from dataclasses import dataclass

from wallet_rpc.wire import count_marks


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """How long, how often and how much."""

    deadline_seconds: float = 10.0
    """For one call, all its attempts included."""
    connect_seconds: float = 3.0
    """Until the server takes the connection; one that does not has not received anything."""
    servers: int = 1
    """How many share the deadline of a read; each gets its part of it. A write has all of it."""
    attempts: int = 3
    """How often a read is sent at most."""
    backoff_seconds: float = 0.05
    """Before the second attempt; doubled for each further one, and up to as much again by chance."""
    batch_size: int = 50
    """Reads that share a POST at most; 1 turns sharing off."""
    answer_bytes: int = 16 << 20
    answer_values: int = 150_000
    """JSON values of an answer at most: reading that many takes a tenth of a second at worst."""

    @property
    def read_seconds(self) -> float:
        """For one read at one server."""
        return self.deadline_seconds / self.servers

    @property
    def answer_limits(self) -> str:
        """The limits of an answer, in words."""
        return f"at most {self.answer_bytes} bytes and {self.answer_values} values"

    def allows(self, text: bytes) -> bool:
        """Whether a JSON text has no more values than it may."""
        return count_marks(text) <= self.answer_values
