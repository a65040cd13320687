"""The block that would be mined now: the ready transactions of the mempool, run one after the other.

Transactions with a higher fee come first, as in anvil; those of one sender are in the order of their nonces.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from eth_typing import Address

from wallet_rpc.devchain.chain_state import Value
from wallet_rpc.devchain.execution import Execution
from wallet_rpc.devchain.ledger import BlockValues
from wallet_rpc.devchain.mempool import Mempool
from wallet_rpc.devchain.node_errors import ExecutionTimeout, NodeRejection
from wallet_rpc.devchain.sent_transaction import SentTransaction


@dataclass(slots=True)
class PendingBlock:
    """The executions of a block, their changes together, and the rejections of transactions that cannot run."""

    version: int
    values: BlockValues
    executions: list[Execution] = field(default_factory=list)
    changes: dict[bytes, Value] = field(default_factory=dict)
    rejections: dict[bytes, NodeRejection] = field(default_factory=dict)

    def add(self, execution: Execution) -> None:
        """Add an execution that ran after the others."""
        self.executions.append(execution)
        self.changes.update(execution.changes)


Run = Callable[[SentTransaction, BlockValues, Mapping[bytes, Value]], Execution]
"""Runs a transaction in a block, after changes. Raises: NodeRejection."""


def build_pending(
    pool: Mempool,
    values: BlockValues,
    version: int,
    nonce_of: Callable[[Address], int],
    run: Run,
    previous: PendingBlock | None = None,
) -> PendingBlock:
    """Build the block of `values` on a state version; executions of `previous` that are the same are not run again."""
    block = PendingBlock(version, values)
    is_same = previous is not None and (previous.version, previous.values) == (version, values)
    known = iter(previous.executions) if previous is not None and is_same else iter(())
    order = _Order(pool, nonce_of)
    gas = 0
    for sent in order:
        if gas + sent.transaction.gas > values.gas_limit:
            continue
        execution = next(known, None)
        if execution is None or execution.sent is not sent:
            known = iter(())
            try:
                execution = run(sent, values, block.changes)
            except ExecutionTimeout as error:
                if not block.executions:
                    block.rejections[sent.hash] = error
                break
            except NodeRejection as error:
                block.rejections[sent.hash] = error
                continue
        gas += execution.result.gas_used
        block.add(execution)
        order.advance(sent)
    return block


class _Order:
    """The ready transactions; a sender's next one follows only after `advance` of the one before it."""

    def __init__(self, pool: Mempool, nonce_of: Callable[[Address], int]) -> None:
        self._pool = pool
        self._arrivals = {sent.hash: number for number, sent in enumerate(pool)}
        self._heap: list[tuple[int, int, SentTransaction]] = []
        for sender in pool.senders():
            self._push(sender, nonce_of(sender))

    def __iter__(self) -> Iterator[SentTransaction]:
        while self._heap:
            yield heapq.heappop(self._heap)[2]

    def advance(self, sent: SentTransaction) -> None:
        """Continue with the sender's next transaction."""
        self._push(sent.sender, sent.nonce + 1)

    def _push(self, sender: Address, nonce: int) -> None:
        sent = self._pool.find_by_nonce(sender, nonce)
        if sent is not None:
            heapq.heappush(self._heap, (-sent.transaction.max_fee_per_gas, self._arrivals[sent.hash], sent))
