"""Deletion of records that end with a deadline on a chain: by Redis itself, or by the clock of the chain.

Redis deletes by its own clock. Where a chain has another one, as in `dev`, Redis deletes nothing, since the chain's
clock may stop, jump or go back. Ended sessions then stay, and a reader compares the end with the chain's time.
"""

from __future__ import annotations

from collections.abc import Mapping

from wallet_rpc.ports import Clock
from wallet_rpc.primitives import ChainId, UnixSeconds


class Deadlines:
    """The deadlines of one store's records."""

    def __init__(self, clocks: Mapping[ChainId, Clock]) -> None:
        """Create the deadlines; `clocks` has the chains with a clock of their own."""
        self._clocks = clocks
        self.server_clock: Clock | None = None
        """The server's clock if it does not agree with that of Redis, which then deletes nothing by it."""

    def set_options(self, at: UnixSeconds) -> tuple[str | int, ...]:
        """Return the options of `SET` for a record that ends at a time of the server's clock."""
        return () if self.server_clock is not None else ("EXAT", at)

    @property
    def is_split(self) -> bool:
        """True if chains have clocks of their own, so that no single time can end records of several chains."""
        return len(self._clocks) > 0

    def milliseconds(self) -> int | str:
        """Return the server's time for a script, or an empty text if the script takes the time of Redis."""
        return "" if self.server_clock is None else 1000 * self.server_clock.now()

    def deletion(self, chain_id: ChainId, at: UnixSeconds | None) -> UnixSeconds | str:
        """Return the time at which Redis deletes a record that ends at `at` on a chain, or an empty text for never."""
        return "" if at is None or chain_id in self._clocks else at

    def now_on(self, chain_id: ChainId) -> UnixSeconds | None:
        """Return the time of a chain with a clock of its own; None for any other."""
        clock = self._clocks.get(chain_id)
        return None if clock is None else clock.now()
