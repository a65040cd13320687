"""`DELETE /v1/organizations/{orgId}/sessions/{id}`: revoke a session, or all sessions of a group, on this server.

Write order: first the revocation that is enforced, then the audit log, then the status that REST reports. After a crash
in between, sessions are rejected although REST reports them as active; repeating the request completes the revocation.
The log may then have an entry twice, but never none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.event import Event, EventType
from wallet_rpc.domain.session_group import Install, SessionGroup, Status, combine_status
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.domain.times import Time
from wallet_rpc.errors import Conflict, NotFound
from wallet_rpc.operations.operation import ErrorFormat, Operation, RestRoute
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import EntityId, SessionId, UnixSeconds
from wallet_rpc.services.audit_log import log_event
from wallet_rpc.services.events import ANOTHER_ORGANIZATION, publishing, share_event
from wallet_rpc.services.org_sessions import SESSION_PATH, AnyId, ChainNumber, OneSession, find_sessions, read_status
from wallet_rpc.wire import shape


@shape
class RevokedSession:
    """One session that was revoked with its group."""

    id: SessionId
    """Id of the session: 0x and 32 hex digits."""
    chain_id: ChainNumber
    """Chain of the session, as a JSON number."""
    revoked_at: Time
    """Time of the revocation, as RFC 3339 text in UTC."""


@shape
class RevokedSessions:
    """The revoked session or group and the time; for a group also the sessions that this request revoked."""

    id: AnyId
    """Id of the session or the group in the path."""
    revoked_at: Time
    """Time of the revocation, as RFC 3339 text in UTC."""
    sessions: tuple[RevokedSession, ...] | None = None
    """Sessions that this request revoked; only for a group."""


async def run(ports: Ports, request: OneSession) -> RevokedSessions:
    """Revoke the active sessions; of several concurrent requests, only one reports a session as revoked by it."""
    now = ports.clock.now()
    group, installs = await find_sessions(ports, request.id)
    active = [install for install in installs if read_status(ports, install) is Status.ACTIVE]
    if not active:
        raise _build_ended_error(combine_status(read_status(ports, install) for install in installs))
    events = [_describe_revocation(group, each, at=now) for each in active]
    elsewhere = [
        one
        for each, event in zip(active, events, strict=True)
        for one in await share_event(ports, _refer_to(group, each), event, by=ANOTHER_ORGANIZATION)
    ]
    async with publishing(ports, *events, elsewhere=elsewhere):
        results = await _revoke(ports, group, active, at=now)
    revoked = tuple(
        RevokedSession(id=each.session_id, chain_id=each.chain_id, revoked_at=now)
        for each, is_first in zip(active, results, strict=True)
        if is_first
    )
    if not revoked:
        raise _build_ended_error(Status.REVOKED)
    group_sessions = None if isinstance(request.id, SessionId) else revoked
    return RevokedSessions(id=request.id, revoked_at=now, sessions=group_sessions)


async def _revoke(ports: Ports, group: SessionGroup, active: Sequence[Install], *, at: UnixSeconds) -> list[bool]:
    """Revoke sessions of a group, and return for each if this request was the first to do so."""
    sessions = ports.store.sessions
    await asyncio.gather(*(sessions.revoke(group.account, each.chain_id, each.entity_id) for each in active))
    logged = [{"id": each.session_id.hex0x(), "chainId": each.chain_id} for each in active]
    await log_event(ports, EventKind.GRANT_REVOKED, groupId=group.id, account=group.account.hex0x(), sessions=logged)
    return await asyncio.gather(*(ports.store.groups.revoke(group.id, each.session_id, at=at) for each in active))


def _describe_revocation(group: SessionGroup, install: Install, *, at: UnixSeconds) -> Event:
    return Event(
        type=EventType.SESSION_REVOKED,
        time=at,
        account=group.account,
        chain_id=install.chain_id,
        session_id=install.session_id,
        data={"groupId": group.id},
    )


def _refer_to(group: SessionGroup, install: Install) -> SessionReference:
    return SessionReference(account=group.account, chain_id=install.chain_id, entity_id=EntityId(install.entity_id))


def _build_ended_error(status: Status) -> Conflict:
    """Build the error for a session or group that is already expired or revoked."""
    if status is Status.EXPIRED:
        return Conflict("session already expired", reason="session_already_expired")
    return Conflict("session already revoked", reason="session_already_revoked")


OPERATION: Operation[Ports, OneSession, RevokedSessions] = Operation(
    "revokeOrganizationSession",
    OneSession,
    RevokedSessions,
    run,
    "Revoke one session of the organisation, or all sessions of one group; this server rejects them from then on.",
    (NotFound, Conflict),
    rest=RestRoute(verb="DELETE", paths=(SESSION_PATH,), error_format=ErrorFormat.ORGANIZATION, statuses=(404, 409)),
    description=(
        "A revocation is permanent and applies to every form in which a request can name the session. It does not "
        "change the chain: to end a session everywhere, the owner uninstalls it."
    ),
)
