"""`GET /v1/organizations/{orgId}/sessions/{id}`: one session or one group of sessions, revoked and expired ones too."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeAlias, cast

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.domain.session_group import GroupedSession, Status, combine_status
from wallet_rpc.domain.times import Time
from wallet_rpc.errors import NotFound
from wallet_rpc.operations.operation import ErrorFormat, Operation, RestRoute
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, SessionId
from wallet_rpc.services.org_sessions import (
    SESSION_PATH,
    OneSession,
    Policies,
    RegisteredSessions,
    SessionItem,
    build_registered_sessions,
    build_session_item,
    find_sessions,
    read_status,
)
from wallet_rpc.wire import shape


@shape
class SessionDetails(SessionItem):
    """One session and its status."""

    account: Address
    """Account that granted the session."""
    status: Status
    """`active`, `expired` or `revoked`; a revocation precedes an expiry."""
    revoked_at: Time | None = None
    """Time of the revocation, as RFC 3339 text in UTC."""


@shape
class GroupDetails(RegisteredSessions):
    """One group and its status; it expires with the last of its sessions."""

    policies: Policies
    """Description of the permissions, as it was registered."""
    workflow_id: str | None = None
    """Label that the group was registered with."""
    status: Status
    """`active` while one of its sessions is; else `revoked` or `expired`."""
    expires_at: Time
    """Time from which all sessions are rejected, as RFC 3339 text in UTC."""


FoundSessions: TypeAlias = SessionDetails | GroupDetails
"""The details of a session, or of a group, by the kind of the id."""


async def run(ports: Ports, request: OneSession) -> FoundSessions:
    """Return the session or group. The owner's signatures are never part of a response."""
    group, installs = await find_sessions(ports, request.id)
    status = combine_status(read_status(ports, install) for install in installs)
    if isinstance(request.id, SessionId):
        (install,) = installs
        return SessionDetails(
            **_read_fields(build_session_item(GroupedSession(group=group, install=install))),
            account=group.account,
            status=status,
            revoked_at=install.revoked_at,
        )
    return GroupDetails(
        **_read_fields(build_registered_sessions(group)),
        policies=group.policies,
        workflow_id=group.workflow_id,
        status=status,
        expires_at=max(install.expires_at for install in installs),
    )


def _read_fields(item: Any) -> dict[str, Any]:
    """Return the fields of a list item or a registration; the details repeat them."""
    return {field.name: getattr(item, field.name) for field in fields(item)}


OPERATION: Operation[Ports, OneSession, FoundSessions] = Operation(
    "getOrganizationSession",
    OneSession,
    cast("Any", FoundSessions),
    run,
    "Get one session of the organisation, or one group of sessions, including revoked and expired ones.",
    (NotFound,),
    need=READ_ACCESS,
    rest=RestRoute(verb="GET", paths=(SESSION_PATH,), error_format=ErrorFormat.ORGANIZATION, statuses=(404,)),
    description=(
        "The id in the path decides between the details of one session and those of a group. The owner's signatures "
        "are never part of a response."
    ),
)
