"""Simulation of blocks on top of a stored one: each with overrides and unsigned calls (`eth_simulateV1`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain as join
from typing import Any

from eth_typing import Address, Hash32

from wallet_rpc.devchain.admission import BlockEnvironment, check_transaction
from wallet_rpc.devchain.chain import Blockchain
from wallet_rpc.devchain.chain_state import Value
from wallet_rpc.devchain.evm import EventLog, ExecutionResult, run_transaction
from wallet_rpc.devchain.execution import BlockOverride, Execution, Override, block_context
from wallet_rpc.devchain.journal import Journal
from wallet_rpc.devchain.ledger import Block, BlockValues, make_block
from wallet_rpc.devchain.node_errors import NodeRejection
from wallet_rpc.devchain.sent_transaction import SentTransaction
from wallet_rpc.devchain.signing import GasFees, UnsignedTransaction
from wallet_rpc.devchain.traced_machine import Destruction, TracedComputation, TracedLog
from wallet_rpc.domain.abi import keccak

BLOCK_SECONDS = 12
"""The difference of the times of two simulated blocks without an override. Source: geth."""
TRANSFER_ADDRESS = b"\xee" * 20
"""The address of the logs that stand for transfers of the native coin."""
_TRANSFER = keccak(b"Transfer(address,address,uint256)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedCall:
    """An unsigned call; absent numbers are filled in."""

    sender: bytes
    to: bytes | None
    data: bytes
    value: int
    gas: int | None
    nonce: int | None
    fees: GasFees
    access_list: Sequence[tuple[bytes, Sequence[int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedBlock:
    """The overrides and the calls of a block."""

    block: BlockOverride
    overrides: Mapping[bytes, Override]
    calls: Sequence[SimulatedCall]


@dataclass(frozen=True, slots=True)
class BlockOutcome:
    """A simulated block, with the result of each of its calls."""

    block: Block
    results: Sequence[ExecutionResult]


@dataclass(slots=True)
class Simulation:
    """The state of a simulation, which begins after block `base` of the chain."""

    chain: Blockchain
    base: Block
    version: int
    changes: dict[bytes, Value]
    validates: bool
    traces_transfers: bool
    outcomes: list[BlockOutcome] = field(default_factory=list)

    def add(self, simulated: SimulatedBlock) -> None:
        """Run a block on the state after the last one, and empty ones up to it. Raises: NodeRejection."""
        number = self._last.number + 1 if simulated.block.number is None else simulated.block.number
        while self._last.number + 1 < number:
            values = replace(self._values(BlockOverride()), timestamp=self._last.timestamp + BLOCK_SECONDS)
            self.outcomes.append(BlockOutcome(make_block(self._last, values, state_root=bytes(32)), []))
        values = self._values(simulated.block)
        self._override(simulated.overrides)
        executions: list[Execution] = []
        for call in simulated.calls:
            left = values.gas_limit - sum(each.result.gas_used for each in executions)
            executions.append(self._run(call, values, simulated.block, left))
        inclusions = [execution.inclusion() for execution in executions]
        block = make_block(self._last, values, state_root=bytes(32), inclusions=inclusions)
        self.outcomes.append(BlockOutcome(block, [execution.result for execution in executions]))

    @property
    def _last(self) -> Block:
        return self.outcomes[-1].block if self.outcomes else self.base

    def _values(self, override: BlockOverride) -> BlockValues:
        chain = self.chain
        default_fee = chain.config.base_fee if self.validates else 0
        at = self._last.timestamp + BLOCK_SECONDS if override.timestamp is None else override.timestamp
        return BlockValues(
            timestamp=at,
            gas_limit=chain.gas_limit if override.gas_limit is None else override.gas_limit,
            base_fee=default_fee if override.base_fee is None else override.base_fee,
            coinbase=chain.settings.coinbase if override.coinbase is None else bytes(override.coinbase),
        )

    def _override(self, overrides: Mapping[bytes, Override]) -> None:
        """Change accounts for this block and the following ones."""
        journal = self._open_journal()
        for account, override in overrides.items():
            address = Address(account)
            if override.balance is not None:
                journal.set_balance(address, override.balance)
            if override.nonce is not None:
                journal.set_nonce(address, override.nonce)
            if override.code is not None:
                journal.set_code(address, bytes(override.code))
            words = dict(override.state_diff)
            if override.state is not None:
                words |= dict.fromkeys(self._find_slots(account), 0) | dict(override.state)
            for slot, word in words.items():
                journal.set_storage(address, slot, word)
        self.changes.update(journal.changes())

    def _find_slots(self, account: bytes) -> Iterator[int]:
        for key in [*self.chain.newest_values(), *self.changes]:
            if len(key) == 52 and key[:20] == account:
                yield int.from_bytes(key[20:])

    def _open_journal(self) -> Journal:
        return self.chain.open_journal(self.version, self.changes, Journal)

    def _run(self, call: SimulatedCall, values: BlockValues, override: BlockOverride, gas_left: int) -> Execution:
        journal = self._open_journal()
        sender = Address(call.sender)
        nonce = journal.get_nonce(sender)
        unsigned = UnsignedTransaction(
            chain_id=self.chain.config.chain_id,
            nonce=call.nonce if self.validates and call.nonce is not None else nonce,
            fees=call.fees,
            gas=gas_left if call.gas is None else call.gas,
            to=call.to,
            value=call.value,
            data=call.data,
            access_list=call.access_list,
        )
        if unsigned.gas > gas_left:
            raise NodeRejection("block gas limit reached", reason="gas_limit")
        sent = SentTransaction.impersonate(unsigned.encode_without_signature(), sender)
        check_transaction(
            sent,
            journal,
            BlockEnvironment(self.chain.config.chain_id, values.base_fee if self.validates else 0, gas_left),
        )
        context = block_context(
            self.chain.config.chain_id, self._last.number + 1, values, self._hashes(), replace(override, number=None)
        )
        run = partial(run_transaction, journal, context, sent.transaction, TracedComputation)
        result = self.chain.limit.run(run)
        root: Any = result.frame.computation
        if self.traces_transfers and result.success:
            result = replace(result, logs=tuple(_logs_with_transfers(root)))
        changes = journal.changes()
        self.changes.update(changes)
        return Execution(
            sent=sent,
            values=values,
            has_chosen_time=False,
            version=self.version,
            gas_price=min(call.fees.most, call.fees.tip + values.base_fee),
            result=result,
            changes=changes,
        )

    def _hashes(self) -> Iterator[Hash32]:
        simulated = (Hash32(outcome.block.hash) for outcome in reversed(self.outcomes))
        return join(simulated, self.chain.blocks.hashes_before(self.base.number + 1))


def _logs_with_transfers(frame: TracedComputation) -> Iterator[EventLog]:
    """Iterate over the logs of a frame, with one for each transfer of the native coin."""
    if frame.msg.value and frame.kind in {"CALL", "CREATE", "CREATE2"}:
        yield _transfer_log(frame.caller, frame.msg.storage_address, frame.msg.value)
    for event in frame.events:
        match event:
            case TracedLog():
                yield EventLog(event.address, tuple(topic.to_bytes(32) for topic in event.topics), event.data)
            case Destruction() if event.value:
                yield _transfer_log(event.address, event.beneficiary, event.value)
            case TracedComputation() if event.is_success:
                yield from _logs_with_transfers(event)


def _transfer_log(sender: bytes, receiver: bytes, value: int) -> EventLog:
    topics = (bytes(_TRANSFER), bytes(12) + bytes(sender), bytes(12) + bytes(receiver))
    return EventLog(TRANSFER_ADDRESS, topics, value.to_bytes(32))
