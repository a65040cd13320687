"""Reads of blocks, transactions and receipts."""

from __future__ import annotations

from wallet_rpc.devchain import answers
from wallet_rpc.devchain.answers import JsonValue
from wallet_rpc.devchain.block_reference import BlockReference, BlockTag, find_block, resolve_height
from wallet_rpc.devchain.chain import PENDING_BLOCK
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.ledger import Block
from wallet_rpc.devchain.node_errors import UnknownBlock
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import BlockNumber, Hash32
from wallet_rpc.wire import shape


@shape
class BlockByNumber:
    """A block by tag or height, and `full` for transaction objects instead of hashes."""

    block: BlockTag
    full: bool | None = None


@shape
class BlockByHash:
    """A block by its hash, and `full` for transaction objects instead of hashes."""

    hash: Hash32
    full: bool | None = None


@shape
class HashRequest:
    """The only parameter of a lookup by hash: the hash of a block or a transaction."""

    hash: Hash32


@shape
class BlockTagRequest:
    """A block by tag or height."""

    block: BlockTag


@shape
class BlockReferenceRequest:
    """A block by tag, height or hash."""

    block: BlockReference


@shape
class BlockHashAndIndex:
    """A transaction by its block's hash and its index."""

    hash: Hash32
    index: BlockNumber


@shape
class BlockTagAndIndex:
    """A transaction by its block's tag or height and its index."""

    block: BlockTag
    index: BlockNumber


async def get_block_by_number(context: DevChain, request: BlockByNumber) -> JsonValue:
    """`eth_getBlockByNumber`."""
    found = find_block(context.chain, request.block)
    return None if found is None else answers.format_block(found, full=request.full is True)


async def get_block_by_hash(context: DevChain, request: BlockByHash) -> JsonValue:
    """`eth_getBlockByHash`."""
    found = context.chain.block_by_hash(request.hash)
    return None if found is None else answers.format_block(found, full=request.full is True)


async def count_transactions_by_hash(context: DevChain, request: HashRequest) -> JsonValue:
    """`eth_getBlockTransactionCountByHash`."""
    return _count(context.chain.block_by_hash(request.hash))


async def count_transactions_by_number(context: DevChain, request: BlockTagRequest) -> JsonValue:
    """`eth_getBlockTransactionCountByNumber`."""
    return _count(find_block(context.chain, request.block))


async def get_transaction(context: DevChain, request: HashRequest) -> JsonValue:
    """`eth_getTransactionByHash`."""
    found = context.chain.find_transaction(request.hash)
    if found is not None:
        return answers.format_transaction(*found)
    sent = context.chain.mempool.find(request.hash)
    return None if sent is None else answers.format_pending(sent, context.chain.base_fee)


async def get_transaction_by_block_hash(context: DevChain, request: BlockHashAndIndex) -> JsonValue:
    """`eth_getTransactionByBlockHashAndIndex`."""
    return _transaction(context.chain.block_by_hash(request.hash), request.index)


async def get_transaction_by_block_number(context: DevChain, request: BlockTagAndIndex) -> JsonValue:
    """`eth_getTransactionByBlockNumberAndIndex`."""
    return _transaction(find_block(context.chain, request.block), request.index)


async def get_transaction_receipt(context: DevChain, request: HashRequest) -> JsonValue:
    """`eth_getTransactionReceipt`."""
    found = context.chain.find_transaction(request.hash)
    return None if found is None else answers.format_receipt(*found)


async def get_block_receipts(context: DevChain, request: BlockReferenceRequest) -> JsonValue:
    """`eth_getBlockReceipts`: null for an unknown block, also by its hash."""
    try:
        number = resolve_height(context.chain, request.block)
    except UnknownBlock:
        return None
    if number == PENDING_BLOCK:
        return None
    found = context.chain.head if number is None else context.chain.block(number)
    return None if found is None else [answers.format_receipt(found, inclusion) for inclusion in found.inclusions]


def _count(block: Block | None) -> JsonValue:
    return None if block is None else hex(len(block.inclusions))


def _transaction(block: Block | None, index: int) -> JsonValue:
    if block is None or index >= len(block.inclusions):
        return None
    return answers.format_transaction(block, block.inclusions[index])


OPERATIONS = (
    Operation("eth_getBlockByNumber", BlockByNumber, JsonValue, get_block_by_number, positional=True),
    Operation("eth_getBlockByHash", BlockByHash, JsonValue, get_block_by_hash, positional=True),
    Operation(
        "eth_getBlockTransactionCountByHash", HashRequest, JsonValue, count_transactions_by_hash, positional=True
    ),
    Operation(
        "eth_getBlockTransactionCountByNumber",
        BlockTagRequest,
        JsonValue,
        count_transactions_by_number,
        positional=True,
    ),
    Operation("eth_getTransactionByHash", HashRequest, JsonValue, get_transaction, positional=True),
    Operation(
        "eth_getTransactionByBlockHashAndIndex",
        BlockHashAndIndex,
        JsonValue,
        get_transaction_by_block_hash,
        positional=True,
    ),
    Operation(
        "eth_getTransactionByBlockNumberAndIndex",
        BlockTagAndIndex,
        JsonValue,
        get_transaction_by_block_number,
        positional=True,
    ),
    Operation("eth_getTransactionReceipt", HashRequest, JsonValue, get_transaction_receipt, positional=True),
    Operation("eth_getBlockReceipts", BlockReferenceRequest, JsonValue, get_block_receipts, positional=True),
)
"""Reads of blocks, transactions and receipts."""
