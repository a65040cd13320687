"""`GET /v1/organizations/{orgId}/sessions/{id}`: one session, or one group of them, also when it is over."""

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
)
from wallet_rpc.wire import shape


@shape
class SessionDetails(SessionItem):
    """One session and how it stands."""

    account: Address
    status: Status
    revoked_at: Time | None = None


@shape
class GroupDetails(RegisteredSessions):
    """One group and how it stands; it ends with the last of its sessions."""

    policies: Policies
    workflow_id: str | None = None
    status: Status
    expires_at: Time


FoundSessions: TypeAlias = SessionDetails | GroupDetails
"""What an id may name."""


async def run(ports: Ports, request: OneSession) -> FoundSessions:
    """The signed grants are told to nobody."""
    now = ports.clock.now()
    group, installs = await find_sessions(ports, request.id)
    if isinstance(request.id, SessionId):
        (install,) = installs
        return SessionDetails(
            **_read_fields(build_session_item(GroupedSession(group=group, install=install))),
            account=group.account,
            status=combine_status(installs, now),
            revoked_at=install.revoked_at,
        )
    return GroupDetails(
        **_read_fields(build_registered_sessions(group)),
        policies=group.policies,
        workflow_id=group.workflow_id,
        status=combine_status(installs, now),
        expires_at=max(install.expires_at for install in installs),
    )


def _read_fields(answer: Any) -> dict[str, Any]:
    """The fields of what lists and registrations tell, which is told here too."""
    return {field.name: getattr(answer, field.name) for field in fields(answer)}


OPERATION: Operation[Ports, OneSession, FoundSessions] = Operation(
    "getOrganizationSession",
    OneSession,
    cast("Any", FoundSessions),
    run,
    "Get one session of the organisation, or one group of sessions, also a revoked or expired one.",
    (NotFound,),
    need=READ_ACCESS,
    rest=RestRoute(verb="GET", paths=(SESSION_PATH,), error_format=ErrorFormat.ORGANIZATION, statuses=(404,)),
)
