"""`wallet_revokeSession`: revoke a session here for ever, and prepare the owner's operation that removes it."""

from __future__ import annotations

from wallet_rpc.domain.account import Call
from wallet_rpc.domain.capabilities import Capabilities, RequestedCapabilities
from wallet_rpc.domain.event import Event, EventType
from wallet_rpc.domain.prepared import PreparedCalls
from wallet_rpc.domain.requested_call import to_requested_calls
from wallet_rpc.domain.session_change import ChangeAction
from wallet_rpc.domain.session_reference import NamedSession, SessionReference
from wallet_rpc.errors import (
    Forbidden,
    InvalidParams,
    NotFound,
    SignatureInvalid,
    UnsupportedCapability,
    UnsupportedChain,
    WalletError,
)
from wallet_rpc.operations import prepare_calls
from wallet_rpc.operations.operation import Operation
from wallet_rpc.operations.prepare_calls import PrepareCalls
from wallet_rpc.operations.session_stopping import STOP_REASONS, ChangeSession, SessionStopState, describe_stops
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.call_failures import CallError, build_call_error
from wallet_rpc.services.events import publish, share_event
from wallet_rpc.services.session_changes import Actor, authorize_change, revoke_session
from wallet_rpc.services.session_lookup import find_session
from wallet_rpc.services.session_removal import RemovalProof, plan_removal, read_back
from wallet_rpc.wire import shape, strict_shape

OWNER_CALL_REASONS = ("session_capability",)
"""Reasons of requests with the capabilities of the owner's call that they prepare."""


@strict_shape
class RevokeSession(ChangeSession):
    """The session to revoke, and who pays for the owner's operation that removes it on chain."""

    capabilities: RequestedCapabilities = None
    """Capabilities of the owner's operation, as in `wallet_prepareCalls`; without `permissions`."""


@shape
class SessionRevocation(SessionStopState):
    """The revoked session, what the chain shows of it, and the owner's operation that removes it there."""

    on_chain: RemovalProof | None = None
    """Proof of the removal, read back from the chain; absent while the chain does not answer."""
    removal: PreparedCalls | None = None
    """Owner's operation to sign and send, which uninstalls the session or burns its grant; absent without either."""
    removal_is_complete: bool = True
    """False if limits would stay in a module after the removal, because the session's grant is not known."""
    removal_error: CallError | None = None
    """Error because of which the operation was not prepared; the session is revoked nevertheless. Ask again later."""


async def run(ports: Ports, request: RevokeSession) -> SessionRevocation:
    """Revoke the session, stop and list its calls, then read the chain and prepare the removal."""
    refuse_permissions(request.capabilities)
    named = await find_session(ports, request)
    chain = chain_of(ports, named.reference.chain_id)
    actor = await authorize_change(ports, chain, named, ChangeAction.REVOKE, request.owner_signature)
    return await complete_revocation(ports, chain, named, actor, request.capabilities)


async def complete_revocation(
    ports: Ports, chain: ChainPorts, named: NamedSession, actor: Actor, capabilities: Capabilities | None
) -> SessionRevocation:
    """Revoke a session for a party that may do so, stop its calls, read the chain and prepare the removal."""
    await revoke_session(ports, named, actor)
    state = await describe_stops(ports, named)
    on_chain, removal, error, is_complete = None, None, None, True
    try:
        found = await read_back(chain, named)
        on_chain = found.proof
        planned = plan_removal(named, found)
        is_complete = planned.is_complete
        if on_chain.is_removed:
            await _publish_removal(ports, named)
        if planned.calls:
            removal = await prepare_owner_calls(ports, named.reference, planned.calls, capabilities)
    except WalletError as failure:
        error = build_call_error(failure)
    return SessionRevocation(
        account=state.account,
        chain_id=state.chain_id,
        entity_id=state.entity_id,
        session_id=state.session_id,
        state=state.state,
        paused_by=state.paused_by,
        in_flight=state.in_flight,
        stopped=state.stopped,
        on_chain=on_chain,
        removal=removal,
        removal_is_complete=is_complete,
        removal_error=error,
    )


def refuse_permissions(capabilities: Capabilities | None) -> None:
    """Raise InvalidParams (session_capability) for permissions: the owner signs the operation."""
    if capabilities is not None and capabilities.permissions is not None:
        raise InvalidParams(
            "expected none, because the account's owner signs this operation",
            field="params.capabilities.permissions",
            reason="session_capability",
        )


async def prepare_owner_calls(
    ports: Ports, reference: SessionReference, calls: tuple[Call, ...], capabilities: Capabilities | None
) -> PreparedCalls:
    """Prepare calls of the account's owner, as `wallet_prepareCalls` does. Raises: as that method."""
    request = PrepareCalls(
        chain_id=reference.chain_id,
        from_=reference.account,
        calls=to_requested_calls(calls),
        capabilities=capabilities,
    )
    return await prepare_calls.run(ports, request)


async def _publish_removal(ports: Ports, named: NamedSession) -> None:
    """Publish that the session is gone from the chain, to each organisation that controls it; a session has it once."""
    reference = named.reference
    event = Event(
        type=EventType.SESSION_REMOVED,
        time=ports.clock.now(),
        account=reference.account,
        chain_id=reference.chain_id,
        session_id=named.id,
        data={"entityId": int(reference.entity_id)},
    )
    await publish(ports, event, elsewhere=await share_event(ports, reference, event))


OPERATION: Operation[Ports, RevokeSession, SessionRevocation] = Operation(
    "wallet_revokeSession",
    RevokeSession,
    SessionRevocation,
    run,
    "Revoke a session for ever on this server, at once, and prepare the owner's operation that removes it on chain.",
    (Forbidden, NotFound, SignatureInvalid, UnsupportedCapability, UnsupportedChain),
    reasons=(*STOP_REASONS, *OWNER_CALL_REASONS),
    description=(
        "The organisation that controls the session may revoke it, its account's owner by a signature, and the "
        "session key by its own. The prepared operation uninstalls the session with all its hooks, or uses up the "
        "nonce of a grant that is not installed. Ask again after it is included: `onChain` then says what is proven."
    ),
)
