"""`wallet_resumeSessions`: remove a kill switch that pauses."""

from __future__ import annotations

from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.event import EventType
from wallet_rpc.domain.session_change import ChangeAction
from wallet_rpc.domain.session_stop import OWNER, StopMode, StopRecord
from wallet_rpc.errors import Conflict, Forbidden, NotFound, SignatureInvalid, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.operations.stop_sessions import read_owned_scope, refuse_chain, require_account_consent
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import ChainId
from wallet_rpc.services.audit_log import log_event
from wallet_rpc.services.events import publishing, share_event
from wallet_rpc.services.kill_switches import (
    SWITCH_REASONS,
    ListedStop,
    ScopeSelector,
    describe_stop,
    describe_stop_event,
    remove_switch,
)
from wallet_rpc.services.owner_consent import CONSENT_REASONS, OwnerSignature
from wallet_rpc.services.session_changes import require_key
from wallet_rpc.wire import shape, strict_shape


@strict_shape
class ResumeSessions:
    """The sessions that a kill switch paused."""

    scope: ScopeSelector
    """Scope of the kill switch, as it was set."""
    chain_id: ChainId | None = None
    """Chain of the account, with `ownerSignature` only."""
    owner_signature: OwnerSignature | None = None
    """Signature of `resumeAccount` by the account's owner, who paused all sessions of the account."""


@shape
class ResumedSessions:
    """The kill switch that was removed."""

    removed: ListedStop
    """Kill switch as it was stored; sessions may still be stopped by another one, or by a pause of their own."""


async def run(ports: Ports, request: ResumeSessions) -> ResumedSessions:
    """Remove the kill switch."""
    scope = request.scope.to_scope()
    if request.owner_signature is None:
        require_key(ports)
        refuse_chain(request.chain_id)
        return ResumedSessions(removed=await remove_switch(ports, scope))
    chain, reference = read_owned_scope(ports, scope, request.chain_id)
    await require_account_consent(ports, chain, reference, ChangeAction.RESUME_ACCOUNT, request.owner_signature)
    event = describe_stop_event(ports, EventType.STOP_REMOVED, scope, StopMode.PAUSE, by_owner_on=chain.chain_id)
    async with publishing(ports, event, elsewhere=await share_event(ports, reference, event, **event.data)):
        await ports.store.stops.resume(reference, OWNER)
    await log_event(ports, EventKind.STOP_REMOVED, scope=scope.name, chainId=chain.chain_id, by=OWNER)
    removed = StopRecord(mode=StopMode.PAUSE, at=ports.clock.now(), by=OWNER)
    return ResumedSessions(removed=describe_stop(scope, removed, by_owner_on=chain.chain_id))


OPERATION: Operation[Ports, ResumeSessions, ResumedSessions] = Operation(
    "wallet_resumeSessions",
    ResumeSessions,
    ResumedSessions,
    run,
    "Remove a kill switch that pauses; one that revokes is final.",
    (Conflict, Forbidden, NotFound, SignatureInvalid, UnsupportedChain),
    reasons=(
        *SWITCH_REASONS,
        *CONSENT_REASONS,
        "owner_signature_required",
        "stop_is_final",
        "stop_not_found",
        "not_an_account",
        "signature_malformed",
    ),
    description=(
        "The sessions of its scope are accepted again, unless another stop holds for them. Calls that the kill switch "
        "rejected are not sent again."
    ),
)
