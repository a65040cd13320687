"""Calls that wait for an approval: how they begin to wait, and how their wait ends without one.

A waiting call is stored like any other, in the state accepted, in which no worker delivers it. It waits until a time on
its chain. Its amounts stay reserved. The list of waiting calls is written first, and an entry counts only if the call's
record waits.
"""

from __future__ import annotations

from dataclasses import replace

from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.call_state import CallState, Evidence
from wallet_rpc.domain.event import Event, EventType
from wallet_rpc.domain.prepared import format_call_id
from wallet_rpc.errors import RuleDenied, WalletError
from wallet_rpc.ports import Ports
from wallet_rpc.ports.approvals import place_of
from wallet_rpc.services.audit_log import log_event
from wallet_rpc.services.call_failures import store_error
from wallet_rpc.services.call_records import change_record, new_lease
from wallet_rpc.services.events import publish
from wallet_rpc.services.session_rules import RequiredApproval


def begin_waiting(ports: Ports, call: CallRecord, wait: RequiredApproval) -> CallRecord:
    """Return a call that no bundler can have as one that waits, at most as long as it is valid."""
    end = ports.now_on(call.chain_id) + wait.seconds
    until = min(end, call.valid_until) if call.valid_until else end
    look_at = ports.look_at(call.chain_id, until)
    return replace(call, state=CallState.ACCEPTED, waits_until=until, lease_until=look_at, lease=new_lease(ports))


async def announce_waiting(ports: Ports, call: CallRecord) -> None:
    """Publish that a stored call waits, and log it."""
    await publish(ports, describe_approval(ports, call, EventType.APPROVAL_REQUESTED, expiresAt=call.waits_until))
    await log_event(ports, EventKind.APPROVAL_REQUESTED, callId=format_call_id(call.chain_id, call.hash).hex0x())


async def expire_waiting(ports: Ports, call: CallRecord) -> CallRecord:
    """End the wait of a call that was not approved in time, and return its record."""
    text = f"the call waited for an approval until {call.waits_until} and got none; prepare the calls again"
    error, mark = store_error(RuleDenied(text, reason="approval_expired")), new_lease(ports)

    def expire(one: CallRecord) -> CallRecord:
        is_over = one.is_waiting and one.waits_until <= ports.now_on(one.chain_id)
        return one.after(Evidence.WAIT_EXPIRED, error=error, waits_until=0, lease=mark) if is_over else one

    expired = await change_record(ports, call, expire)
    if expired.lease == mark:  # else another process ended the wait
        await publish(ports, describe_approval(ports, expired, EventType.APPROVAL_EXPIRED))
        await ports.store.approvals.remove([place_of(expired)])
    return expired


async def end_waiting(ports: Ports, call: CallRecord, error: WalletError) -> tuple[CallRecord, bool]:
    """End the wait of a call with an error; it is never delivered.

    Return the record that is stored then, and False if the call had ceased to wait before.
    """
    stored_error, mark = store_error(error), new_lease(ports)

    def stop(one: CallRecord) -> CallRecord:
        if not one.is_waiting:
            return one
        return one.after(Evidence.STOPPED, error=stored_error, waits_until=0, lease=mark)

    ended = await change_record(ports, call, stop)
    await ports.store.approvals.remove([place_of(ended)])
    return ended, ended.lease == mark


def describe_approval(ports: Ports, call: CallRecord, kind: EventType, **facts: object) -> Event:
    """Return an event about the approval of a call."""
    return Event(
        type=kind,
        time=ports.clock.now(),
        account=call.sender,
        chain_id=call.chain_id,
        session_id=call.session_id,
        call_id=format_call_id(call.chain_id, call.hash),
        data=facts,
    )
