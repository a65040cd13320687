"""Audit log entries of operations, written to the log of the caller's organisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from wallet_rpc.domain.audit import AuditEvent, EventKind
from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.chain_request import chain_facts
from wallet_rpc.ports import Ports
from wallet_rpc.services.call_records import change_record


async def log_event(ports: Ports, kind: EventKind, **facts: Any) -> None:
    """Append an entry to the log of the caller's organisation before the response; anonymous callers have no log."""
    if not ports.caller.is_anonymous:
        event = AuditEvent(kind=kind, at=ports.clock.now(), actor=ports.caller.name, facts=facts)
        await ports.store.audit.append(event)


async def log_chain_request(ports: Ports, chain_id: int, request: Mapping[str, Any]) -> None:
    """Log a request for a state-changing method of the chain's node, before it is forwarded."""
    if not ports.caller.is_anonymous:
        await log_event(ports, EventKind.CHAIN_REQUESTED, **chain_facts(request, chain_id))


async def log_call_sent(ports: Ports, record: CallRecord) -> None:
    """Log a sent call unless it is logged already, in the name of the caller that sent it first.

    A repeated send, or a worker, adds the entry if the process that accepted the call did not.
    """
    actor = record.actor or ports.caller.actor
    if record.is_noted or not actor:
        return
    facts = {"account": record.sender.hex0x(), "chainId": record.chain_id, "hash": record.hash.hex0x()}
    if record.session_id is not None:
        facts["sessionId"] = record.session_id.hex0x()
    event = AuditEvent(kind=EventKind.CALL_SENT, at=ports.clock.now(), actor=actor, facts=facts)
    await ports.store.audit.append(event)
    await change_record(ports, record, lambda current: replace(current, is_noted=True))
