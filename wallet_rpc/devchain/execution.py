"""Inputs and results of runs on a chain's state: chain configuration, block values, overrides, executions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from eth.vm.execution_context import ExecutionContext
from eth_typing import Address, BlockNumber, Hash32

from wallet_rpc.devchain.chain_state import Value
from wallet_rpc.devchain.evm import ExecutionResult
from wallet_rpc.devchain.journal import Journal
from wallet_rpc.devchain.ledger import BlockValues, Inclusion
from wallet_rpc.devchain.sent_transaction import SentTransaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainConfig:
    """The constants of a chain, fixed when it is created."""

    chain_id: int = 31337
    base_fee: int = 10**9
    """The base fee in wei per gas of each block, unless a control method chose that of the next one."""
    gas_limit: int = 60_000_000
    """The gas limit of a block, until a control method changes it."""
    timestamp: int | None = None
    """The first block's time in Unix seconds; now when None."""
    is_clock_counted: bool = False
    """True if the clock goes a second forward with each block, from `timestamp` on, and else does not move."""
    number: int = 0
    """The first block's number; the pinned block's on a fork."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Changes to an account for one call."""

    balance: int | None = None
    nonce: int | None = None
    code: bytes | None = None
    state: Mapping[int, int] | None = None
    """The account's whole storage for the call, by slot; other slots are zero."""
    state_diff: Mapping[int, int] = field(default_factory=dict)
    """Changes to single slots of the account's storage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockOverride:
    """Changes to the block for one call."""

    number: int | None = None
    timestamp: int | None = None
    gas_limit: int | None = None
    base_fee: int | None = None
    coinbase: bytes | None = None
    prev_randao: bytes | None = None


NO_BLOCK_OVERRIDE = BlockOverride()
"""No change to the block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """A transaction that was run on the newest state and is not in a block yet."""

    sent: SentTransaction
    values: BlockValues
    has_chosen_time: bool
    """True if the caller set the timestamp; the clock then continues from it."""
    version: int
    gas_price: int
    result: ExecutionResult
    changes: dict[bytes, Value]

    def inclusion(self) -> Inclusion:
        """Return the record of the transaction in its block."""
        return Inclusion(
            raw=self.sent.raw,
            hash=self.sent.hash,
            sender=self.sent.sender,
            success=self.result.success,
            gas_used=self.result.gas_used,
            gas_price=self.gas_price,
            logs=self.result.logs,
        )


def apply_override(journal: Journal, address: Address, override: Override) -> None:
    """Apply an override to the account, before the run."""
    if override.balance is not None:
        journal.set_balance(address, override.balance)
    if override.nonce is not None:
        journal.set_nonce(address, override.nonce)
    if override.code is not None:
        journal.set_code(address, bytes(override.code))
    if override.state is not None:
        journal.replace_storage(address, override.state)
    journal.override_storage(address, override.state_diff)


def block_context(
    chain_id: int,
    number: int,
    values: BlockValues,
    hashes: Iterable[Hash32],
    changed: BlockOverride = NO_BLOCK_OVERRIDE,
) -> ExecutionContext:
    """Build the block values that code sees; `hashes` are its ancestors', parent first."""
    return ExecutionContext(
        coinbase=Address(values.coinbase if changed.coinbase is None else bytes(changed.coinbase)),
        timestamp=values.timestamp if changed.timestamp is None else changed.timestamp,
        block_number=BlockNumber(number if changed.number is None else changed.number),
        difficulty=0,
        mix_hash=Hash32(bytes(32) if changed.prev_randao is None else bytes(changed.prev_randao)),
        gas_limit=values.gas_limit if changed.gas_limit is None else changed.gas_limit,
        prev_hashes=hashes,
        chain_id=chain_id,
        base_fee_per_gas=values.base_fee if changed.base_fee is None else changed.base_fee,
        excess_blob_gas=0,
    )
