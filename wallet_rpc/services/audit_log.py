"""The organisation's log, as operations write it."""

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
    """Write into the log of the caller's organisation, before the caller is answered; who shows no key has none."""
    if not ports.caller.is_anonymous:
        event = AuditEvent(kind=kind, at=ports.clock.now(), actor=ports.caller.name, facts=facts)
        await ports.store.audit.append(event)


async def log_chain_request(ports: Ports, chain_id: int, request: Mapping[str, Any]) -> None:
    """Write that a method of the chain that changes something was asked for, before it is handed on."""
    if not ports.caller.is_anonymous:
        await log_event(ports, EventKind.CHAIN_REQUESTED, **chain_facts(request, chain_id))


async def log_call_sent(ports: Ports, record: CallRecord, session: SessionId | None = None) -> None:
    """That a call was sent, unless the log has it: sending again writes what a lost answer has left out."""
    if record.is_noted or ports.caller.is_anonymous:
        return
    facts = {"account": record.sender.hex0x(), "chainId": record.chain_id, "hash": record.hash.hex0x()}
    if session is not None:
        facts["sessionId"] = session.hex0x()
    await log_event(ports, EventKind.CALL_SENT, **facts)
    await ports.store.calls.settle(replace(record, is_noted=True))
