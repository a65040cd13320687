"""`GET /v1/organizations/{orgId}/created-sessions`: `wallet_listSessions` over REST."""

from __future__ import annotations

from typing import Annotated

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.domain.cursor import PlaceCursor
from wallet_rpc.domain.decimal_text import DecimalText
from wallet_rpc.domain.serialized_grant import SAFE_INTEGER
from wallet_rpc.domain.session_state import SessionStatus
from wallet_rpc.errors import LimitExceeded, UnreadableAnswer, UnsupportedChain
from wallet_rpc.operations import list_sessions
from wallet_rpc.operations.list_sessions import MAX_SESSIONS_PER_PAGE, ListSessions, SessionOverviews
from wallet_rpc.operations.operation import ErrorFormat, Operation, RestRoute
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import ChainId
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.org_sessions import CREATED_SESSIONS_PATH, EvmAddress
from wallet_rpc.services.session_tags import Tag
from wallet_rpc.wire import shape


@shape
class ListCreatedSessions:
    """Filters of the list, and the page to return."""

    account: EvmAddress | None = None
    """Only sessions of this account."""
    key: EvmAddress | None = None
    """Only sessions that were granted to this key."""
    chain_id: Annotated[int, DecimalText(1, SAFE_INTEGER)] | None = None
    """Only sessions on this chain."""
    state: SessionStatus | None = None
    """Only sessions in this state."""
    tag: Tag | None = None
    """Only sessions with this tag."""
    limit: Annotated[int, DecimalText(1, MAX_SESSIONS_PER_PAGE, reason="pagination")] = 20
    """Maximum number of sessions on the page."""
    cursor: Annotated[bytes, PlaceCursor(24)] | None = None
    """Cursor of the previous page."""


async def run(ports: Ports, request: ListCreatedSessions) -> SessionOverviews:
    """Return one page of the sessions that the organisation created."""
    if request.chain_id is not None:
        chain_of(ports, ChainId(request.chain_id), at="chainId")
    return await list_sessions.run(
        ports,
        ListSessions(
            account=request.account,
            key=request.key,
            chain_id=request.chain_id,
            state=request.state,
            tag=request.tag,
            limit=request.limit,
            cursor=request.cursor,
        ),
    )


OPERATION: Operation[Ports, ListCreatedSessions, SessionOverviews] = Operation(
    "listCreatedSessions",
    ListCreatedSessions,
    SessionOverviews,
    run,
    "List the sessions that the organisation created, registered or not, with their state and remaining limits.",
    (LimitExceeded, UnreadableAnswer, UnsupportedChain),
    need=READ_ACCESS,
    is_long=lambda page: len(page.sessions) > 1,
    rest=RestRoute(verb="GET", paths=(CREATED_SESSIONS_PATH,), error_format=ErrorFormat.ORGANIZATION),
    description="The result is that of `wallet_listSessions`: chain ids and amounts in hex, times in Unix seconds.",
)
