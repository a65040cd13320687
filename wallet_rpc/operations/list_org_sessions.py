"""`GET /v1/organizations/{orgId}/sessions`: the active sessions of an organisation, in pages."""

from __future__ import annotations

from typing import Annotated

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.domain.decimal_text import DecimalText
from wallet_rpc.domain.serialized_grant import SAFE_INTEGER
from wallet_rpc.domain.session_group import SessionFilter
from wallet_rpc.errors import UnsupportedChain
from wallet_rpc.operations.operation import ErrorFormat, Operation, RestRoute
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import ChainId
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.org_sessions import (
    SESSIONS_PATH,
    EvmAddress,
    Label,
    NamedGroup,
    SessionItem,
    WalletId,
    build_session_item,
)
from wallet_rpc.wire import shape

_MAX_SHORT = 10
"""The maximum number of sessions of a page that is encoded at once, which takes about a millisecond."""


@shape
class ListOrgSessions:
    """Filters of the list, and the page to return."""

    limit: Annotated[int, DecimalText(1, 100, reason="pagination")] = 20
    """Maximum number of sessions on the page."""
    offset: Annotated[int, DecimalText(0, SAFE_INTEGER, reason="pagination")] = 0
    """Number of sessions to skip."""
    wallet_id: WalletId | None = None
    """Only sessions that were registered under this wallet id."""
    chain_id: Annotated[int, DecimalText(1, SAFE_INTEGER)] | None = None
    """Only sessions on this chain."""
    session_address: EvmAddress | None = None
    """Only sessions of this key."""
    workflow_id: Label | None = None
    """Only sessions with this label."""
    session_group_id: NamedGroup | None = None
    """Only sessions of this group."""


@shape
class SessionPage:
    """One page of sessions, newest first; `hasMore` is true when more follow."""

    has_more: bool
    """True if further sessions follow this page."""
    items: tuple[SessionItem, ...]
    """Sessions of this page, the newest first."""
    limit: int
    """Maximum number of sessions, as requested."""
    offset: int
    """Number of skipped sessions, as requested."""


async def run(ports: Ports, request: ListOrgSessions) -> SessionPage:
    """Return one page; reads one session more than `limit` to compute `hasMore`."""
    if request.chain_id is not None:
        chain_of(ports, ChainId(request.chain_id), at="chainId")
    session_filter = SessionFilter(
        wallet_id=request.wallet_id,
        chain_id=request.chain_id,
        session_address=request.session_address,
        workflow_id=request.workflow_id,
        group_id=request.session_group_id,
    )
    now = ports.clock.now()
    sessions = await ports.store.groups.page(session_filter, now=now, offset=request.offset, limit=request.limit + 1)
    return SessionPage(
        has_more=len(sessions) > request.limit,
        items=tuple(build_session_item(session) for session in sessions[: request.limit]),
        limit=request.limit,
        offset=request.offset,
    )


OPERATION: Operation[Ports, ListOrgSessions, SessionPage] = Operation(
    "listOrganizationSessions",
    ListOrgSessions,
    SessionPage,
    run,
    "List the active sessions of the organisation, newest first.",
    (UnsupportedChain,),
    need=READ_ACCESS,
    is_long=lambda page: len(page.items) > _MAX_SHORT,
    rest=RestRoute(verb="GET", paths=(SESSIONS_PATH,), error_format=ErrorFormat.ORGANIZATION),
    description="The list has active sessions only, of all groups of the organisation, in pages and with filters.",
)
