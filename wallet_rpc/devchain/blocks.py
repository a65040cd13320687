"""Reads of blocks, transactions and receipts."""

from __future__ import annotations

from wallet_rpc.devchain import answers
from wallet_rpc.devchain.answers import Json
from wallet_rpc.devchain.block_reference import BlockReference, BlockTag, height, mined
from wallet_rpc.devchain.chain import PENDING
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.ledger import Block
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import BlockNumber, Hash32
from wallet_rpc.wire import shape


@shape
class BlockByNumber:
    """A block, with whole transactions or their hashes."""

    block: BlockTag
    full: bool | None = None


@shape
class BlockByHash:
    """A block by its hash."""

    hash: Hash32
    full: bool | None = None


@shape
class ByHash:
    """A block or transaction by its hash."""

    hash: Hash32


@shape
class ByTag:
    """A block."""

    block: BlockTag


@shape
class ByReference:
    """A block."""

    block: BlockReference


@shape
class IndexByHash:
    """A transaction by its place."""

    hash: Hash32
    index: BlockNumber


@shape
class IndexByTag:
    """A transaction by its place."""

    block: BlockTag
    index: BlockNumber


async def by_number(context: DevChain, request: BlockByNumber) -> Json:
    """`eth_getBlockByNumber`."""
    found = mined(context.chain, request.block)
    return None if found is None else answers.block(found, full=request.full is True)


async def by_hash(context: DevChain, request: BlockByHash) -> Json:
    """`eth_getBlockByHash`."""
    found = context.chain.block_by_hash(request.hash)
    return None if found is None else answers.block(found, full=request.full is True)


async def count_by_hash(context: DevChain, request: ByHash) -> Json:
    """`eth_getBlockTransactionCountByHash`."""
    return _count(context.chain.block_by_hash(request.hash))


async def count_by_number(context: DevChain, request: ByTag) -> Json:
    """`eth_getBlockTransactionCountByNumber`."""
    return _count(mined(context.chain, request.block))


async def transaction(context: DevChain, request: ByHash) -> Json:
    """`eth_getTransactionByHash`."""
    return _transaction(context.chain.find_transaction(request.hash))


async def transaction_by_hash_place(context: DevChain, request: IndexByHash) -> Json:
    """`eth_getTransactionByBlockHashAndIndex`."""
    return _transaction(context.chain.block_by_hash(request.hash)) if request.index == 0 else None


async def transaction_by_place(context: DevChain, request: IndexByTag) -> Json:
    """`eth_getTransactionByBlockNumberAndIndex`."""
    return _transaction(mined(context.chain, request.block)) if request.index == 0 else None


async def receipt(context: DevChain, request: ByHash) -> Json:
    """`eth_getTransactionReceipt`."""
    found = context.chain.find_transaction(request.hash)
    if found is None or found.inclusion is None:
        return None
    return answers.receipt(found, found.inclusion)


async def receipts(context: DevChain, request: ByReference) -> Json:
    """`eth_getBlockReceipts`."""
    number = height(context.chain, request.block)
    if number == PENDING:
        return None
    found = context.chain.head if number is None else context.chain.block(number)
    if found is None:
        return None
    return [] if found.inclusion is None else [answers.receipt(found, found.inclusion)]


def _count(block: Block | None) -> Json:
    if block is None:
        return None
    return "0x0" if block.inclusion is None else "0x1"


def _transaction(block: Block | None) -> Json:
    if block is None or block.inclusion is None:
        return None
    return answers.transaction(block, block.inclusion)


OPERATIONS = (
    Operation("eth_getBlockByNumber", BlockByNumber, Json, by_number, positional=True),
    Operation("eth_getBlockByHash", BlockByHash, Json, by_hash, positional=True),
    Operation("eth_getBlockTransactionCountByHash", ByHash, Json, count_by_hash, positional=True),
    Operation("eth_getBlockTransactionCountByNumber", ByTag, Json, count_by_number, positional=True),
    Operation("eth_getTransactionByHash", ByHash, Json, transaction, positional=True),
    Operation("eth_getTransactionByBlockHashAndIndex", IndexByHash, Json, transaction_by_hash_place, positional=True),
    Operation("eth_getTransactionByBlockNumberAndIndex", IndexByTag, Json, transaction_by_place, positional=True),
    Operation("eth_getTransactionReceipt", ByHash, Json, receipt, positional=True),
    Operation("eth_getBlockReceipts", ByReference, Json, receipts, positional=True),
)
"""Reads of what was mined."""
