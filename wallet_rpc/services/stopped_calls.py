"""Calls at the moment of a stop: those not handed over yet are rejected, those handed over are listed as in flight.

The caller has written the stop before. A call whose lease was stored before that may be on its way to a bundler.
"""

from __future__ import annotations

from dataclasses import dataclass

from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.call_state import CallState
from wallet_rpc.domain.prepared import format_call_id
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.domain.session_stop import StopScope
from wallet_rpc.errors import WalletError
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.ports.stops import OpenCall
from wallet_rpc.primitives import ChainId, Data, Hash32
from wallet_rpc.services.approvals import end_waiting
from wallet_rpc.services.call_records import take_lease
from wallet_rpc.services.delivery import attempt
from wallet_rpc.services.session_stops import check_stops, is_in_scope
from wallet_rpc.wire import shape

MAX_LISTED_CALLS = 1000
"""Maximum number of calls in each list of an answer."""


@shape
class CallInFlight:
    """A call that was handed over before the stop, and may still be included."""

    id: Data
    """Call id, for `wallet_getCallsStatus`."""
    state: CallState
    """State of the call, as its status reports it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsAtStop:
    """The calls of the caller's organisation that a stop found."""

    in_flight: tuple[CallInFlight, ...]
    stopped: tuple[Data, ...]


async def stop_open_calls(ports: Ports, opened: tuple[OpenCall, ...], *, scope: StopScope | None = None) -> CallsAtStop:
    """Reject the calls of stopped sessions that no bundler can have, and list the others as in flight.

    Calls of sessions that are not stopped, on chains that are not configured, and calls that are final are left out,
    and, with the scope of a kill switch, those of sessions outside it.
    """
    in_flight: list[CallInFlight] = []
    stopped: list[Data] = []
    errors: dict[SessionReference, WalletError | None] = {}
    for session, operation_hash in opened:
        chain = ports.chains.get(session.chain_id)
        if chain is None:
            continue
        if session not in errors:
            is_listed = scope is None or await is_in_scope(ports, chain, session, scope)
            errors[session] = (await check_stops(ports, chain, session)).error if is_listed else None
        error = errors[session]
        record = None if error is None else await _find_open(ports, session.chain_id, operation_hash)
        if record is None or error is None:
            continue
        if record.is_waiting:
            record, _ = await end_waiting(ports, record, error)
        elif record.state is CallState.ACCEPTED:
            record = await _reject(ports, chain, record)
        call_id = format_call_id(record.chain_id, record.hash)
        if record.state is CallState.REJECTED:
            stopped.append(call_id)
        elif not record.state.is_final:
            in_flight.append(CallInFlight(id=call_id, state=record.state))
    return CallsAtStop(in_flight=tuple(in_flight[:MAX_LISTED_CALLS]), stopped=tuple(stopped[:MAX_LISTED_CALLS]))


async def list_open_calls(ports: Ports, session: SessionReference) -> tuple[CallInFlight, ...]:
    """Return the caller's organisation's calls of a session that are not final, oldest first."""
    found = []
    for _, operation_hash in await ports.store.stops.open_calls(session=session):
        record = await _find_open(ports, session.chain_id, operation_hash)
        if record is not None:
            found.append(CallInFlight(id=format_call_id(record.chain_id, record.hash), state=record.state))
    return tuple(found[:MAX_LISTED_CALLS])


async def _find_open(ports: Ports, chain_id: ChainId, operation_hash: Hash32) -> CallRecord | None:
    """Return the record of an open call; one that is final is no longer open."""
    record = await ports.store.calls.get(chain_id, operation_hash)
    if record is not None and record.state.is_final:
        await ports.store.stops.close_call(record)
        return None
    return record


async def _reject(ports: Ports, chain: ChainPorts, record: CallRecord) -> CallRecord:
    """Begin an attempt to deliver the call, which the stop ends; return the record that is stored then.

    A call whose lease another process has is stopped by that process, or handed over.
    """
    signed = await ports.store.calls.signed(record.chain_id, record.hash)
    leased = None if signed is None else await take_lease(ports, record)
    if leased is None or signed is None:
        return await ports.store.calls.get(record.chain_id, record.hash) or record
    stored, _ = await attempt(ports, chain, leased, signed)
    return stored
