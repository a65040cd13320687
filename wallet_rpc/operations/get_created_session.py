"""`GET /v1/organizations/{orgId}/created-sessions/{id}`: `wallet_getSession` over REST."""

from __future__ import annotations

from typing import Annotated

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.domain.cursor import PlaceCursor
from wallet_rpc.domain.decimal_text import DecimalText
from wallet_rpc.errors import LimitExceeded, NotFound, UnreadableAnswer
from wallet_rpc.operations import get_session
from wallet_rpc.operations.get_session import MAX_CALLS, GetSession, SessionReport
from wallet_rpc.operations.operation import ErrorFormat, Operation, RestRoute
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import SessionId
from wallet_rpc.services.org_sessions import CREATED_SESSION_PATH
from wallet_rpc.wire import shape


@shape
class GetCreatedSession:
    """A session that the organisation created, and the page of its calls."""

    id: SessionId
    """Id of the session: 0x and 32 hex digits."""
    calls_limit: Annotated[int, DecimalText(0, MAX_CALLS, reason="pagination")] = 20
    """Maximum number of calls in the response."""
    calls_cursor: Annotated[bytes, PlaceCursor(40)] | None = None
    """Cursor of the previous page of calls."""


async def run(ports: Ports, request: GetCreatedSession) -> SessionReport:
    """Read the session from the store and the chain."""
    return await get_session.run(
        ports,
        GetSession(session_id=request.id, calls_limit=request.calls_limit, calls_cursor=request.calls_cursor),
    )


OPERATION: Operation[Ports, GetCreatedSession, SessionReport] = Operation(
    "getCreatedSession",
    GetCreatedSession,
    SessionReport,
    run,
    "Get a session that the organisation created, with its state, its remaining limits and its calls.",
    (LimitExceeded, NotFound, UnreadableAnswer),
    need=READ_ACCESS,
    is_long=get_session.OPERATION.is_long,
    rest=RestRoute(verb="GET", paths=(CREATED_SESSION_PATH,), error_format=ErrorFormat.ORGANIZATION, statuses=(404,)),
    description="The result is that of `wallet_getSession`: chain ids and amounts in hex, times in Unix seconds.",
)
