"""The organisation's log, as operations write it."""

from __future__ import annotations

from typing import Any

from wallet_rpc.domain.audit import Event, EventKind
from wallet_rpc.ports import Ports


async def note(ports: Ports, kind: EventKind, **facts: Any) -> None:
    """Write into the log of the caller's organisation, before the caller is answered; who shows no key has none."""
    if not ports.caller.is_open:
        event = Event(kind=kind, at=ports.clock.now(), actor=ports.caller.name, facts=facts)
        await ports.store.audit.append(event)
