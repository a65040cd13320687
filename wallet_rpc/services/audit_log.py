"""Audit log entries of operations, written to the log of the caller's organisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from wallet_rpc.domain.audit import AuditEvent, EventKind
from wallet_rpc.domain.chain_request import chain_facts
from wallet_rpc.domain.records import CallRecord
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import SessionId


async def log_event(ports: Ports, kind: EventKind, **facts: Any) -> None:
    """Append an entry to the log of the caller's organisation before the response; anonymous callers have no log."""
    if not ports.caller.is_anonymous:
        event = AuditEvent(kind=kind, at=ports.clock.now(), actor=ports.caller.name, facts=facts)
        await ports.store.audit.append(event)


async def log_chain_request(ports: Ports, chain_id: int, request: Mapping[str, Any]) -> None:
    """Log a request for a state-changing method of the chain's node, before it is forwarded."""
    if not ports.caller.is_anonymous:
        await log_event(ports, EventKind.CHAIN_REQUESTED, **chain_facts(request, chain_id))


async def log_call_sent(ports: Ports, record: CallRecord, session: SessionId | None = None) -> None:
    """Log a sent call unless it is logged already; a repeated send adds the entry if the first attempt was lost."""
    if record.is_noted or ports.caller.is_anonymous:
        return
    facts = {"account": record.sender.hex0x(), "chainId": record.chain_id, "hash": record.hash.hex0x()}
    if session is not None:
        facts["sessionId"] = session.hex0x()
    await log_event(ports, EventKind.CALL_SENT, **facts)
    await ports.store.calls.settle(replace(record, is_noted=True))
