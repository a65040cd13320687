"""Port of the faults that a test asks a development server for."""

from __future__ import annotations

from typing import Any, Protocol

from wallet_rpc.domain.fault import Fault
from wallet_rpc.primitives import ChainId, Data


class FaultControls(Protocol):
    """The faults of a development server, and the control methods of its embedded chains."""

    async def add(self, fault: Fault) -> Fault:
        """Add a fault and return it with its id, eight bytes that grow.

        Raises: LimitExceeded (too_many_faults); Rejected (redis_paused); UnsupportedCapability (redis_not_embedded);
        Unavailable while its chain is restarted.
        """

    async def list_faults(self) -> tuple[Fault, ...]:
        """Return the faults that still occur, the oldest first."""

    async def clear(self, identity: Data | None) -> int:
        """Remove one fault, or all for None, and return how many were removed; a pause of Redis goes on."""

    async def control(self, chain_id: ChainId, method: str, *params: Any) -> Any:
        """Call a control method of an embedded chain, and return its JSON result. Raises: Rejected; Unavailable."""
