"""`DELETE /v1/organizations/{orgId}/sessions/{id}`: from now on this server refuses a session, or those of a group.

The rule: first what refuses, then the log, then what REST tells. A crash between leaves sessions that are refused
though they are told to be active, and asking again completes it; at worst the log has an entry twice, never none.
"""

from __future__ import annotations

import asyncio

from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.session_group import Status, combine_status
from wallet_rpc.domain.times import Time
from wallet_rpc.errors import Conflict, NotFound
from wallet_rpc.operations.operation import ErrorFormat, Operation, RestRoute
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import SessionId
from wallet_rpc.services.audit_log import log_event
from wallet_rpc.services.org_sessions import SESSION_PATH, AnyId, ChainNumber, OneSession, find_sessions
from wallet_rpc.wire import shape


@shape
class RevokedSession:
    """One session that was revoked with its group."""

    id: SessionId
    chain_id: ChainNumber
    revoked_at: Time


@shape
class RevokedSessions:
    """What was revoked, and when; of a group those of its sessions that this request ended."""

    id: AnyId
    revoked_at: Time
    sessions: tuple[RevokedSession, ...] | None = None


async def run(ports: Ports, request: OneSession) -> RevokedSessions:
    """Of any number of requests at once, each session is revoked by one."""
    now = ports.clock.now()
    group, installs = await find_sessions(ports, request.id)
    active = [install for install in installs if install.status(now) is Status.ACTIVE]
    if not active:
        raise _build_ended_error(combine_status(installs, now))
    sessions = ports.store.sessions
    await asyncio.gather(*(sessions.revoke(group.account, each.chain_id, each.entity_id) for each in active))
    told = [{"id": each.session_id.hex0x(), "chainId": each.chain_id} for each in active]
    await log_event(ports, EventKind.GRANT_REVOKED, groupId=group.id, account=group.account.hex0x(), sessions=told)
    marked = await asyncio.gather(*(ports.store.groups.revoke(group.id, each.session_id, at=now) for each in active))
    revoked = tuple(
        RevokedSession(id=each.session_id, chain_id=each.chain_id, revoked_at=now)
        for each, is_ours in zip(active, marked, strict=True)
        if is_ours
    )
    if not revoked:
        raise _build_ended_error(Status.REVOKED)
    of_group = None if isinstance(request.id, SessionId) else revoked
    return RevokedSessions(id=request.id, revoked_at=now, sessions=of_group)


def _build_ended_error(status: Status) -> Conflict:
    """The error of revoking what is over."""
    if status is Status.EXPIRED:
        return Conflict("session already expired", reason="session_already_expired")
    return Conflict("session already revoked", reason="session_already_revoked")


OPERATION: Operation[Ports, OneSession, RevokedSessions] = Operation(
    "revokeOrganizationSession",
    OneSession,
    RevokedSessions,
    run,
    "Revoke one session of the organisation, or those of one group: this server refuses them from now on.",
    (NotFound, Conflict),
    rest=RestRoute(verb="DELETE", paths=(SESSION_PATH,), error_format=ErrorFormat.ORGANIZATION, statuses=(404, 409)),
)
