"""`wallet_stopSessions`: the kill switch: stop all sessions of an organisation, an account, a key or a tag."""

from __future__ import annotations

from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.event import EventType
from wallet_rpc.domain.nonce import OWNER_ENTITY
from wallet_rpc.domain.session_change import ChangeAction, SessionChange
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.domain.session_stop import OWNER, ScopeKind, StopMode, StopRecord, StopScope
from wallet_rpc.errors import Conflict, Forbidden, InvalidParams, LimitExceeded, SignatureInvalid, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address, ChainId, Data
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.audit_log import log_event
from wallet_rpc.services.events import publishing, share_event
from wallet_rpc.services.kill_switches import (
    SWITCH_REASONS,
    ListedStop,
    ScopeSelector,
    describe_stop,
    describe_stop_event,
    set_switch,
)
from wallet_rpc.services.owner_consent import CONSENT_REASONS, OwnerSignature, require_consent
from wallet_rpc.services.session_changes import require_key
from wallet_rpc.services.stopped_calls import CallInFlight, stop_open_calls
from wallet_rpc.wire import shape, strict_shape


@strict_shape
class StopSessions:
    """The sessions to stop, and how; with the owner's signature, all sessions of the owner's account on one chain."""

    scope: ScopeSelector
    """Sessions to stop."""
    mode: StopMode = StopMode.PAUSE
    """`pause` can be resumed; `revoke` is final, also for sessions that get into the scope later."""
    chain_id: ChainId | None = None
    """Chain of the account, with `ownerSignature` only."""
    owner_signature: OwnerSignature | None = None
    """Signature of `pauseAccount` or `revokeAccount` by the account's owner; it binds every organisation."""


@shape
class StoppedSessions:
    """The kill switch, and the calls of the caller's organisation at that moment."""

    stop: ListedStop
    """Kill switch as it is stored."""
    in_flight: tuple[CallInFlight, ...] = ()
    """Calls that were handed over before, and may still be included."""
    stopped: tuple[Data, ...] = ()
    """Ids of calls that were accepted, not handed over yet, and are now rejected."""


async def run(ports: Ports, request: StopSessions) -> StoppedSessions:
    """Set the kill switch, then stop and list the calls of its sessions."""
    scope = request.scope.to_scope()
    if request.owner_signature is not None:
        return await _stop_as_owner(ports, request, scope, request.owner_signature)
    require_key(ports)
    refuse_chain(request.chain_id)
    stop, calls = await set_switch(ports, scope, request.mode, by=ports.caller.holder_digest)
    return StoppedSessions(stop=stop, in_flight=calls.in_flight, stopped=calls.stopped)


async def _stop_as_owner(
    ports: Ports, request: StopSessions, scope: StopScope, given: OwnerSignature
) -> StoppedSessions:
    chain, reference = read_owned_scope(ports, scope, request.chain_id)
    is_pause = request.mode is StopMode.PAUSE
    action = ChangeAction.PAUSE_ACCOUNT if is_pause else ChangeAction.REVOKE_ACCOUNT
    await require_account_consent(ports, chain, reference, action, given)
    record = StopRecord(mode=request.mode, at=ports.clock.now(), by=OWNER)
    stops = ports.store.stops
    event = describe_stop_event(ports, EventType.STOP_SET, scope, request.mode, by_owner_on=chain.chain_id)
    async with publishing(ports, event, elsewhere=await share_event(ports, reference, event, **event.data)):
        await (stops.pause(reference, OWNER, record) if is_pause else stops.revoke(reference))
    facts = {"scope": scope.name, "mode": request.mode.value, "chainId": chain.chain_id, "by": OWNER}
    await log_event(ports, EventKind.STOP_SET, **facts)
    opened = await stops.open_calls(account=reference.account)
    calls = await stop_open_calls(ports, tuple(call for call in opened if call[0].chain_id == chain.chain_id))
    stop = describe_stop(scope, record, by_owner_on=chain.chain_id)
    return StoppedSessions(stop=stop, in_flight=calls.in_flight, stopped=calls.stopped)


def refuse_chain(chain_id: ChainId | None) -> None:
    """Raise InvalidParams (stop_scope) for the chain of a kill switch that the organisation sets."""
    if chain_id is not None:
        raise InvalidParams(
            f"expected with ownerSignature only, got {chain_id:#x} without one; leave it out, since an organisation's "
            "kill switch holds on every chain",
            field="params.chainId",
            reason="stop_scope",
        )


def read_owned_scope(ports: Ports, scope: StopScope, chain_id: ChainId | None) -> tuple[ChainPorts, SessionReference]:
    """Return chain and account of an owner's change. Raises: InvalidParams (stop_scope); UnsupportedChain."""
    if scope.kind is not ScopeKind.ACCOUNT or chain_id is None:
        is_account = scope.kind is ScopeKind.ACCOUNT
        got = "no chainId" if is_account else f"the scope {scope.kind}"
        raise InvalidParams(
            f"expected scope.account and chainId with the signature of the account's owner, got {got}",
            field="params.chainId" if is_account else "params.scope",
            reason="stop_scope",
        )
    reference = SessionReference(account=Address.parse(scope.value), chain_id=chain_id, entity_id=OWNER_ENTITY)
    return chain_of(ports, chain_id), reference


async def require_account_consent(
    ports: Ports, chain: ChainPorts, reference: SessionReference, action: ChangeAction, given: OwnerSignature
) -> None:
    """Check that the account's owner signed a change of all its sessions. Raises: as `require_consent`."""
    change = SessionChange(
        action=action, account=reference.account, chain_id=reference.chain_id, entity_id=OWNER_ENTITY
    )
    await require_consent(ports, chain, given, change)


OPERATION: Operation[Ports, StopSessions, StoppedSessions] = Operation(
    "wallet_stopSessions",
    StopSessions,
    StoppedSessions,
    run,
    "Stop all sessions of the organisation, an account, a key or a tag with one call, at once and on every replica.",
    (Conflict, Forbidden, LimitExceeded, SignatureInvalid, UnsupportedChain),
    reasons=(
        *SWITCH_REASONS,
        *CONSENT_REASONS,
        "owner_signature_required",
        "stop_is_final",
        "too_many_stops",
        "not_an_account",
        "signature_malformed",
    ),
    description=(
        "A kill switch binds the sessions that the organisation controls, for every caller, and every call through "
        "this organisation. It also holds for sessions that are created later. The owner's signature stops all "
        "sessions of an account on a chain, for every organisation. The owner's own calls always pass."
    ),
)
