"""`wallet_getCallsStatus`: how a sent call stands; the id itself says the chain and the operation.

The rule: of a user operation the chain and the bundler say everything, and the server's memory only what they forgot.
An authorization that was sent alone is known by the server's record, which names the relayer's transaction.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from wallet_rpc.domain.access import RequiredAccess, Scope
from wallet_rpc.domain.call_data import decode_calls
from wallet_rpc.domain.nonce import split_nonce
from wallet_rpc.domain.prepared import DelegationDetails, OperationData, format_call_id, parse_call_id
from wallet_rpc.domain.receipt import CallLog, CallReceipt
from wallet_rpc.domain.records import CallKind, CallRecord, CallState
from wallet_rpc.errors import UnknownBundle
from wallet_rpc.operations.access_control import is_of_caller
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import ChainPorts, OperationReceipt, PendingOperation, Ports, TransactionReceipt
from wallet_rpc.primitives import BlockNumber, ChainId, Data, Hash32
from wallet_rpc.services.accounts import chain_of
from wallet_rpc.services.call_failures import CallError, build_nonce_error, build_revert_error, read_stored_error
from wallet_rpc.services.delegation import is_applied
from wallet_rpc.services.submission import is_abandoned
from wallet_rpc.wire import shape

PENDING, PRECONFIRMED, PRECONFIRMED_REVERTED, CONFIRMED, NOT_SENT, REVERTED = 100, 110, 115, 200, 400, 500
"""The status codes that an atomic batch can have. Source: EIP-5792; 110 and 115 are the hosted service's."""

LAG_SECONDS = 60
"""How far a bundler may be behind the node before what it does not know is taken not to be."""

Receipt: TypeAlias = OperationReceipt | TransactionReceipt
"""How a call ended on chain."""


def _unnest_call_id(value: Any) -> Any:
    """Some guides put the id into an array of its own."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


@shape
class GetCallsStatus:
    """The id that `wallet_sendPreparedCalls` answered."""

    call_id: Annotated[Data, BeforeValidator(_unnest_call_id)]


@shape
class PendingBundle:
    """The transaction that carries a pending operation, and the block at which it was sent."""

    tx_hash: Hash32
    sent_at_block: BlockNumber


@shape
class StatusData(OperationData):
    """The operation, and its calls where the bundler still knows them."""

    pending_bundle: PendingBundle | None = None
    error: CallError | None = None
    """Why the calls reverted (115, 500), or why the operation was not sent (400)."""


@shape
class StatusDetails:
    """A user operation."""

    type: Literal["user-operation"] = "user-operation"
    data: StatusData


@shape
class DelegationStatus(DelegationDetails):
    """An authorization that was sent alone, and the relayer's transaction once there is one."""

    tx_hash: Hash32 | None = None


@shape
class CallsStatus:
    """100 pending, 110 on chain but not final, 200 confirmed, 400 not on chain and given up, 500 reverted.

    115 is 110 of a call that reverted. A batch is atomic, so that none is reverted in part (600).
    """

    id: Data
    chain_id: ChainId
    atomic: bool = True
    status: Literal[100, 110, 115, 200, 400, 500]
    receipts: tuple[CallReceipt, ...] | None = None
    details: Annotated[StatusDetails | DelegationStatus, Field(discriminator="type")]


async def run(ports: Ports, request: GetCallsStatus) -> CallsStatus:
    """Ask bundler and chain: what is on chain is true whatever the server remembers."""
    chain_id, name = parse_call_id(request.call_id)
    if chain_id not in ports.chains:
        raise UnknownBundle(f"no call has the id {request.call_id}: chain {chain_id:#x} is not configured here")
    chain = chain_of(ports, chain_id)
    record = await _record(ports, chain_id, name)
    if record is not None and record.kind is CallKind.DELEGATION:
        return await _read_delegation_status(ports, chain, record)
    receipt, known = await asyncio.gather(chain.bundler.receipt(name), chain.bundler.lookup(name))
    status, error = PENDING, None
    if receipt is not None:
        status = await _read_chain_status(chain, receipt)
        error = None if receipt.success else build_revert_error(receipt.revert_reason)
    elif known is None:
        status, error = await _read_unknown_status(ports, chain, name, record)
    return CallsStatus(
        id=format_call_id(chain_id, name),
        chain_id=chain_id,
        status=status,  # type: ignore[arg-type]  # one of the six above
        receipts=None if receipt is None else (_receipt(receipt),),
        details=StatusDetails(data=replace(_data(name, known, is_pending=receipt is None), error=error)),
    )


