"""Search for user operations in the node's logs, by EntryPoint's event of each, and their receipts.

Only an event that EntryPoint itself emitted counts. A missing event proves nothing about blocks that the node does not
keep or search, and an account may use up a nonce without an operation.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from wallet_rpc.adapters.log_entries import LogEntry, logs_of
from wallet_rpc.adapters.log_search import FoundEntry, search_logs
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.operation_events import (
    OperationEvent,
    operation_events,
    operation_log_indexes,
    revert_data_of,
)
from wallet_rpc.domain.user_operation import USER_OPERATION_EVENT
from wallet_rpc.ports.node import LogQuery, NonceUse, OperationReceipt
from wallet_rpc.primitives import ZERO_ADDRESS, Address, BlockNumber, Hash32
from wallet_rpc.wire import shape


@shape
class _TransactionReceipt:
    to: Address | None = None
    transaction_hash: Hash32
    block_hash: Hash32
    block_number: BlockNumber
    logs: tuple[LogEntry, ...]


async def find_nonce_use(
    node: Rpc, sender: Address, nonce: int, blocks: range, *, to_latest: bool = False
) -> NonceUse | None:
    """Return the operation of `sender` with this full 256-bit nonce, or None.

    Raises: Unavailable when the node does not respond, or with reason `NO_LOGS` when it returns an error.
    """
    topics = [None, Hash32(abi.address(sender))]
    async for event, log in _find_events(node, topics, blocks, to_latest=to_latest):
        if (event.sender, event.nonce) == (sender, nonce):  # a node may ignore the filter
            return NonceUse(
                operation_hash=Hash32(event.operation_hash),
                cost=event.cost,
                block_number=log.block_number,
                is_sponsored=event.paymaster != ZERO_ADDRESS,
            )
    return None


async def find_operation(
    node: Rpc, operation_hash: Hash32, blocks: range, *, to_latest: bool = False
) -> OperationReceipt | None:
    """Return the receipt of the operation with this hash, or None. Raises: as `find_nonce_use`."""
    async for event, log in _find_events(node, [operation_hash], blocks, to_latest=to_latest):
        if event.operation_hash == operation_hash:
            return await read_operation(node, operation_hash, transaction=log.transaction_hash)
    return None


async def read_operation(node: Rpc, operation_hash: Hash32, *, transaction: Hash32) -> OperationReceipt | None:
    """Return the operation's receipt if `transaction` is in a block and has its event. Raises: Unavailable."""
    answer = await node.read("eth_getTransactionReceipt", [transaction.hex0x()])
    if answer is None:
        return None
    found = node.decode_result(_TransactionReceipt, answer)
    logs = logs_of(found.logs)
    event = next((one for one in operation_events(logs) if one.operation_hash == operation_hash), None)
    if event is None:
        return None
    own = operation_log_indexes(logs, event, is_direct=found.to == ENTRY_POINT)
    return OperationReceipt(
        success=event.success,
        revert_reason=revert_data_of(logs, operation_hash),
        logs=tuple(logs[at] for at in own),
        transaction_hash=found.transaction_hash,
        block_hash=found.block_hash,
        block_number=found.block_number,
        gas_used=event.gas_used,
    )


async def _find_events(
    node: Rpc, topics: list[Hash32 | None], blocks: range, *, to_latest: bool
) -> AsyncIterator[tuple[OperationEvent, FoundEntry]]:
    """Yield the operations' events with these topics after the event's signature, in bounded ranges, newest first."""
    query = LogQuery(
        addresses=(ENTRY_POINT,), topics=((USER_OPERATION_EVENT,), *(() if one is None else (one,) for one in topics))
    )
    async for log in search_logs(node, query, blocks, to_latest=to_latest):
        for event in operation_events(logs_of([log])):
            yield event, log
