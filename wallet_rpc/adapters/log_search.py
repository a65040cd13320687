"""Searches of the node's logs in bounded ranges of blocks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from wallet_rpc.adapters.client import is_no_response
from wallet_rpc.adapters.log_entries import LogEntry
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.errors import Unavailable
from wallet_rpc.ports.node import NO_LOGS, FoundLog, LogQuery
from wallet_rpc.primitives import BlockNumber, Hash32
from wallet_rpc.wire import shape

SPAN_BLOCKS = 2_000
"""Blocks per `eth_getLogs` call; nodes limit this, often to 2,000 or 10,000."""


@shape
class FoundEntry(LogEntry):
    """A log entry with its place on chain."""

    block_number: BlockNumber
    transaction_hash: Hash32
    log_index: BlockNumber = 0


async def search_logs(
    node: Rpc, query: LogQuery, blocks: range, *, to_latest: bool = False
) -> AsyncIterator[FoundEntry]:
    """Yield the logs that a filter matches, range by range, the newest range first; within one as the node does.

    With `to_latest` the newest range has an open end, since a node that lags rejects a number above its latest block.
    Raises: Unavailable when the node does not respond, or with reason `NO_LOGS` when it returns an error.
    """
    encoded = _encode_filter(query)
    for last in blocks[::-1][::SPAN_BLOCKS]:
        is_open = to_latest and last == blocks[-1]
        span = {
            "fromBlock": hex(max(last - SPAN_BLOCKS + 1, blocks.start)),
            "toBlock": "latest" if is_open else hex(last),
        }
        try:
            answer = await node.read("eth_getLogs", [{**encoded, **span}], unbatched=True)
        except Unavailable as error:
            if is_no_response(error):
                raise
            raise Unavailable("the node does not search its logs", reason=NO_LOGS, part="node") from error
        for log in node.decode_result(tuple[FoundEntry, ...], answer):
            yield log


async def find_logs(node: Rpc, query: LogQuery, blocks: range, *, to_latest: bool = False) -> tuple[FoundLog, ...]:
    """Return the logs in these blocks that a filter matches, newest first. Raises: as `search_logs`."""
    found = [
        FoundLog(
            address=log.address,
            topics=log.topics,
            data=log.data,
            block_number=log.block_number,
            log_index=log.log_index,
        )
        async for log in search_logs(node, query, blocks, to_latest=to_latest)
        if _matches(log, query)
    ]
    return tuple(sorted(found, key=lambda log: (log.block_number, log.log_index), reverse=True))


def _encode_filter(query: LogQuery) -> dict[str, Any]:
    """Encode a filter as older nodes accept it too: one value alone, not in a list."""
    addresses = [each.hex0x() for each in query.addresses]
    topics = [[each.hex0x() for each in choices] for choices in query.topics]
    return {"address": _reduce(addresses), "topics": [_reduce(choices) for choices in topics]}


def _reduce(choices: list[str]) -> list[str] | str | None:
    return choices if len(choices) > 1 else next(iter(choices), None)


def _matches(log: LogEntry, query: LogQuery) -> bool:
    """Check a log against the filter, which a node may ignore."""
    return (
        log.address in query.addresses
        and len(log.topics) >= len(query.topics)
        and all(not choices or topic in choices for topic, choices in zip(log.topics, query.topics, strict=False))
    )
