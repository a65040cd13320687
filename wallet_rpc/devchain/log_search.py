"""Search of logs by block, address and topics."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Annotated

from pydantic import Field

from wallet_rpc.devchain.block_index import BlockIndex
from wallet_rpc.devchain.bloom import BloomTest
from wallet_rpc.devchain.evm import EventLog
from wallet_rpc.devchain.ledger import Block, Inclusion
from wallet_rpc.primitives import Address, Hash32
from wallet_rpc.wire import strict_shape

MAX_TOPICS = 4
"""The maximum number of topics of a log, and so of a filter."""
MAX_CHOICES = 1000
"""The maximum number of addresses in a filter, and of alternatives for one topic. Source: geth."""


@strict_shape
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


class LogMatcher:
    """The addresses and topics of a filter, ready to be compared with the logs of many blocks."""

    def __init__(self, log_filter: LogFilter) -> None:
        address = log_filter.address
        addresses = (address,) if isinstance(address, Address) else address or ()
        self._senders = {bytes(each) for each in addresses} or None
        topics = [_choices(topic) for topic in log_filter.topics or ()]
        while topics and topics[-1] is None:
            topics.pop()  # as in anvil: a trailing wildcard also matches logs without that topic
        self._topics = topics

    @property
    def conditions(self) -> list[Set[bytes]]:
        """Sets of values of which a matching log has one each, as an address or as a topic."""
        return [condition for condition in (self._senders, *self._topics) if condition is not None]

    def find(self, block: Block) -> Iterator[tuple[Inclusion, int]]:
        """Iterate over the logs of a block that match, as (transaction, position)."""
        for inclusion in block.inclusions:
            for position, event in enumerate(inclusion.logs):
                if (self._senders is None or event.address in self._senders) and _matches(event, self._topics):
                    yield inclusion, position


def find_matching(
    blocks: BlockIndex, log_filter: LogFilter, first: int, last: int
) -> Iterator[tuple[Block, Inclusion, int]]:
    """Iterate over the logs that match, from block `first` to `last`, as (block, transaction, position)."""
    matcher = LogMatcher(log_filter)
    for block in blocks.find_by_bloom(first, last, BloomTest.build(matcher.conditions)):
        for inclusion, position in matcher.find(block):
            yield block, inclusion, position


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
