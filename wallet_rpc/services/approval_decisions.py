"""Decisions on calls that wait for an approval: approve, reject, and the page of those that wait.

An organisation's API key decides on the calls that were sent through the organisation; the account's owner decides by
a signature. Of several decisions, the first one that is stored counts.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.call_state import Evidence
from wallet_rpc.domain.event import EventType
from wallet_rpc.domain.nonce import OWNER_ENTITY, session_entity
from wallet_rpc.domain.prepared import format_call_id, parse_call_id
from wallet_rpc.domain.session_change import ChangeAction, SessionChange
from wallet_rpc.domain.session_stop import OWNER
from wallet_rpc.errors import Conflict, NotFound, RuleDenied, SessionEnded, SessionPaused, UnknownBundle
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.ports.approvals import place_of
from wallet_rpc.primitives import Address, Data
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.approvals import describe_approval, end_waiting
from wallet_rpc.services.audit_log import log_event
from wallet_rpc.services.call_records import DELIVERY_LEASE_SECONDS, change_record, new_lease
from wallet_rpc.services.events import publish
from wallet_rpc.services.owner_consent import OwnerSignature, require_consent
from wallet_rpc.services.session_changes import require_key
from wallet_rpc.services.session_rules import RESERVATION_SECONDS, recheck_call
from wallet_rpc.services.submission import deliver_first

_CALL_ID = "params.callId"
"""The path of the call's id in a request."""
_EXAMINED = 10
"""Number of pages that one request reads to fill its own, since entries of calls that no longer wait are left out."""


async def approve_call(ports: Ports, call_id: Data, given: OwnerSignature | None) -> CallRecord:
    """Approve a call that waits, and deliver it as if it had been sent now; return its record.

    Raises: NotFound, Conflict (approval_ended), Forbidden; RuleDenied by a rule about the time, or one that was set
    since: the call then goes on waiting; the refusal of a call that the bundlers reject.
    """
    call, chain = await _find_waiting(ports, call_id)
    by = await _authorize(ports, chain, call, call_id, ChangeAction.APPROVE_CALLS, given)
    await recheck_call(ports, call)
    lease = new_lease(ports)
    until = ports.clock.now() + DELIVERY_LEASE_SECONDS

    def approve(one: CallRecord) -> CallRecord:
        if not one.is_waiting or one.waits_until <= ports.now_on(one.chain_id):
            return one
        begun = one.after(Evidence.ATTEMPT_BEGUN, lease=lease, lease_until=until)
        return replace(begun, waits_until=0, approved_by=by)

    await ports.store.calls.schedule(call, at=until)  # for a worker, if this process ends before the delivery
    approved = await change_record(ports, call, approve)
    if approved.lease != lease:
        raise _build_conflict(approved)
    await ports.store.approvals.remove([place_of(call)])
    await publish(ports, describe_approval(ports, approved, EventType.APPROVAL_APPROVED))
    await log_event(ports, EventKind.APPROVAL_GRANTED, callId=call_id.hex0x(), by=by)
    signed = await ports.store.calls.signed(call.chain_id, call.hash)
    if signed is None:
        return approved
    try:
        return await deliver_first(ports, chain, approved, signed)
    except (SessionEnded, SessionPaused) as error:
        raise error.with_field(_CALL_ID) from None


async def reject_call(ports: Ports, call_id: Data, given: OwnerSignature | None) -> CallRecord:
    """End the wait of a call, which is never delivered; return its record. Raises: NotFound, Conflict, Forbidden."""
    call, chain = await _find_waiting(ports, call_id)
    by = await _authorize(ports, chain, call, call_id, ChangeAction.REJECT_CALLS, given)
    error = RuleDenied("the approval of the call was rejected; prepare other calls", reason="approval_rejected")
    ended, is_first = await end_waiting(ports, call, error)
    if not is_first:
        raise _build_conflict(ended)
    await publish(ports, describe_approval(ports, ended, EventType.APPROVAL_REJECTED))
    await log_event(ports, EventKind.APPROVAL_REJECTED, callId=call_id.hex0x(), by=by)
    return ended


async def list_waiting(
    ports: Ports, *, account: Address | None, after: bytes, limit: int
) -> tuple[tuple[CallRecord, ...], bytes]:
    """Return a page of the calls that wait, oldest first, and the place from which the next page continues.

    An empty place means that no call follows. Entries of calls that ended are removed.
    """
    found: list[CallRecord] = []
    for _ in range(_EXAMINED):
        entries = await ports.store.approvals.page(after=after, limit=limit)
        ended: list[bytes] = []
        for place, chain_id, operation_hash in entries:
            after = place
            record = await ports.store.calls.get(chain_id, operation_hash)
            if record is not None and record.is_waiting:
                has_time = record.waits_until > ports.now_on(chain_id)  # else a worker is about to end its wait
                if has_time and account in {None, record.sender}:
                    found.append(record)
            elif _is_old(ports, place) if record is None else record.state.is_final:
                ended.append(place)  # the entry of a call that is about to wait stays
            if len(found) == limit:
                break
        await ports.store.approvals.remove(ended)
        if len(found) == limit:
            return tuple(found), after
        if len(entries) < limit:
            return tuple(found), b""
    return tuple(found), after


def _is_old(ports: Ports, place: bytes) -> bool:
    """Return True for the entry of a call whose record was never written."""
    return int(place.split(b":")[0]) < ports.clock.now() - RESERVATION_SECONDS


async def _find_waiting(ports: Ports, call_id: Data) -> tuple[CallRecord, ChainPorts]:
    record = None
    with suppress(UnknownBundle):
        record = await ports.store.calls.get(*parse_call_id(call_id))
    if record is None:
        raise NotFound(f"no call has the id {call_id}", field=_CALL_ID, reason="approval_not_found")
    if not record.is_waiting or record.waits_until <= ports.now_on(record.chain_id):
        raise _build_conflict(record)
    return record, chain_of(ports, record.chain_id)


async def _authorize(
    ports: Ports,
    chain: ChainPorts,
    call: CallRecord,
    call_id: Data,
    action: ChangeAction,
    given: OwnerSignature | None,
) -> str:
    """Return who decides: the digest of the API key, or the owner. Raises: Forbidden; errors of the signature."""
    if given is None:
        require_key(ports)
        return ports.caller.holder_digest
    change = SessionChange(
        action=action,
        account=call.sender,
        chain_id=call.chain_id,
        entity_id=session_entity(call.nonce) or OWNER_ENTITY,
        content=call_id.hex0x(),
    )
    await require_consent(ports, chain, given, change)
    return OWNER


def _build_conflict(call: CallRecord) -> Conflict:
    name = format_call_id(call.chain_id, call.hash)
    return Conflict(
        f"the call {name} does not wait for an approval; its state is {call.state}",
        field=_CALL_ID,
        reason="approval_ended",
        state=call.state.value,
    )
