"""Check of stops for a signed user operation: of the session that acts, and of those in its deferred action.

A deferred action names the validation that authorizes it, and may install another one. A stopped session must do
neither, whichever session's nonce the operation has.
"""

from __future__ import annotations

from dataclasses import replace

from wallet_rpc.domain.call_record import CallKind, CallRecord
from wallet_rpc.domain.nonce import OWNER_ENTITY, session_entity
from wallet_rpc.domain.raw_operation import CarriedAction, read_carried_action
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.domain.session_stop import PresentedGrant
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import SessionEnded, SessionPaused
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import EntityId, SessionId
from wallet_rpc.services.session_stops import StopCheck, check_stops


async def check_operation(
    ports: Ports,
    chain: ChainPorts,
    session: SessionReference,
    action: CarriedAction | None,
    *,
    session_id: SessionId | None = None,
) -> StopCheck:
    """Check the session of the nonce, the one that authorizes the action, and the one that the action installs."""
    grant = None if action is None or action.install is None else PresentedGrant.from_action(action.action)
    check = await check_stops(ports, chain, session, grant=grant, session_id=session_id)
    if action is None:
        return check
    installed = None if action.install is None else EntityId(action.install.entity_id)
    for entity_id in {action.authorizer, installed} - {None, OWNER_ENTITY, session.entity_id}:
        other = replace(session, entity_id=EntityId(entity_id or 0))
        found = await check_stops(ports, chain, other, grant=grant if entity_id == installed else None)
        if found.error is not None and found.stops.is_known:
            return found
    return check


async def find_call_stop(
    ports: Ports, chain: ChainPorts, call: CallRecord, operation: UserOperation | None
) -> SessionEnded | SessionPaused | None:
    """Return the error of a call of which a session is stopped; None for any other call, and for the owner's.

    `operation` is the signed operation; None for a call of another kind.
    """
    entity_id = session_entity(call.nonce) if call.kind is CallKind.USER_OPERATION else None
    if operation is None or entity_id is None or entity_id == OWNER_ENTITY:
        return None
    session = SessionReference(account=call.sender, chain_id=call.chain_id, entity_id=entity_id)
    try:
        action = read_carried_action(operation.nonce, operation.signature)
    except ValueError:
        action = None  # the account cannot read it either
    return (await check_operation(ports, chain, session, action, session_id=call.session_id)).error
