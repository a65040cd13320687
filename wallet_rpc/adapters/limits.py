"""Limits of one upstream client: deadlines, attempts, batch size and response size."""

from __future__ import annotations

from dataclasses import dataclass

from wallet_rpc.time_budget import BUDGET_SECONDS
from wallet_rpc.wire import count_marks


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """Deadlines, attempts, batch size and response size of one upstream client."""

    deadline_seconds: float = BUDGET_SECONDS
    """Deadline of one call, including all its attempts; the rest of the request's time budget may be shorter."""
    connect_seconds: float = 3.0
    """Deadline of the connection; a server that did not accept it has not received the request."""
    servers: int = 1
    """Number of servers that share a read's deadline equally. A write has the whole deadline."""
    attempts: int = 3
    """Maximum number of attempts of a read."""
    backoff_seconds: float = 0.05
    """Pause before the second attempt; doubled for each further one, plus random jitter of up to the same length."""
    batch_size: int = 50
    """Maximum number of reads in one POST; 1 turns batching off."""
    answer_bytes: int = 16 << 20
    """Maximum size of a response."""
    answer_values: int = 150_000
    """Maximum number of JSON values in a response: parsing that many takes at most a tenth of a second."""

    @property
    def read_seconds(self) -> float:
        """Deadline of one read at one server, in seconds."""
        return self.deadline_seconds / self.servers

    @property
    def answer_limits(self) -> str:
        """Limits of a response as text for an error message."""
        return f"at most {self.answer_bytes} bytes and {self.answer_values} values"

    def allows(self, text: bytes) -> bool:
        """Return True when a JSON text has at most `answer_values` values."""
        return count_marks(text) <= self.answer_values
