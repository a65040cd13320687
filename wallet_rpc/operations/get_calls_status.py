"""`wallet_getCallsStatus`: the status of sent calls; the call id contains the chain id and the operation hash.

A final status is stored with its receipt and is read from the record alone. Until then the node decides, and the
bundler's word is a hint (services/witnesses.py, specs/calls.md).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from wallet_rpc.domain.access import RequiredAccess, Scope
from wallet_rpc.domain.call_data import decode_calls
from wallet_rpc.domain.call_record import CallKind, CallRecord
from wallet_rpc.domain.call_state import CallState, status_code
from wallet_rpc.domain.prepared import (
    DelegationDetails,
    NestedCallId,
    OperationData,
    PreparedUserOperation,
    format_call_id,
    parse_call_id,
)
from wallet_rpc.domain.receipt import EncodedReceipt
from wallet_rpc.domain.validation import parse_install
from wallet_rpc.errors import LimitExceeded, UnknownBundle
from wallet_rpc.operations.access_control import is_of_caller
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import ChainPorts, PendingOperation, Ports
from wallet_rpc.primitives import BlockNumber, ChainId, Data, Hash32, UnixSeconds
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.approvals import expire_waiting
from wallet_rpc.services.call_failures import CallError, find_call_error
from wallet_rpc.services.call_progress import Progress, observe_call
from wallet_rpc.services.pending_calls import PendingReason, explain_pending, find_shortfall
from wallet_rpc.services.witnesses import examine_unrecorded
from wallet_rpc.wire import shape

StatusCode: TypeAlias = Literal[100, 110, 115, 200, 400, 500]
"""The status codes of an atomic batch; `call_state.status_code` explains them."""


_MAX_SHORT = 100
"""The maximum number of logs and calls of an answer that is encoded at once, which takes about a millisecond."""


@shape
class GetCallsStatus:
    """The call id that `wallet_sendPreparedCalls` returned."""

    call_id: NestedCallId
    """Call id: chain id (32 bytes) | user operation hash or hash of the authorization (32 bytes)."""


@shape
class PendingBundle:
    """The transaction that carries a pending operation, and the block at which it was sent."""

    tx_hash: Hash32
    """Hash of the bundler's transaction."""
    sent_at_block: BlockNumber
    """Number of the newest block at the time of sending."""


@shape
class PendingApproval:
    """The approval that a call waits for, because of a rule of its session."""

    expires_at: UnixSeconds
    """Time at which the call expires without an approval, as Unix time."""


@shape
class StatusData(OperationData):
    """The user operation hash, the calls if they can be decoded, and the progress of the call."""

    state: CallState | None = None
    """The call's state (specs/calls.md); absent for a call that was not sent by this server."""
    attempts: int | None = None
    """The number of attempts to deliver the call."""
    pending_bundle: PendingBundle | None = None
    """The bundler's transaction with the call, while it is in no block."""
    pending_reason: PendingReason | None = None
    """Why the call is not included yet, where more is known than that it waits."""
    approval: PendingApproval | None = None
    """Present while the call waits for an approval."""
    replacement: PreparedUserOperation | None = None
    """For a call whose fees are too low: an operation with the same nonce, ready to be signed and sent instead."""
    error: CallError | None = None
    """The error that the calls reverted with (115, 500), or that kept the operation from being sent (400)."""


@shape
class StatusDetails:
    """Status details of a user operation."""

    type: Literal["user-operation"] = "user-operation"
    """Kind of details: a user operation."""
    data: StatusData
    """Hash, calls and progress of the operation."""


@shape
class DelegationStatus(DelegationDetails):
    """Status details of an authorization without a user operation: the relayer's transaction, once it exists."""

    tx_hash: Hash32 | None = None
    """Hash of the relayer's transaction that carries the authorization."""


@shape
class CallsStatus:
    """The status of calls: 100 pending, 110 on chain but not final, 200 confirmed, 400 not sent, 500 reverted.

    115: reverted on chain but not final. A batch is atomic, so 600 (partially reverted) does not occur.
    """

    id: Data
    """Call id of the request."""
    chain_id: ChainId
    """Chain that the calls were sent on."""
    atomic: bool = True
    """Always true: all calls of a batch succeed, or none takes effect."""
    status: StatusCode
    """100 pending, 110 or 115 on chain but not final, 200 confirmed, 400 not sent, 500 reverted."""
    receipts: tuple[EncodedReceipt, ...] | None = None
    """Receipt of the calls, once they are in a block."""
    details: Annotated[StatusDetails | DelegationStatus, Field(discriminator="type")]
    """Progress, errors and replacement of the calls, by kind."""


