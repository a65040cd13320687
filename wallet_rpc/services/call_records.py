"""Changes of call records under concurrency: each is applied to the newest record, and a lease goes to one process."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.call_state import Evidence
from wallet_rpc.errors import Unavailable
from wallet_rpc.ports import Ports
from wallet_rpc.services.session_rules import settle_call

DELIVERY_LEASE_SECONDS = 10
"""Time for which one process alone delivers a call; longer than an attempt."""
_WRITES = 20
"""Maximum number of times that a change is applied again, because another process wrote the record first."""


async def change_record(ports: Ports, record: CallRecord, change: Callable[[CallRecord], CallRecord]) -> CallRecord:
    """Apply `change` to the stored record, again if another process writes it meanwhile, and return the result.

    Raises: Unavailable when other processes always write first.
    """
    for _ in range(_WRITES):
        changed = change(record)
        if changed == record:
            return record
        now = ports.clock.now()
        is_end = changed.state.is_final and not record.state.is_final
        changed = replace(changed, changed_at=now, final_at=now if is_end else changed.final_at)
        stored = await ports.store.calls.update(record, changed)
        if stored == replace(changed, revision=record.revision + 1):
            if is_end:
                with suppress(Unavailable):  # a worker settles it later
                    await settle_call(ports, stored)
            return stored
        record = stored
    raise Unavailable("the call's record is being written by others; try again", reason="busy", part="store")


def new_lease(ports: Ports) -> str:
    """Return the random mark of a new lease."""
    return ports.entropy.random_bytes(8).hex()


async def take_lease(ports: Ports, record: CallRecord) -> CallRecord | None:
    """Begin an attempt, and return the record with the lease; None if another process has the lease."""
    now = ports.clock.now()
    if record.state.is_final or record.lease_until > now or record.is_waiting:
        return None
    leased = record.after(Evidence.ATTEMPT_BEGUN, lease_until=now + DELIVERY_LEASE_SECONDS, lease=new_lease(ports))
    stored = await ports.store.calls.update(record, leased)
    return stored if stored == replace(leased, revision=record.revision + 1) else None
