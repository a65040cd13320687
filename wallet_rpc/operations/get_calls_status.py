"""`wallet_getCallsStatus`: how a sent call stands; the id itself says the chain and the operation."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from wallet_rpc.domain.call_data import calls_of
from wallet_rpc.domain.nonce import split_nonce
from wallet_rpc.domain.prepared import OperationData, call_id, parse_call_id
from wallet_rpc.domain.records import CallRecord, CallState
from wallet_rpc.errors import UnknownBundle
from wallet_rpc.operations._accounts import chain_of
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import ChainPorts, OperationReceipt, PendingOperation, Ports
from wallet_rpc.primitives import Address, BlockNumber, ChainId, Data, Gas, Hash32
from wallet_rpc.wire import shape

PENDING, CONFIRMED, NOT_SENT, REVERTED = 100, 200, 400, 500
"""The status codes that an atomic batch can have. Source: EIP-5792."""


def _unnested(value: Any) -> Any:
    """Some guides put the id into an array of its own."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


@shape
class GetCallsStatus:
    """The id that `wallet_sendPreparedCalls` answered."""

    call_id: Annotated[Data, BeforeValidator(_unnested)]


@shape
class StatusLog:
    """One log entry of the operation."""

    address: Address
    data: Data
    topics: tuple[Hash32, ...]


@shape
class StatusReceipt:
    """The operation's part of the transaction that carried it."""

    logs: tuple[StatusLog, ...]
    status: Literal["0x1", "0x0"]
    block_hash: Hash32
    block_number: BlockNumber
    gas_used: Gas
    transaction_hash: Hash32


@shape
class StatusDetails:
    """The operation, and its calls where the bundler still knows them."""

    type: Literal["user-operation"] = "user-operation"
    data: OperationData


@shape
class CallsStatus:
    """100 pending, 200 confirmed, 400 not on chain and given up, 500 reverted on chain."""

    id: Data
    chain_id: ChainId
    atomic: bool = True
    status: Literal[100, 200, 400, 500]
    receipts: tuple[StatusReceipt, ...] | None = None
    details: StatusDetails


async def run(ports: Ports, request: GetCallsStatus) -> CallsStatus:
    """Ask the bundler first: what is on chain is true whatever the server remembers."""
    chain_id, operation_hash = parse_call_id(request.call_id)
    if chain_id not in ports.chains:
        raise UnknownBundle(f"no call has the id {request.call_id}: chain {chain_id:#x} is not configured here")
    chain = chain_of(ports, chain_id)
    receipt, known = await asyncio.gather(chain.bundler.receipt(operation_hash), chain.bundler.lookup(operation_hash))
    status = PENDING
    if receipt is not None:
        status = CONFIRMED if receipt.success else REVERTED
    elif known is None:
        status = await _forgotten(ports, chain, operation_hash)
    return CallsStatus(
        id=call_id(chain_id, operation_hash),
        chain_id=chain_id,
        status=status,  # type: ignore[arg-type]  # one of the four above
        receipts=None if receipt is None else (_receipt(receipt),),
        details=StatusDetails(data=_data(operation_hash, known)),
    )


async def _forgotten(ports: Ports, chain: ChainPorts, operation_hash: Hash32) -> int:
    """The status of an operation that is neither on chain nor known to the bundler."""
    record = await ports.store.calls.get(chain.chain_id, operation_hash)
    if record is None:
        raise UnknownBundle(f"no call has the id {call_id(chain.chain_id, operation_hash)}")
    if record.state is CallState.REFUSED or await _overtaken(chain, record):
        return NOT_SENT
    return PENDING


async def _overtaken(chain: ChainPorts, record: CallRecord) -> bool:
    """Whether another operation used the record's nonce: then this one can never land."""
    key, _ = split_nonce(record.nonce)
    return await chain.chain.user_operation_nonce(record.sender, key.key) > record.nonce


def _receipt(receipt: OperationReceipt) -> StatusReceipt:
    return StatusReceipt(
        logs=tuple(StatusLog(address=log.address, data=Data(log.data), topics=log.topics) for log in receipt.logs),
        status="0x1" if receipt.success else "0x0",
        block_hash=receipt.block_hash,
        block_number=receipt.block_number,
        gas_used=receipt.gas_used,
        transaction_hash=receipt.transaction_hash,
    )


def _data(operation_hash: Hash32, known: PendingOperation | None) -> OperationData:
    calls = None if known is None else calls_of(known.operation.sender, known.operation.call_data)
    return OperationData(hash=operation_hash, calls=calls)


OPERATION: Operation[Ports, GetCallsStatus, CallsStatus] = Operation(
    "wallet_getCallsStatus",
    GetCallsStatus,
    CallsStatus,
    run,
    "Get the status of a call by the id that wallet_sendPreparedCalls answered.",
    (UnknownBundle,),
    positional=True,
)
