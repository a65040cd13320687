"""Chain reads through a node (`eth_` JSON-RPC)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from wallet_rpc.adapters import log_search, operation_search
from wallet_rpc.adapters.client import ErrorObject
from wallet_rpc.adapters.refusals import is_revert, revert_data
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.errors import ExecutionReverted, Unavailable, WalletError
from wallet_rpc.ports.node import BlockHead, Fees, FoundLog, LogQuery, NonceUse, OperationReceipt
from wallet_rpc.primitives import (
    Address,
    BlockNumber,
    ChainId,
    Data,
    Hash32,
    TransactionCount,
    Uint256,
    Wei,
    WeiPerGas,
    Word,
)
from wallet_rpc.wire import shape

_LATEST = "latest"


@shape
class _Block:
    number: BlockNumber
    base_fee_per_gas: WeiPerGas | None = None


@shape
class _BlockHead:
    number: BlockNumber
    hash: Hash32
    timestamp: Uint256


class NodeChain:
    """`ports.Node` over a node's JSON-RPC."""

    def __init__(self, client: Rpc) -> None:
        self._client = client
        self._stand_in_calls: dict[tuple[Address, bytes], asyncio.Task[bytes]] = {}

    async def verify(self, chain_id: ChainId) -> None:
        """Check that the node serves the chain. Raises: Unavailable when it serves another."""
        await self._client.check_chain(chain_id)

    async def code(self, address: Address, *, block: int | None = None) -> bytes:
        """Return the code at `address`, empty when there is none."""
        found: Data = await self._read(Data, "eth_getCode", address.hex0x(), _format_block(block))
        return found

    async def balance(self, address: Address) -> int:
        """Return the balance in wei."""
        found: int = await self._read(Wei, "eth_getBalance", address.hex0x(), _LATEST)
        return found

    async def storage(self, address: Address, slot: Word) -> bytes:
        """Return the 32-byte word in a slot of a contract's storage."""
        found: Word = await self._read(Word, "eth_getStorageAt", address.hex0x(), slot.hex0x(), _LATEST)
        return found

    async def transaction_count(self, address: Address) -> int:
        """Return the account's protocol nonce, which transactions and EIP-7702 authorizations use."""
        found: int = await self._read(TransactionCount, "eth_getTransactionCount", address.hex0x(), _LATEST)
        return found

    async def call(self, to: Address, data: bytes, *, block: int | None = None) -> bytes:
        """Return a contract's return data. Raises: ExecutionReverted with the raw revert data."""
        call = {"to": to.hex0x(), "data": Data(data).hex0x()}
        answer = await self._client.read("eth_call", [call, _format_block(block)], map_error=_map_call_error)
        return self._client.decode_result(Data, answer)

    async def call_itself(self, account: Address, data: bytes, *, override: Mapping[str, Any] | None = None) -> bytes:
        """Return the data of a call of an account to itself. Raises: ExecutionReverted with the raw revert data."""
        call = {"from": account.hex0x(), "to": account.hex0x(), "data": Data(data).hex0x()}
        overrides = [] if override is None else [{account.hex0x(): override}]
        answer = await self._client.read("eth_call", [call, _LATEST, *overrides], map_error=_map_call_error)
        return self._client.decode_result(Data, answer)

    async def call_stand_in(self, stand_in: Address, data: bytes, override: Mapping[str, Any]) -> bytes:
        """Return the data of a call as `call_itself` makes it; equal calls in flight at once are sent once."""
        call = stand_in, data
        task = self._stand_in_calls.get(call)
        if task is None:
            task = asyncio.create_task(self.call_itself(stand_in, data, override=override))
            self._stand_in_calls[call] = task
            task.add_done_callback(lambda _: self._stand_in_calls.pop(call))
            task.add_done_callback(_mark_retrieved)
        return await asyncio.shield(task)

    async def user_operation_nonce(self, account: Address, key: int, *, block: int | None = None) -> int:
        """Return EntryPoint v0.7 `getNonce(account, key)`: the full 256-bit nonce."""
        word = await self.call(ENTRY_POINT, abi.GET_NONCE + abi.address(account) + abi.uint(key), block=block)
        if len(word) != 32:
            raise Unavailable("the node's chain has no entry point v0.7", reason="no_entry_point", part="node")
        return int.from_bytes(word, "big")

    async def fees(self) -> Fees:
        """Return the latest block's base fee and the node's suggested tip.

        The next block's base fee is at most an eighth higher.
        """
        block_read = self._read(_Block, "eth_getBlockByNumber", _LATEST, False)
        tip_read = self._read(WeiPerGas, "eth_maxPriorityFeePerGas")
        block, tip = await asyncio.gather(block_read, tip_read)
        return Fees(base_fee_per_gas=block.base_fee_per_gas or 0, max_priority_fee_per_gas=tip)

    async def block_number(self) -> int:
        """Return the number of the latest block."""
        found: int = await self._read(BlockNumber, "eth_blockNumber")
        return found

    async def block_head(self, number: int | None = None) -> BlockHead | None:
        """Return a block, the newest by default; None when the node does not have it."""
        answer = await self._client.read("eth_getBlockByNumber", [_LATEST if number is None else hex(number), False])
        if answer is None:
            return None
        found = self._client.decode_result(_BlockHead, answer)
        return BlockHead(number=found.number, hash=found.hash, timestamp=found.timestamp)

    async def find_operation(
        self, operation_hash: Hash32, blocks: range, *, to_latest: bool = False
    ) -> OperationReceipt | None:
        """Find an operation by EntryPoint's event in these blocks, and return its receipt."""
        return await operation_search.find_operation(self._client, operation_hash, blocks, to_latest=to_latest)

    async def read_operation(self, operation_hash: Hash32, *, transaction: Hash32) -> OperationReceipt | None:
        """Return the operation's receipt if `transaction` is in a block and has its event."""
        return await operation_search.read_operation(self._client, operation_hash, transaction=transaction)

    async def find_nonce_use(
        self, account: Address, nonce: int, blocks: range, *, to_latest: bool = False
    ) -> NonceUse | None:
        """Find the operation that used a full 256-bit nonce, in these blocks."""
        return await operation_search.find_nonce_use(self._client, account, nonce, blocks, to_latest=to_latest)

    async def find_logs(self, query: LogQuery, blocks: range, *, to_latest: bool = False) -> tuple[FoundLog, ...]:
        """Return the logs in these blocks that a filter matches, newest first."""
        return await log_search.find_logs(self._client, query, blocks, to_latest=to_latest)

    async def _read(self, kind: Any, method: str, *params: Any) -> Any:
        return self._client.decode_result(kind, await self._client.read(method, params))


def _mark_retrieved(task: asyncio.Task[bytes]) -> None:
    """Retrieve the exception of a task, since those that wait for it may all have been cancelled."""
    if not task.cancelled():
        task.exception()


def _format_block(block: int | None) -> str:
    return _LATEST if block is None else hex(block)


def _map_call_error(error: ErrorObject) -> WalletError:
    if not is_revert(error):
        return Unavailable("the node returned an error", part="node", upstreamCode=error.code)
    return ExecutionReverted("execution reverted", revert=revert_data(error))
