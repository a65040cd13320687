"""`wallet_getCallsStatus`: the status of sent calls; the call id contains the chain id and the operation hash.

For a user operation the chain and the bundler are authoritative; the stored call record is used only if neither knows
the operation. For an authorization without a user operation, the record names the relayer's transaction.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from wallet_rpc.domain.access import RequiredAccess, Scope
from wallet_rpc.domain.call_data import decode_calls
from wallet_rpc.domain.nonce import split_nonce
from wallet_rpc.domain.prepared import DelegationDetails, NestedCallId, OperationData, format_call_id, parse_call_id
from wallet_rpc.domain.receipt import CallLog, CallReceipt
from wallet_rpc.domain.records import CallKind, CallRecord, CallState
from wallet_rpc.errors import UnknownBundle
from wallet_rpc.operations.access_control import is_of_caller
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import ChainPorts, OperationReceipt, PendingOperation, Ports, TransactionReceipt
from wallet_rpc.primitives import BlockNumber, ChainId, Data, Hash32
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.call_failures import CallError, build_nonce_error, build_revert_error, read_stored_error
from wallet_rpc.services.confirmations import has_confirmations
from wallet_rpc.services.delegation import is_applied
from wallet_rpc.services.submission import is_abandoned
from wallet_rpc.wire import shape

PENDING, PRECONFIRMED, PRECONFIRMED_REVERTED, CONFIRMED, NOT_SENT, REVERTED = 100, 110, 115, 200, 400, 500
"""Status codes of an atomic batch. Source: EIP-5792; 110 and 115 are the hosted service's."""

LAG_SECONDS = 60
"""Maximum lag in seconds between bundler and node; after it, an operation unknown to the bundler counts as not sent."""

Receipt: TypeAlias = OperationReceipt | TransactionReceipt
"""The receipt of a user operation, or of the relayer's transaction."""


@shape
class GetCallsStatus:
    """The call id that `wallet_sendPreparedCalls` returned."""

    call_id: NestedCallId


@shape
class PendingBundle:
    """The transaction that carries a pending operation, and the block at which it was sent."""

    tx_hash: Hash32
    sent_at_block: BlockNumber


@shape
class StatusData(OperationData):
    """The user operation hash, and the calls while the bundler still knows the operation."""

    pending_bundle: PendingBundle | None = None
    error: CallError | None = None
    """The error that the calls reverted with (115, 500), or that kept the operation from being sent (400)."""


@shape
class StatusDetails:
    """Status details of a user operation."""

    type: Literal["user-operation"] = "user-operation"
    data: StatusData


@shape
class DelegationStatus(DelegationDetails):
    """Status details of an authorization without a user operation: the relayer's transaction, once it exists."""

    tx_hash: Hash32 | None = None


@shape
class CallsStatus:
    """The status of calls: 100 pending, 110 on chain but not final, 200 confirmed, 400 not sent, 500 reverted.

    115: reverted on chain but not final. A batch is atomic, so 600 (partially reverted) does not occur.
    """

    id: Data
    chain_id: ChainId
    atomic: bool = True
    status: Literal[100, 110, 115, 200, 400, 500]
    receipts: tuple[CallReceipt, ...] | None = None
    details: Annotated[StatusDetails | DelegationStatus, Field(discriminator="type")]


