"""`wallet_listApprovals`: the calls of the caller's organisation that wait for an approval, oldest first, in pages."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.nonce import session_entity
from wallet_rpc.domain.prepared import format_call_id
from wallet_rpc.errors import InvalidParams
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import (
    Address,
    ChainId,
    Data,
    EntityId,
    NonZeroAddress,
    SessionId,
    UnixSeconds,
    malformed_error,
)
from wallet_rpc.primitives.base64url import decode_base64url, encode_base64url
from wallet_rpc.primitives.integers import exact_integer
from wallet_rpc.services.approval_decisions import list_waiting
from wallet_rpc.services.decoded_operations import OperationCall, decode_of_all_chains
from wallet_rpc.wire import shape, strict_shape

MAX_APPROVALS = 100
"""Maximum and default page size."""
_LONGEST_CURSOR = 200
"""Maximum length of a cursor in characters."""


def _read_cursor(value: Any) -> bytes:
    """Decode a cursor: the place of the last call of a page, as unpadded base64url."""
    try:
        if isinstance(value, str) and 0 < len(value) <= _LONGEST_CURSOR:
            return decode_base64url(value)
    except ValueError:
        pass
    raise malformed_error("a cursor that this method returned", value)


ApprovalCursor: TypeAlias = Annotated[
    bytes, PlainValidator(_read_cursor), PlainSerializer(encode_base64url), WithJsonSchema({"type": "string"})
]
"""The place of the last call of a page, as opaque text."""


@strict_shape
class ListApprovals:
    """A list request: the account, the maximum number of calls, and the cursor to continue from."""

    account: NonZeroAddress | None = None
    """Account whose calls are listed; required without an API key. Default: all accounts of the organisation."""
    limit: Annotated[int, Field(strict=True, ge=1, le=MAX_APPROVALS), BeforeValidator(exact_integer)] = MAX_APPROVALS
    """Maximum number of calls on the page, which may have fewer also if others follow."""
    cursor: ApprovalCursor | None = None
    """Cursor of the previous page. Default: the first page."""


@shape
class WaitingCalls:
    """Calls that wait for an approval."""

    id: Data
    """Call id, for `wallet_approveCalls`, `wallet_rejectCalls` and `wallet_getCallsStatus`."""
    account: Address
    """Account that makes the calls."""
    chain_id: ChainId
    """Chain of the calls."""
    entity_id: EntityId
    """Entity id of the session on the account."""
    session_id: SessionId | None = None
    """Id of the session; absent for one that is not stored here."""
    calls: tuple[OperationCall, ...]
    """Calls in the order in which they would run, decoded where the function is known."""
    requested_at: UnixSeconds
    """Time at which the calls were accepted, as Unix time."""
    expires_at: UnixSeconds
    """Time at which the calls expire without an approval, as Unix time."""


@shape
class ApprovalsPage:
    """One page of calls that wait for an approval."""

    approvals: tuple[WaitingCalls, ...]
    """Calls that wait, the oldest first."""
    cursor: ApprovalCursor | None = None
    """Cursor of the next page; absent on the last one."""


async def run(ports: Ports, request: ListApprovals) -> ApprovalsPage:
    """Return one page. Raises: InvalidParams for a caller without an API key that names no account."""
    if request.account is None and ports.caller.is_anonymous:
        raise InvalidParams(
            "required, because the request has no API key", field="params.account", reason="account_required"
        )
    calls, next_page = await list_waiting(
        ports, account=request.account, after=request.cursor or b"", limit=request.limit
    )
    decoded = await decode_of_all_chains(ports, calls)
    return ApprovalsPage(approvals=tuple(map(_describe, calls, decoded)), cursor=next_page or None)


def _describe(call: CallRecord, decoded: tuple[OperationCall, ...] | None) -> WaitingCalls:
    return WaitingCalls(
        id=format_call_id(call.chain_id, call.hash),
        account=call.sender,
        chain_id=call.chain_id,
        entity_id=session_entity(call.nonce) or EntityId(0),
        session_id=call.session_id,
        calls=decoded or (),
        requested_at=call.sent_at,
        expires_at=call.waits_until,
    )


OPERATION: Operation[Ports, ListApprovals, ApprovalsPage] = Operation(
    "wallet_listApprovals",
    ListApprovals,
    ApprovalsPage,
    run,
    "List the calls that wait for an approval, oldest first.",
    need=READ_ACCESS,
    is_long=lambda page: len(page.approvals) > 1,
    reasons=("account_required",),
    description="The list has the calls that were sent with the API keys and session tokens of the organisation.",
)
