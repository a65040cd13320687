"""Reads of blocks, transactions, receipts and logs."""

from __future__ import annotations

from collections.abc import Iterator

from wallet_rpc.devchain import answers
from wallet_rpc.devchain.answers import Json
from wallet_rpc.devchain.block_reference import BlockReference, height, mined
from wallet_rpc.devchain.chain import PENDING, Chain
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.evm import Log
from wallet_rpc.devchain.faults import UnknownBlock
from wallet_rpc.devchain.ledger import Block, Inclusion
from wallet_rpc.errors import InvalidParams
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import Address, BlockNumber, Hash32
from wallet_rpc.wire import shape


@shape
class BlockByNumber:
    """A block, with whole transactions or their hashes."""

    block: BlockReference
    full: bool = False


@shape
class BlockByHash:
    """A block by its hash."""

    hash: Hash32
    full: bool = False


@shape
class ByHash:
    """A block or transaction by its hash."""

    hash: Hash32


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
class IndexByReference:
    """A transaction by its place."""

    block: BlockReference
    index: BlockNumber


@shape
class LogFilter:
    """Which logs: of one block, or of a range; of some addresses; with some topics, each null, one or any of some."""

    from_block: BlockReference | None = None
    to_block: BlockReference | None = None
    block_hash: Hash32 | None = None
    address: Address | tuple[Address, ...] | None = None
    topics: tuple[Hash32 | tuple[Hash32 | None, ...] | None, ...] | None = None


@shape
class LogsRequest:
    """`eth_getLogs`."""

    filter: LogFilter


async def by_number(context: DevChain, request: BlockByNumber) -> Json:
    """`eth_getBlockByNumber`."""
    found = mined(context.chain, request.block)
    return None if found is None else answers.block(found, full=request.full)


async def by_hash(context: DevChain, request: BlockByHash) -> Json:
    """`eth_getBlockByHash`."""
    found = context.chain.block_by_hash(request.hash)
    return None if found is None else answers.block(found, full=request.full)


async def count_by_hash(context: DevChain, request: ByHash) -> Json:
    """`eth_getBlockTransactionCountByHash`."""
    return _count(context.chain.block_by_hash(request.hash))


async def count_by_number(context: DevChain, request: ByReference) -> Json:
    """`eth_getBlockTransactionCountByNumber`."""
    return _count(mined(context.chain, request.block))


async def transaction(context: DevChain, request: ByHash) -> Json:
    """`eth_getTransactionByHash`."""
    return _transaction(context.chain.find_transaction(request.hash))


async def transaction_by_hash_place(context: DevChain, request: IndexByHash) -> Json:
    """`eth_getTransactionByBlockHashAndIndex`."""
    return _transaction(context.chain.block_by_hash(request.hash)) if request.index == 0 else None


async def transaction_by_place(context: DevChain, request: IndexByReference) -> Json:
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
    found = mined(context.chain, request.block)
    if found is None:
        return None
    return [] if found.inclusion is None else [answers.receipt(found, found.inclusion)]


async def logs(context: DevChain, request: LogsRequest) -> Json:
    """`eth_getLogs`."""
    wanted = request.filter
    addresses = (wanted.address,) if isinstance(wanted.address, Address) else wanted.address
    senders = None if addresses is None or len(addresses) == 0 else {bytes(address) for address in addresses}
    topics = [_choices(topic) for topic in wanted.topics or ()]
    return [
        answers.log(block, inclusion, position)
        for block, inclusion in _range(context.chain, wanted)
        for position, event in enumerate(inclusion.logs)
        if (senders is None or event.address in senders) and _matches(event, topics)
    ]


def _count(block: Block | None) -> Json:
    if block is None:
        return None
    return "0x0" if block.inclusion is None else "0x1"


def _transaction(block: Block | None) -> Json:
    if block is None or block.inclusion is None:
        return None
    return answers.transaction(block, block.inclusion)


def _range(chain: Chain, wanted: LogFilter) -> Iterator[tuple[Block, Inclusion]]:
    if wanted.block_hash is not None:
        if wanted.from_block is not None or wanted.to_block is not None:
            raise InvalidParams("filter: expected blockHash or a range, got both", field="params.filter")
        found = chain.block_by_hash(wanted.block_hash)
        if found is None:
            raise UnknownBlock
        first = last = found.number
    else:
        first, last = _end(chain, wanted.from_block), _end(chain, wanted.to_block)
        if first > last:
            raise InvalidParams("filter: fromBlock is after toBlock", reason="invalid_range", field="params.filter")
    for number in range(max(first, chain.first_number), min(last, chain.head.number) + 1):
        block = chain.block(number)
        if block is not None and block.inclusion is not None:
            yield block, block.inclusion


def _end(chain: Chain, reference: BlockReference | None) -> int:
    number = height(chain, reference)
    return chain.head.number if number is None or number == PENDING else number


def _choices(topic: Hash32 | tuple[Hash32 | None, ...] | None) -> frozenset[bytes] | None:
    """What a topic may be; None for anything."""
    match topic:
        case None | ():
            return None
        case Hash32():
            return frozenset({bytes(topic)})
        case _:
            return None if None in topic else frozenset(bytes(choice) for choice in topic if choice is not None)


def _matches(event: Log, topics: list[frozenset[bytes] | None]) -> bool:
    if len(topics) > len(event.topics):
        return False
    return all(choices is None or topic in choices for topic, choices in zip(event.topics, topics, strict=False))


OPERATIONS = (
    Operation("eth_getBlockByNumber", BlockByNumber, Json, by_number, positional=True),
    Operation("eth_getBlockByHash", BlockByHash, Json, by_hash, positional=True),
    Operation("eth_getBlockTransactionCountByHash", ByHash, Json, count_by_hash, positional=True),
    Operation("eth_getBlockTransactionCountByNumber", ByReference, Json, count_by_number, positional=True),
    Operation("eth_getTransactionByHash", ByHash, Json, transaction, positional=True),
    Operation("eth_getTransactionByBlockHashAndIndex", IndexByHash, Json, transaction_by_hash_place, positional=True),
    Operation("eth_getTransactionByBlockNumberAndIndex", IndexByReference, Json, transaction_by_place, positional=True),
    Operation("eth_getTransactionReceipt", ByHash, Json, receipt, positional=True),
    Operation("eth_getBlockReceipts", ByReference, Json, receipts, positional=True),
    Operation("eth_getLogs", LogsRequest, Json, logs, positional=True),
)
"""Reads of what was mined."""
