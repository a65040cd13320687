"""`eth_getLogs`: the logs of a block or a range, by address and topics."""

from __future__ import annotations

from wallet_rpc.devchain import answers
from wallet_rpc.devchain.answers import JsonValue
from wallet_rpc.devchain.block_reference import resolve_tag
from wallet_rpc.devchain.chain import PENDING_BLOCK, Blockchain
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.log_search import LogFilter, find_matching
from wallet_rpc.devchain.node_errors import UnknownBlock
from wallet_rpc.errors import InvalidParams, LimitExceeded
from wallet_rpc.operations.operation import Operation
from wallet_rpc.wire import shape

MAX_LOGS = 10_000
"""The maximum number of logs in one response."""


@shape
class LogsRequest:
    """The parameters of `eth_getLogs`."""

    filter: LogFilter


async def get_logs(context: DevChain, request: LogsRequest) -> JsonValue:
    """`eth_getLogs`. Raises: InvalidParams, UnknownBlock, LimitExceeded."""
    found: list[JsonValue] = []
    first, last = _ends(context.chain, request.filter)
    for block, inclusion, position in find_matching(context.chain.blocks, request.filter, first, last):
        if len(found) == MAX_LOGS:
            text = f"expected to match at most {MAX_LOGS} logs; request fewer blocks, addresses or topics"
            raise LimitExceeded(text, reason="too_many_logs", field="params.filter")
        found.append(answers.format_log(block, inclusion, position))
    return found


def _ends(chain: Blockchain, log_filter: LogFilter) -> tuple[int, int]:
    """Resolve the first and the last height. Raises: InvalidParams, UnknownBlock."""
    if log_filter.block_hash is not None:
        if log_filter.from_block is not None or log_filter.to_block is not None:
            raise InvalidParams("expected blockHash or a range, got both", field="params.filter")
        found = chain.block_by_hash(log_filter.block_hash)
        if found is None:
            raise UnknownBlock
        return found.number, found.number
    first = _end(chain, log_filter.from_block, "params.filter.fromBlock")
    last = _end(chain, log_filter.to_block, "params.filter.toBlock")
    if first > last:
        raise InvalidParams("fromBlock is after toBlock", reason="invalid_range", field="params.filter")
    if first > chain.head.number:
        text = f"expected at most {chain.head.number}, the newest block, got {first}"
        raise InvalidParams(text, reason="invalid_range", field="params.filter.fromBlock")
    return first, last


def _end(chain: Blockchain, tag: str | None, at: str) -> int:
    number = None if tag is None else resolve_tag(chain, tag, at=at)
    return chain.head.number if number is None or number == PENDING_BLOCK else number


OPERATIONS = (Operation("eth_getLogs", LogsRequest, JsonValue, get_logs, positional=True),)
"""The log search method."""
