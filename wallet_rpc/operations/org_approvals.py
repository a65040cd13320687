"""`/v1/organizations/{orgId}/approvals`: the calls that wait for an approval, and decisions on them, over REST."""

from __future__ import annotations

from typing import Annotated

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.domain.decimal_text import DecimalText
from wallet_rpc.domain.prepared import NestedCallId
from wallet_rpc.errors import Conflict, NotFound
from wallet_rpc.operations import approve_calls, list_approvals, reject_calls
from wallet_rpc.operations.approve_calls import DecideCalls, DecidedCalls
from wallet_rpc.operations.list_approvals import MAX_APPROVALS, ApprovalCursor, ApprovalsPage, ListApprovals
from wallet_rpc.operations.operation import ErrorFormat, Operation, RestRoute
from wallet_rpc.ports import Ports
from wallet_rpc.services.org_sessions import EvmAddress
from wallet_rpc.wire import shape

APPROVALS_PATH = "/v1/organizations/{orgId}/approvals"
"""The path of the calls that wait for an approval."""


@shape
class ListOrgApprovals:
    """The account whose calls are listed, and the page to return."""

    account: EvmAddress | None = None
    """Only calls of this account."""
    limit: Annotated[int, DecimalText(1, MAX_APPROVALS, reason="pagination")] = MAX_APPROVALS
    """Maximum number of calls on the page, which may have fewer also if others follow."""
    cursor: ApprovalCursor | None = None
    """Cursor of the previous page."""


@shape
class DecideOrgCalls:
    """The calls that wait."""

    call_id: NestedCallId
    """Call id of the list: 0x and 128 hex digits."""


async def _list(ports: Ports, request: ListOrgApprovals) -> ApprovalsPage:
    page = ListApprovals(account=request.account, limit=request.limit, cursor=request.cursor)
    return await list_approvals.run(ports, page)


async def _approve(ports: Ports, request: DecideOrgCalls) -> DecidedCalls:
    return await approve_calls.run(ports, DecideCalls(call_id=request.call_id))


async def _reject(ports: Ports, request: DecideOrgCalls) -> DecidedCalls:
    return await reject_calls.run(ports, DecideCalls(call_id=request.call_id))


def _route(decision: str) -> RestRoute:
    return RestRoute(
        verb="POST",
        paths=(f"{APPROVALS_PATH}/{{callId}}/{decision}",),
        error_format=ErrorFormat.ORGANIZATION,
        statuses=(404, 409),
    )


APPROVALS: Operation[Ports, ListOrgApprovals, ApprovalsPage] = Operation(
    "listOrganizationApprovals",
    ListOrgApprovals,
    ApprovalsPage,
    _list,
    "List the calls of the organisation that wait for an approval, oldest first.",
    need=READ_ACCESS,
    is_long=list_approvals.OPERATION.is_long,
    rest=RestRoute(verb="GET", paths=(APPROVALS_PATH,), error_format=ErrorFormat.ORGANIZATION),
    description="The result is that of `wallet_listApprovals`: chain ids and amounts in hex, times in Unix seconds.",
)
APPROVE: Operation[Ports, DecideOrgCalls, DecidedCalls] = Operation(
    "approveOrganizationCalls",
    DecideOrgCalls,
    DecidedCalls,
    _approve,
    "Approve calls that wait for an approval, and deliver them.",
    approve_calls.OPERATION.errors,
    rest=_route("approve"),
    description="Does what wallet_approveCalls does for the key of an organisation.",
)
REJECT: Operation[Ports, DecideOrgCalls, DecidedCalls] = Operation(
    "rejectOrganizationCalls",
    DecideOrgCalls,
    DecidedCalls,
    _reject,
    "Reject calls that wait for an approval; they are never delivered.",
    (Conflict, NotFound),
    rest=_route("reject"),
    description="Does what wallet_rejectCalls does for the key of an organisation.",
)
OPERATIONS = (APPROVALS, APPROVE, REJECT)
"""The operations of these paths."""