async def run(ports: Ports, request: GetCallsStatus) -> CallsStatus:
    """Read the status from bundler and chain, which take precedence over the stored call record."""
    chain_id, name = parse_call_id(request.call_id)
    if chain_id not in ports.chains:
        raise UnknownBundle(f"no call has the id {request.call_id}: chain {chain_id:#x} is not configured here")
    chain = chain_of(ports, chain_id)
    record = await _record(ports, chain_id, name)
    if record is not None and record.kind is CallKind.DELEGATION:
        return await _read_delegation_status(ports, chain, record)
    receipt, pending = await asyncio.gather(chain.bundler.receipt(name), chain.bundler.lookup(name))
    status, error = PENDING, None
    if receipt is not None:
        status = await _read_chain_status(chain, receipt)
        error = None if receipt.success else build_revert_error(receipt.revert_reason)
    elif pending is None:
        status, error = await _read_unknown_status(ports, chain, name, record)
    return CallsStatus(
        id=format_call_id(chain_id, name),
        chain_id=chain_id,
        status=status,  # type: ignore[arg-type]  # one of the six above
        receipts=None if receipt is None else (_receipt(receipt),),
        details=StatusDetails(data=replace(_data(name, pending, is_pending=receipt is None), error=error)),
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


async def _read_delegation_status(ports: Ports, chain: ChainPorts, record: CallRecord) -> CallsStatus:
    """Return an authorization's status: its transaction's status, or reverted if the chain skipped the authorization.

    The status stays pending while a node lags. A node lags if it reports the receipt but not the used nonce, or a
    recently used nonce but no receipt.
    """
    applied = await is_applied(chain, record)
    receipt = None
    may_get_receipt = record.transaction is not None and chain.relayer is not None
    if record.transaction is not None and chain.relayer is not None:
        receipt = await chain.relayer.receipt(record.transaction)
    status = PENDING
    if record.state is CallState.REFUSED:
        status = NOT_SENT
    elif applied is not None and receipt is not None:
        status = await _read_chain_status(chain, receipt) if applied else REVERTED
    elif applied is not None and (not may_get_receipt or await _is_final(ports, record)):
        status = CONFIRMED if applied else NOT_SENT
    return CallsStatus(
        id=format_call_id(chain.chain_id, record.hash),
        chain_id=chain.chain_id,
        status=status,  # type: ignore[arg-type]  # one of the six above
        receipts=None if receipt is None else (_receipt(receipt),),
        details=DelegationStatus(tx_hash=record.transaction),
    )


async def _read_chain_status(chain: ChainPorts, receipt: Receipt) -> int:
    """Return the status of an included call, which is final once it has enough confirmations."""
    if not await has_confirmations(chain.node, receipt.block_number, required=chain.confirmations):
        return PRECONFIRMED if receipt.success else PRECONFIRMED_REVERTED
    return CONFIRMED if receipt.success else REVERTED


async def _read_unknown_status(
    ports: Ports, chain: ChainPorts, operation_hash: Hash32, record: CallRecord | None
) -> tuple[int, CallError | None]:
    """Return the status and the error of an operation that neither chain nor bundler know.

    Raises: UnknownBundle when no record of the operation is stored either.
    """
    if record is None:
        raise UnknownBundle(f"no call has the id {format_call_id(chain.chain_id, operation_hash)}")
    if record.state is CallState.REFUSED:
        return NOT_SENT, read_stored_error(record)
    if await _is_nonce_taken(ports, chain, record):
        return NOT_SENT, build_nonce_error(record)
    return PENDING, None


async def _is_nonce_taken(ports: Ports, chain: ChainPorts, record: CallRecord) -> bool:
    """Return True when another operation used the record's nonce, so that the recorded operation cannot be included.

    A used nonce alone is no proof: the node may know the block with the recorded operation before the bundler does.
    """
    key, _ = split_nonce(record.nonce)
    if await chain.node.user_operation_nonce(record.sender, key.key) <= record.nonce:
        return False
    newest = await ports.store.calls.find_by_nonce(chain.chain_id, record.sender, record.nonce)
    if newest is not None and newest.hash != record.hash and await chain.bundler.receipt(newest.hash) is not None:
        return True
    return await _is_final(ports, record) and await chain.bundler.receipt(record.hash) is None


async def _is_final(ports: Ports, record: CallRecord) -> bool:
    """Return True when the record's nonce was first seen used at least `LAG_SECONDS` ago; record the first sight.

    Before that, bundler or relayer may not know the block with the call yet.
    """
    if record.state is CallState.SENDING and not is_abandoned(ports, record):
        return False
    now = ports.clock.now()
    if record.nonce_used_at is None:
        await ports.store.calls.settle(replace(record, nonce_used_at=now))
        return False
    return now - record.nonce_used_at >= LAG_SECONDS


def _receipt(receipt: Receipt) -> CallReceipt:
    return CallReceipt(
        logs=tuple(CallLog(address=log.address, data=Data(log.data), topics=log.topics) for log in receipt.logs),
        status="0x1" if receipt.success else "0x0",
        block_hash=receipt.block_hash,
        block_number=receipt.block_number,
        gas_used=receipt.gas_used,
        transaction_hash=receipt.transaction_hash,
    )


def _data(operation_hash: Hash32, pending: PendingOperation | None, *, is_pending: bool) -> StatusData:
    """Build the details of an operation; a pending one has its bundle transaction, once the bundler sent one."""
    if pending is None:
        return StatusData(hash=operation_hash)
    bundle = None
    if is_pending and pending.transaction_hash is not None and pending.block_number is not None:
        bundle = PendingBundle(tx_hash=pending.transaction_hash, sent_at_block=pending.block_number)
    calls = decode_calls(pending.operation.sender, pending.operation.call_data)
    return StatusData(hash=operation_hash, calls=calls, pending_bundle=bundle)


OPERATION: Operation[Ports, GetCallsStatus, CallsStatus] = Operation(
    "wallet_getCallsStatus",
    GetCallsStatus,
    CallsStatus,
    run,
    "Get the status of sent calls by the id that wallet_sendPreparedCalls returned.",
    (UnknownBundle,),
    positional=True,
    has_long_answers=True,
    need=RequiredAccess(writes=False, scopes=(Scope.WALLET_READ, Scope.TRANSACTIONS_SUBMIT)),
)
