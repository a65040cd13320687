"""Reads of the mempool (`txpool_*`), and the control methods that drop transactions from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from wallet_rpc.devchain import answers
from wallet_rpc.devchain.answers import JsonValue
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.sent_transaction import SentTransaction
from wallet_rpc.devchain.state_reads import NoParams
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import Address, Hash32
from wallet_rpc.wire import shape


@shape
class PoolTransaction:
    """A transaction of the mempool, by its hash."""

    hash: Hash32


@shape
class PoolSender:
    """The sender of transactions of the mempool."""

    address: Address


async def get_status(context: DevChain, request: NoParams) -> JsonValue:
    """`txpool_status`: the numbers of transactions that can be mined now, and of those whose nonce is too high."""
    ready, queued = _split(context)
    return {"pending": hex(len(ready)), "queued": hex(len(queued))}


async def get_content(context: DevChain, request: NoParams) -> JsonValue:
    """`txpool_content`: the transactions by sender and nonce."""
    form = partial(answers.format_pending, base_fee=context.chain.base_fee)
    ready, queued = _split(context)
    return {"pending": _by_sender(ready, form), "queued": _by_sender(queued, form)}


async def inspect(context: DevChain, request: NoParams) -> JsonValue:
    """`txpool_inspect`: a line for each transaction, by sender and nonce."""
    ready, queued = _split(context)
    return {"pending": _by_sender(ready, _describe), "queued": _by_sender(queued, _describe)}


async def drop_transaction(context: DevChain, request: PoolTransaction) -> JsonValue:
    """`anvil_dropTransaction`: returns the hash, or null when the transaction is not in the mempool."""
    if not context.chain.mempool.drop(request.hash):
        return None
    context.chain.store_node()
    return answers.format_data(request.hash)


async def drop_all(context: DevChain, request: NoParams) -> JsonValue:
    """`anvil_dropAllTransactions`."""
    context.chain.mempool.clear()
    context.chain.store_node()


async def drop_sender(context: DevChain, request: PoolSender) -> JsonValue:
    """`anvil_removePoolTransactions`: drops all transactions of a sender."""
    context.chain.mempool.drop_sender(request.address)
    context.chain.store_node()


def _split(context: DevChain) -> tuple[list[SentTransaction], list[SentTransaction]]:
    return context.chain.mempool.split(context.chain.nonce)


def _by_sender(transactions: Iterable[SentTransaction], form: Callable[[SentTransaction], JsonValue]) -> JsonValue:
    found: dict[str, dict[str, JsonValue]] = {}
    for sent in transactions:
        found.setdefault(answers.format_data(sent.sender), {})[str(sent.nonce)] = form(sent)
    return found


def _describe(sent: SentTransaction) -> str:
    """Return a transaction's line, as geth writes it."""
    transaction = sent.transaction
    to = answers.format_data(transaction.to) if transaction.to else "contract creation"
    price = f"{transaction.gas} gas × {transaction.max_fee_per_gas} wei"
    return f"{to}: {transaction.value} wei + {price}"


POOL_READS = (
    Operation("txpool_status", NoParams, JsonValue, get_status, positional=True),
    Operation("txpool_content", NoParams, JsonValue, get_content, positional=True),
    Operation("txpool_inspect", NoParams, JsonValue, inspect, positional=True),
)
"""The reads of the mempool."""
OPERATIONS = (
    *POOL_READS,
    Operation("anvil_removePoolTransactions", PoolSender, JsonValue, drop_sender, positional=True),
    *(
        operation
        for maker in ("anvil", "hardhat")
        for operation in (
            Operation(f"{maker}_dropTransaction", PoolTransaction, JsonValue, drop_transaction, positional=True),
            Operation(f"{maker}_dropAllTransactions", NoParams, JsonValue, drop_all, positional=True),
        )
    ),
)
"""All methods of the mempool."""
