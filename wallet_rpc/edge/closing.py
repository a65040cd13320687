"""The request to close a WebSocket, by any part of its connection."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

POLICY_VIOLATION = 1008
"""Code of the close frame after a credential has become invalid, or for a slow reader. Source: RFC 6455, 7.4.1."""


@dataclass(slots=True, eq=False)
class Closing:
    """The request to close a connection, with the code of its close frame."""

    requested: asyncio.Event = field(default_factory=asyncio.Event)
    code: int = 0
    is_cut: bool = False
    """True to close the connection without a close frame."""

    def request(self, code: int) -> None:
        """Request the close; the first code counts."""
        self.code = self.code or code
        self.requested.set()
