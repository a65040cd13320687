"""Repeated run of a mined transaction, on the state that it ran on."""

from __future__ import annotations

from functools import partial
from typing import TypeVar

from wallet_rpc.devchain.chain import Blockchain
from wallet_rpc.devchain.chain_state import Value
from wallet_rpc.devchain.computation import Computation
from wallet_rpc.devchain.evm import ExecutionResult, run_transaction
from wallet_rpc.devchain.journal import Journal
from wallet_rpc.devchain.ledger import Block, Inclusion
from wallet_rpc.devchain.sent_transaction import SentTransaction

_J = TypeVar("_J", bound=Journal)


def open_before(chain: Blockchain, block: Block, inclusion: Inclusion) -> tuple[int, dict[bytes, Value]]:
    """Return the state version before the block, and the changes of its transactions before `inclusion`."""
    version = chain.version_before(block.number)
    changes: dict[bytes, Value] = {}
    for earlier in block.inclusions[: inclusion.index]:
        journal = chain.open_journal(version, changes, Journal)
        run_again(chain, block, earlier, journal, Computation)
        changes = {**changes, **journal.changes()}
    return version, changes


def run_again(
    chain: Blockchain, block: Block, inclusion: Inclusion, journal: Journal, machine: type[Computation]
) -> ExecutionResult:
    """Run a mined transaction again on `journal`."""
    transaction = SentTransaction.from_inclusion(inclusion).transaction
    return chain.limit.run(partial(run_transaction, journal, chain.context(block.number), transaction, machine))
