"""`POST /v1/organizations/{orgId}/sessions/{id}/pause` and `…/resume`: pause or resume a session, or all of a group."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from wallet_rpc.domain.session_reference import NamedSession, SessionReference
from wallet_rpc.domain.session_stop import SessionStops
from wallet_rpc.errors import Conflict, NotFound, SessionEnded
from wallet_rpc.operations.operation import ErrorFormat, Operation, RestRoute
from wallet_rpc.operations.session_stopping import name_state
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Data, EntityId, SessionId
from wallet_rpc.services.org_sessions import SESSION_PATH, AnyId, ChainNumber, OneSession, find_sessions
from wallet_rpc.services.session_changes import Actor, list_pausers, pause_session, require_key, resume_session
from wallet_rpc.services.stopped_calls import CallInFlight, stop_open_calls
from wallet_rpc.wire import shape


@shape
class StoppedOrgSession:
    """One session, as this server enforces it."""

    id: SessionId
    """Id of the session: 0x and 32 hex digits."""
    chain_id: ChainNumber
    """Chain of the session, as a JSON number."""
    state: str
    """`active`, `paused` or `revoked`."""
    paused_by: tuple[str, ...] = ()
    """Parties that paused the session: `owner`, `organization` for the caller's own, or `another organization`."""


@shape
class StoppedOrgSessions:
    """The sessions after the change, and their calls at that moment."""

    id: AnyId
    """Id of the session or the group in the path."""
    sessions: tuple[StoppedOrgSession, ...]
    """Sessions that the id names."""
    in_flight: tuple[CallInFlight, ...] = ()
    """Calls that were handed over before, and may still be included."""
    stopped: tuple[Data, ...] = ()
    """Ids of calls that were accepted, not handed over yet, and are now rejected."""


async def run(
    change: Callable[[Ports, NamedSession, Actor], Awaitable[None]], ports: Ports, request: OneSession
) -> StoppedOrgSessions:
    """Make the change for each session of the id that is not revoked. Raises: Conflict if all are."""
    require_key(ports)
    group, installs = await find_sessions(ports, request.id)
    actor = Actor(ports.store.stops.organization, ports.caller.holder_digest)
    found, changed = [], 0
    for install in installs:
        reference = SessionReference(
            account=group.account, chain_id=install.chain_id, entity_id=EntityId(install.entity_id)
        )
        try:
            await change(ports, NamedSession(reference=reference, id=install.session_id), actor)
            changed += 1
        except SessionEnded:
            pass
        found.append((install, reference, await ports.store.stops.read(reference)))
    if changed == 0:
        raise Conflict("session already revoked", reason="session_already_revoked")
    opened = [call for _, each, _ in found for call in await ports.store.stops.open_calls(session=each)]
    calls = await stop_open_calls(ports, tuple(opened))
    return StoppedOrgSessions(
        id=request.id,
        sessions=tuple(_describe(ports, install.session_id, install.chain_id, stops) for install, _, stops in found),
        in_flight=calls.in_flight,
        stopped=calls.stopped,
    )


def _describe(ports: Ports, session_id: SessionId, chain_id: int, stops: SessionStops) -> StoppedOrgSession:
    return StoppedOrgSession(
        id=session_id, chain_id=chain_id, state=name_state(stops), paused_by=list_pausers(ports, stops)
    )


PAUSE: Operation[Ports, OneSession, StoppedOrgSessions] = Operation(
    "pauseOrganizationSession",
    OneSession,
    StoppedOrgSessions,
    partial(run, pause_session),
    "Pause one session of the organisation, or all sessions of one group, at once and on every replica.",
    (NotFound, Conflict),
    rest=RestRoute(
        verb="POST",
        paths=(f"{SESSION_PATH}/pause",),
        error_format=ErrorFormat.ORGANIZATION,
        statuses=(404, 409),
    ),
    description="Does what wallet_pauseSession does, for sessions that the organisation has registered.",
)
RESUME: Operation[Ports, OneSession, StoppedOrgSessions] = Operation(
    "resumeOrganizationSession",
    OneSession,
    StoppedOrgSessions,
    partial(run, resume_session),
    "Resume one paused session of the organisation, or all sessions of one group.",
    (NotFound, Conflict),
    rest=RestRoute(
        verb="POST",
        paths=(f"{SESSION_PATH}/resume",),
        error_format=ErrorFormat.ORGANIZATION,
        statuses=(404, 409),
    ),
    description="Does what wallet_resumeSession does, for sessions that the organisation has registered.",
)
OPERATIONS = (PAUSE, RESUME)
"""The operations of these paths."""
