"""Methods of filters that clients poll: `eth_newFilter`, `eth_getFilterChanges` and the like."""

from __future__ import annotations

from wallet_rpc.devchain import answers, logs
from wallet_rpc.devchain.answers import JsonValue
from wallet_rpc.devchain.block_reference import resolve_tag
from wallet_rpc.devchain.chain import PENDING_BLOCK, Blockchain
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.filter_store import BlockFilter, FilterNotFound, LogsFilter, PendingFilter
from wallet_rpc.devchain.log_search import LogFilter, find_matching
from wallet_rpc.devchain.logs import LogsRequest
from wallet_rpc.devchain.state_reads import NoParams
from wallet_rpc.errors import InvalidParams
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import Uint256
from wallet_rpc.wire import shape

MAX_BLOCK_HASHES = 1_000
"""The maximum number of block hashes in one response; the next poll returns the next ones."""


@shape
class FilterId:
    """A filter's id."""

    filter: Uint256


async def new_filter(context: DevChain, request: LogsRequest) -> int:
    """`eth_newFilter`: the first poll also returns the logs from `fromBlock` on, if that is given, as in anvil."""
    conditions, chain = request.filter, context.chain
    if conditions.block_hash is not None:
        raise InvalidParams("expected a range of blocks, got blockHash", field="params.filter.blockHash")
    first_tag, last_tag = conditions.from_block, conditions.to_block
    start = None if first_tag is None else resolve_tag(chain, first_tag, at="params.filter.fromBlock")
    if last_tag is not None:
        resolve_tag(chain, last_tag, at="params.filter.toBlock")  # polls resolve it again, as a tag moves
    first = chain.head.number + 1 if start is None or start == PENDING_BLOCK else start
    return context.filters.add(LogsFilter(conditions, first))


async def new_block_filter(context: DevChain, request: NoParams) -> int:
    """`eth_newBlockFilter`."""
    return context.filters.add(BlockFilter(context.chain.head.number + 1))


async def new_pending_filter(context: DevChain, request: NoParams) -> int:
    """`eth_newPendingTransactionFilter`."""
    return context.filters.add(PendingFilter(context.chain.mempool.recorded))


async def get_changes(context: DevChain, request: FilterId) -> JsonValue:
    """`eth_getFilterChanges`: block hashes, transaction hashes or logs since the last poll. Raises: FilterNotFound."""
    chain = context.chain
    match context.filters.get(request.filter):
        case BlockFilter() as blocks:
            return _read_hashes(chain, blocks)
        case PendingFilter() as pending:
            fresh = chain.mempool.recorded_since(pending.seen)
            pending.seen = chain.mempool.recorded
            return [answers.format_data(identity) for identity in fresh]
        case LogsFilter() as found:
            return _read_logs(chain, found)


async def get_filter_logs(context: DevChain, request: FilterId) -> JsonValue:
    """`eth_getFilterLogs`: all logs that a log filter matches. Raises: FilterNotFound, LimitExceeded."""
    found = context.filters.get(request.filter)
    if not isinstance(found, LogsFilter):
        raise FilterNotFound
    return await logs.get_logs(context, LogsRequest(filter=found.conditions))


async def uninstall(context: DevChain, request: FilterId) -> bool:
    """`eth_uninstallFilter`: false for an unknown filter."""
    return context.filters.remove(request.filter)


def _read_hashes(chain: Blockchain, blocks: BlockFilter) -> JsonValue:
    end = min(chain.head.number + 1, blocks.next_number + MAX_BLOCK_HASHES)
    found = [chain.block(number) for number in range(blocks.next_number, end)]
    blocks.next_number = max(end, blocks.next_number)
    return [answers.format_data(block.hash) for block in found if block is not None]


def _read_logs(chain: Blockchain, found: LogsFilter) -> JsonValue:
    """Return the new logs; after `MAX_LOGS` of them, the rest of the blocks is left to the next poll."""
    last = _last_number(chain, found.conditions)
    result: list[JsonValue] = []
    number = found.next_number
    for block, inclusion, position in find_matching(chain.blocks, found.conditions, number, last):
        if len(result) >= logs.MAX_LOGS and block.number != number:
            found.next_number = block.number
            return result
        number = block.number
        result.append(answers.format_log(block, inclusion, position))
    found.next_number = max(chain.head.number + 1, found.next_number)
    return result


def _last_number(chain: Blockchain, conditions: LogFilter) -> int:
    end = None if conditions.to_block is None else resolve_tag(chain, conditions.to_block)
    return chain.head.number if end is None or end == PENDING_BLOCK else min(end, chain.head.number)


OPERATIONS = (
    Operation("eth_newFilter", LogsRequest, Uint256, new_filter, positional=True),
    Operation("eth_newBlockFilter", NoParams, Uint256, new_block_filter, positional=True),
    Operation("eth_newPendingTransactionFilter", NoParams, Uint256, new_pending_filter, positional=True),
    Operation("eth_getFilterChanges", FilterId, JsonValue, get_changes, positional=True),
    Operation("eth_getFilterLogs", FilterId, JsonValue, get_filter_logs, positional=True),
    Operation("eth_uninstallFilter", FilterId, bool, uninstall, positional=True),
)
"""The methods of filters. They neither run code nor change the chain."""
