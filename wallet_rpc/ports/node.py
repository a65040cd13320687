"""Port of a chain's node: reads, at the latest block or at another, and the search for operations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from wallet_rpc.primitives import Address, Hash32, UnixSeconds, Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """Fees for the next block, in wei for one unit of gas."""

    base_fee_per_gas: int
    max_priority_fee_per_gas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One log entry of a receipt."""

    address: Address
    topics: tuple[Hash32, ...]
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLog(Log):
    """One log entry that a search found."""

    block_number: int
    log_index: int
    """Its place among the logs of its block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """A filter of logs: by contracts and, for each topic, by the values that it may have; empty: any value."""

    addresses: tuple[Address, ...]
    topics: tuple[tuple[Hash32, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationReceipt:
    """The receipt of an included user operation (ERC-7769 `eth_getUserOperationReceipt`)."""

    success: bool
    revert_reason: bytes
    """Raw revert data of the execution; empty if it succeeded or reverted without data."""
    logs: tuple[Log, ...]
    """The logs of the operation, without those of other operations in its transaction."""
    transaction_hash: Hash32
    block_hash: Hash32
    block_number: int
    gas_used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockHead:
    """A block's number, hash and timestamp."""

    number: int
    hash: Hash32
    timestamp: UnixSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class NonceUse:
    """The operation that used a nonce: its cost in wei, its block, and True if a paymaster paid it."""

    operation_hash: Hash32
    cost: int
    block_number: int
    is_sponsored: bool


NO_LOGS = "node_without_logs"
"""Reason of the error of a node that answers, but does not search its logs."""


class Node(Protocol):
    """Reads from a node, at the latest block or at that of the number `block`."""

    async def code(self, address: Address, *, block: int | None = None) -> bytes:
        """Read the code at `address`; empty without a contract."""

    async def balance(self, address: Address) -> int:
        """Read the balance of `address` in wei."""

    async def storage(self, address: Address, slot: Word) -> bytes:
        """Read the 32-byte word in a slot of a contract's storage."""

    async def transaction_count(self, address: Address) -> int:
        """Read the nonce of `address` for transactions and EIP-7702 authorizations."""

    async def call(self, to: Address, data: bytes) -> bytes:
        """Call a contract and return its data. Raises: ExecutionReverted with the raw revert data as fact `revert`."""

    async def call_itself(self, account: Address, data: bytes, *, override: Mapping[str, Any] | None = None) -> bytes:
        """Run a call of an account to itself, and return its data; nothing is stored. Raises: as `call`.

        `override` replaces parts of the account during the call, in the JSON form of geth's state overrides.
        """

    async def call_stand_in(self, stand_in: Address, data: bytes, override: Mapping[str, Any]) -> bytes:
        """Run a call of an address to itself, which has code by the override only. Raises: as `call`.

        The stand-in has no state. So the outcome is that of an equal call that began a moment ago, and may be shared.
        """

    async def user_operation_nonce(self, account: Address, key: int, *, block: int | None = None) -> int:
        """Read the full 256-bit nonce from EntryPoint v0.7 `getNonce(account, key)`."""

    async def fees(self) -> Fees:
        """Read the current fees."""

    async def block_number(self) -> int:
        """Read the number of the latest block."""

    async def block_head(self, number: int | None = None) -> BlockHead | None:
        """Read a block, the newest by default; None when the node does not have it, or not yet."""

    async def find_operation(
        self, operation_hash: Hash32, blocks: range, *, to_latest: bool = False
    ) -> OperationReceipt | None:
        """Find an operation by EntryPoint's event in these blocks, and return its receipt.

        `to_latest` says that the last of the blocks is the node's latest one.
        Raises: Unavailable, with reason `NO_LOGS` from a node that does not search its logs.
        """

    async def read_operation(self, operation_hash: Hash32, *, transaction: Hash32) -> OperationReceipt | None:
        """Return the operation's receipt if `transaction` is in a block and has EntryPoint's event of it."""

    async def find_nonce_use(
        self, account: Address, nonce: int, blocks: range, *, to_latest: bool = False
    ) -> NonceUse | None:
        """Find the operation that used a full 256-bit nonce, in these blocks. Raises: as `find_operation`."""

    async def find_logs(self, query: LogQuery, blocks: range, *, to_latest: bool = False) -> tuple[FoundLog, ...]:
        """Return the logs in these blocks that a filter matches, newest first. Raises: as `find_operation`."""
