"""`GET /v1/organizations/{orgId}/sessions/{id}`: one session, or one group of them, also when it is over."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeAlias, cast

from wallet_rpc.domain.access import READS
from wallet_rpc.domain.session_group import Listed, Status, status_of
from wallet_rpc.domain.times import Time
from wallet_rpc.errors import NotFound
from wallet_rpc.operations.operation import Dialect, Operation, Rest
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, SessionId
from wallet_rpc.services.org_sessions import (
    ONE_SESSION,
    OneSession,
    Policies,
    RegisteredSessions,
    SessionItem,
    found,
    item,
    registered,
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
    group, installs = await found(ports, request.id)
    if isinstance(request.id, SessionId):
        (install,) = installs
        return SessionDetails(
            **_values(item(Listed(group=group, install=install))),
            account=group.account,
            status=status_of(installs, now),
            revoked_at=install.revoked_at,
        )
    return GroupDetails(
        **_values(registered(group)),
        policies=group.policies,
        workflow_id=group.workflow_id,
        status=status_of(installs, now),
        expires_at=max(install.expires_at for install in installs),
    )


def _values(told: Any) -> dict[str, Any]:
    """The fields of what lists and registrations tell, which is told here too."""
    return {field.name: getattr(told, field.name) for field in fields(told)}


OPERATION: Operation[Ports, OneSession, FoundSessions] = Operation(
    "getOrganizationSession",
    OneSession,
    cast("Any", FoundSessions),
    run,
    "Get one session of the organisation, or one group of sessions, also a revoked or expired one.",
    (NotFound,),
    need=READS,
    rest=Rest(verb="GET", paths=(ONE_SESSION,), dialect=Dialect.ORGANIZATION, statuses=(404,)),
)