async def run(ports: Ports, request: GetCallsStatus) -> CallsStatus:
    """Read a final status from the record; else examine the call, store what is found, and report it."""
    chain_id, name = parse_call_id(request.call_id)
    if chain_id not in ports.chains:
        raise UnknownBundle(f"no call has the id {request.call_id}: chain {chain_id:#x} is not configured here")
    chain = chain_of(ports, chain_id)
    record = await _record(ports, chain_id, name)
    if record is None:
        return await _read_unrecorded(ports, chain, name)
    if record.is_waiting:
        record = await expire_waiting(ports, record)
    progress = await observe_call(ports, chain, record)
    if record.kind is CallKind.DELEGATION:
        details: StatusDetails | DelegationStatus = DelegationStatus(tx_hash=progress.record.transaction)
    else:
        details = StatusDetails(data=await _describe_operation(ports, chain, progress))
    return _build_status(progress.record, details)


def _build_status(record: CallRecord, details: StatusDetails | DelegationStatus) -> CallsStatus:
    return CallsStatus(
        id=format_call_id(record.chain_id, record.hash),
        chain_id=record.chain_id,
        status=status_code(record.state, succeeded=record.succeeded),  # type: ignore[arg-type]  # one of the six
        receipts=None if record.receipt is None else (record.receipt,),
        details=details,
    )


async def _record(ports: Ports, chain_id: ChainId, name: Hash32) -> CallRecord | None:
    """Return the stored record of a call that was sent through this server.

    An API key sees only the records of its organisation. Only an anonymous caller may query a call without a record.

    Raises: UnknownBundle when the caller may not see the call.
    """
    record = await ports.store.calls.get(chain_id, name)
    is_allowed = ports.caller.is_anonymous if record is None else await is_of_caller(ports, record.sender)
    if not is_allowed:
        raise UnknownBundle(f"no call has the id {format_call_id(chain_id, name)}")
    return record


async def _read_unrecorded(ports: Ports, chain: ChainPorts, name: Hash32) -> CallsStatus:
    """Return the status of a call that was not sent by this server. Raises: UnknownBundle if no bundler knows it."""
    record, pending = await examine_unrecorded(chain, name)
    if record is None and pending is None:
        raise UnknownBundle(f"no call has the id {format_call_id(chain.chain_id, name)}")
    data = _describe_pending(name, pending, is_pending=record is None)
    if record is not None:
        data = replace(data, error=await _read_error(ports, record))
        return _build_status(record, StatusDetails(data=data))
    return CallsStatus(
        id=format_call_id(chain.chain_id, name),
        chain_id=chain.chain_id,
        status=100,
        details=StatusDetails(data=data),
    )


async def _describe_operation(ports: Ports, chain: ChainPorts, progress: Progress) -> StatusData:
    record, pending = progress.record, progress.examination.pending
    data = replace(
        _describe_pending(record.hash, pending, is_pending=record.receipt is None),
        calls=decode_calls(record.sender, record.call_data),
        state=record.state,
        attempts=record.attempt_count,
        error=await _read_error(ports, record),
    )
    if record.state.is_final or record.receipt is not None:
        return data
    if record.is_waiting:
        data = replace(data, approval=PendingApproval(expires_at=record.waits_until))
    shortfall = None if record.is_waiting else await find_shortfall(ports, chain, record)
    reason = explain_pending(record, progress.examination, shortfall)
    return replace(data, pending_reason=reason, replacement=None if shortfall is None else shortfall.replacement)


async def _read_error(ports: Ports, record: CallRecord) -> CallError | None:
    """Return the error of a call that reverted or was not sent; None for other calls."""
    if record.succeeded or not (record.receipt is not None or record.state.is_final):
        return None
    session = None
    if record.session_id is not None:
        session = await ports.store.sessions.get(record.sender, record.chain_id, record.session_id)
    return find_call_error(record, None if session is None else parse_install(session.call))


def _describe_pending(operation_hash: Hash32, pending: PendingOperation | None, *, is_pending: bool) -> StatusData:
    """Build the details of an operation; a pending one has its bundle transaction, once the bundler sent one."""
    if pending is None:
        return StatusData(hash=operation_hash)
    bundle = None
    if is_pending and pending.transaction_hash is not None and pending.block_number is not None:
        bundle = PendingBundle(tx_hash=pending.transaction_hash, sent_at_block=pending.block_number)
    calls = decode_calls(pending.operation.sender, pending.operation.call_data)
    return StatusData(hash=operation_hash, calls=calls, pending_bundle=bundle)


def _is_long(status: CallsStatus) -> bool:
    calls = status.details.data.calls if isinstance(status.details, StatusDetails) else None
    return sum(len(receipt["logs"]) for receipt in status.receipts or ()) + len(calls or ()) > _MAX_SHORT


OPERATION: Operation[Ports, GetCallsStatus, CallsStatus] = Operation(
    "wallet_getCallsStatus",
    GetCallsStatus,
    CallsStatus,
    run,
    "Get the status of sent calls by the id that wallet_sendPreparedCalls returned.",
    (UnknownBundle, LimitExceeded),
    positional=True,
    is_long=_is_long,
    need=RequiredAccess(writes=False, scopes=(Scope.WALLET_READ, Scope.TRANSACTIONS_SUBMIT)),
    reasons=("answer_too_large",),
    description=(
        "Read a final status from the stored record, and ask the node for any other. Callers with an API key see "
        "only the calls of their organisation. A call of another server is looked up only for callers without a "
        "key."
    ),
)
