"""Progress of a sent call: examine it, and store what the evidence changes."""

from __future__ import annotations

from dataclasses import dataclass

from wallet_rpc.domain.call_record import CallKind, CallRecord
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.services.call_records import change_record
from wallet_rpc.services.delegation_removal import examine_removal
from wallet_rpc.services.witnesses import Examination, examine


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A call's stored record after an examination, and the examination."""

    record: CallRecord
    examination: Examination


async def observe_call(ports: Ports, chain: ChainPorts, record: CallRecord) -> Progress:
    """Examine a call unless it is final, and store its new state. Raises: Unavailable without the node or the store."""
    if record.state.is_final:
        return Progress(record=record, examination=Examination())
    if record.kind is CallKind.DELEGATION:
        examination = await examine_removal(ports, chain, record)
    else:
        examination = await examine(chain, record)
    return Progress(record=await change_record(ports, record, examination.change), examination=examination)
