"""`eth_getLogs`: the logs of a block or a range, by address and topics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from wallet_rpc.devchain import answers
from wallet_rpc.devchain.answers import JsonValue
from wallet_rpc.devchain.block_reference import resolve_tag
from wallet_rpc.devchain.chain import PENDING_BLOCK, Blockchain
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.evm import EventLog
from wallet_rpc.devchain.ledger import Block, Inclusion
from wallet_rpc.devchain.node_errors import UnknownBlock
from wallet_rpc.errors import InvalidParams, LimitExceeded
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import Address, Hash32
from wallet_rpc.wire import shape

MAX_TOPICS = 4
"""The maximum number of topics of a log, and so of a filter."""
MAX_CHOICES = 1000
"""The maximum number of addresses in a filter, and of alternatives for one topic. Source: geth."""
MAX_LOGS = 10_000
"""The maximum number of logs in one response."""


@shape
class LogFilter:
    """A filter by block or block range, addresses and topics: each null, one value or a list of alternatives."""

    from_block: str | None = None
    to_block: str | None = None
    block_hash: Hash32 | None = None
    address: Address | Annotated[tuple[Address, ...], Field(max_length=MAX_CHOICES)] | None = None
    topics: (
        Annotated[
            tuple[Hash32 | Annotated[tuple[Hash32 | None, ...], Field(max_length=MAX_CHOICES)] | None, ...],
            Field(max_length=MAX_TOPICS),
        ]
        | None
    ) = None


@shape
class LogsRequest:
    """The parameters of `eth_getLogs`."""

    filter: LogFilter


async def get_logs(context: DevChain, request: LogsRequest) -> JsonValue:
    """`eth_getLogs`. Raises: InvalidParams, UnknownBlock, LimitExceeded."""
    found: list[JsonValue] = []
    for block, inclusion, position in _find_matching(context.chain, request.filter):
        if len(found) == MAX_LOGS:
            text = f"expected to match at most {MAX_LOGS} logs; request fewer blocks, addresses or topics"
            raise LimitExceeded(text, reason="too_many_logs", field="params.filter")
        found.append(answers.format_log(block, inclusion, position))
    return found


def _find_matching(chain: Blockchain, log_filter: LogFilter) -> Iterator[tuple[Block, Inclusion, int]]:
    addresses = (log_filter.address,) if isinstance(log_filter.address, Address) else log_filter.address
    senders = None if addresses is None or len(addresses) == 0 else {bytes(address) for address in addresses}
    topics = [_choices(topic) for topic in log_filter.topics or ()]
    while topics and topics[-1] is None:
        topics.pop()  # as in anvil: a trailing wildcard also matches logs without that topic
    conditions = [condition for condition in (senders, *topics) if condition is not None]
    first, last = _ends(chain, log_filter)
    for block in chain.blocks.find_by_bloom(first, last, conditions):
        inclusion = block.inclusion
        if inclusion is None:
            continue
        for position, event in enumerate(inclusion.logs):
            if (senders is None or event.address in senders) and _matches(event, topics):
                yield block, inclusion, position


def _ends(chain: Blockchain, log_filter: LogFilter) -> tuple[int, int]:
    """Resolve the first and the last height. Raises: InvalidParams, UnknownBlock."""
    if log_filter.block_hash is not None:
        if log_filter.from_block is not None or log_filter.to_block is not None:
            raise InvalidParams("expected blockHash or a range, got both", field="params.filter")
        found = chain.block_by_hash(log_filter.block_hash)
        if found is None:
            raise UnknownBlock
        return found.number, found.number
    first, last = _end(chain, log_filter.from_block), _end(chain, log_filter.to_block)
    if first > last:
        raise InvalidParams("fromBlock is after toBlock", reason="invalid_range", field="params.filter")
    if first > chain.head.number:
        text = f"expected at most {chain.head.number}, the newest block, got {first}"
        raise InvalidParams(text, reason="invalid_range", field="params.filter.fromBlock")
    return first, last


def _end(chain: Blockchain, tag: str | None) -> int:
    number = None if tag is None else resolve_tag(chain, tag)
    return chain.head.number if number is None or number == PENDING_BLOCK else number


def _choices(topic: Hash32 | tuple[Hash32 | None, ...] | None) -> frozenset[bytes] | None:
    """Return the values that a topic may have; None for any."""
    match topic:
        case None | ():
            return None
        case Hash32():
            return frozenset({bytes(topic)})
        case _:
            return None if None in topic else frozenset(bytes(choice) for choice in topic if choice is not None)


def _matches(event: EventLog, topics: list[frozenset[bytes] | None]) -> bool:
    if len(topics) > len(event.topics):
        return False
    return all(choices is None or topic in choices for topic, choices in zip(event.topics, topics, strict=False))


OPERATIONS = (Operation("eth_getLogs", LogsRequest, JsonValue, get_logs, positional=True),)
"""The log search method."""