async def _record(ports: Ports, chain_id: ChainId, name: Hash32) -> CallRecord | None:
    """What was sent here. Raises: UnknownBundle when it is another's: what a key sees is its organisation's."""
    record = await ports.store.calls.get(chain_id, name)
    is_theirs = ports.caller.is_anonymous if record is None else await is_of_caller(ports, record.sender)
    if not is_theirs:
        raise UnknownBundle(f"no call has the id {format_call_id(chain_id, name)}")
    return record


async def _read_delegation_status(ports: Ports, chain: ChainPorts, record: CallRecord) -> CallsStatus:
    """An authorization's status: the transaction's, unless the chain passed over the authorization in it.

    A receipt without the used nonce, or for a while the used nonce without a receipt, is a node that does not know the
    block yet: still pending.
    """
    applied = await is_applied(chain, record)
    found, may_follow = None, False
    if record.transaction is not None and chain.relayer is not None:
        found, may_follow = await chain.relayer.receipt(record.transaction), True
    status = PENDING
    if record.state is CallState.REFUSED:
        status = NOT_SENT
    elif applied is not None and found is not None:
        status = await _read_chain_status(chain, found) if applied else REVERTED
    elif applied is not None and (not may_follow or await _is_final(ports, record)):
        status = CONFIRMED if applied else NOT_SENT
    return CallsStatus(
        id=format_call_id(chain.chain_id, record.hash),
        chain_id=chain.chain_id,
        status=status,  # type: ignore[arg-type]  # one of the six above
        receipts=None if found is None else (_receipt(found),),
        details=DelegationStatus(tx_hash=record.transaction),
    )


async def _read_chain_status(chain: ChainPorts, receipt: Receipt) -> int:
    """The status of a call in a block: not final before enough blocks follow."""
    if chain.confirmations > 1 and await _depth(chain, receipt) < chain.confirmations:
        return PRECONFIRMED if receipt.success else PRECONFIRMED_REVERTED
    return CONFIRMED if receipt.success else REVERTED


async def _depth(chain: ChainPorts, receipt: Receipt) -> int:
    """How many blocks the chain has from the call's own on."""
    return await chain.node.block_number() - receipt.block_number + 1


async def _read_unknown_status(
    ports: Ports, chain: ChainPorts, operation_hash: Hash32, record: CallRecord | None
) -> tuple[int, CallError | None]:
    """The status of an operation that is neither on chain nor known to the bundler, and why it was not sent."""
    if record is None:
        raise UnknownBundle(f"no call has the id {format_call_id(chain.chain_id, operation_hash)}")
    if record.state is CallState.REFUSED:
        return NOT_SENT, read_stored_error(record)
    if await _is_nonce_taken(ports, chain, record):
        return NOT_SENT, build_nonce_error(record)
    return PENDING, None


async def _is_nonce_taken(ports: Ports, chain: ChainPorts, record: CallRecord) -> bool:
    """Whether another operation used the record's nonce: then this one can never land.

    A used nonce alone does not say so: the node may know the block with this very operation before the bundler does.
    """
    key, _ = split_nonce(record.nonce)
    if await chain.node.user_operation_nonce(record.sender, key.key) <= record.nonce:
        return False
    newest = await ports.store.calls.find_by_nonce(chain.chain_id, record.sender, record.nonce)
    if newest is not None and newest.hash != record.hash and await chain.bundler.receipt(newest.hash) is not None:
        return True
    return await _is_final(ports, record) and await chain.bundler.receipt(record.hash) is None


async def _is_final(ports: Ports, record: CallRecord) -> bool:
    """Whether its nonce was seen used a while ago; until then the others may just not know the block with the call."""
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


def _data(operation_hash: Hash32, known: PendingOperation | None, *, is_pending: bool) -> StatusData:
    """What is known of the operation; of a pending one also the transaction that carries it, if one was sent."""
    if known is None:
        return StatusData(hash=operation_hash)
    bundle = None
    if is_pending and known.transaction_hash is not None and known.block_number is not None:
        bundle = PendingBundle(tx_hash=known.transaction_hash, sent_at_block=known.block_number)
    calls = decode_calls(known.operation.sender, known.operation.call_data)
    return StatusData(hash=operation_hash, calls=calls, pending_bundle=bundle)


OPERATION: Operation[Ports, GetCallsStatus, CallsStatus] = Operation(
    "wallet_getCallsStatus",
    GetCallsStatus,
    CallsStatus,
    run,
    "Get the status of a call by the id that wallet_sendPreparedCalls answered.",
    (UnknownBundle,),
    positional=True,
    has_long_answers=True,
    need=RequiredAccess(writes=False, scopes=(Scope.WALLET_READ, Scope.TRANSACTIONS_SUBMIT)),
)
