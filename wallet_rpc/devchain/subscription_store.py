"""Subscriptions of a chain, and the blocks and transactions that its followers are to be notified of.

Blocks and transactions are recorded when they are made, so that a later revert takes none back. `take` returns the
results of each subscription.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from wallet_rpc.devchain import answers
from wallet_rpc.devchain.answers import JsonValue
from wallet_rpc.devchain.ledger import Block
from wallet_rpc.devchain.log_search import LogMatcher
from wallet_rpc.devchain.sent_transaction import SentTransaction
from wallet_rpc.errors import LimitExceeded

MAX_SUBSCRIPTIONS = 1_000
"""The maximum number of different subscriptions of a chain."""


@dataclass(frozen=True, slots=True)
class HeadSubscription:
    """A subscription to new blocks."""


@dataclass(frozen=True, slots=True)
class LogSubscription:
    """A subscription to the logs of new blocks."""

    matcher: LogMatcher
    first_block: int
    last_block: int | None
    """The last block; None for no end."""

    def includes(self, block: Block) -> bool:
        """Return True for a block of the range."""
        return self.first_block <= block.number and (self.last_block is None or block.number <= self.last_block)


@dataclass(frozen=True, slots=True)
class PendingSubscription:
    """A subscription to transactions that can be mined: to their hashes, or to the whole transactions."""

    is_full: bool


@dataclass(frozen=True, slots=True)
class _Replaced:
    """A block that a reorganisation replaced."""

    block: Block


_Recorded: TypeAlias = Block | _Replaced | SentTransaction
Subscription: TypeAlias = HeadSubscription | LogSubscription | PendingSubscription


class SubscriptionStore:
    """The subscriptions of one chain by their numbers."""

    def __init__(self) -> None:
        self._subscriptions: dict[int, Subscription] = {}
        self._recorded: list[_Recorded] = []

    def add(self, number: int, added: Subscription) -> None:
        """Add a subscription. Raises: LimitExceeded."""
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            text = f"expected at most {MAX_SUBSCRIPTIONS} different subscriptions of this chain; end some of them"
            raise LimitExceeded(text, reason="too_many_subscriptions")
        self._subscriptions[number] = added

    def remove(self, number: int) -> bool:
        """Remove a subscription; False when it does not exist."""
        return self._subscriptions.pop(number, None) is not None

    def record(self, made: Block | SentTransaction) -> None:
        """Record a new block, or a transaction that can be mined."""
        if self._subscriptions:
            self._recorded.append(made)

    def record_replaced(self, block: Block) -> None:
        """Record a block that a reorganisation replaced."""
        if self._subscriptions:
            self._recorded.append(_Replaced(block))

    def take(self, base_fee: int) -> Iterator[tuple[int, JsonValue]]:
        """Iterate over (subscription number, result) of what was recorded since the last call, in its order."""
        recorded, self._recorded = self._recorded, []
        for made in recorded:
            for number, subscription in self._subscriptions.items():
                for result in _results(subscription, made, base_fee):
                    yield number, result


def _results(subscription: Subscription, made: _Recorded, base_fee: int) -> Iterator[JsonValue]:
    match subscription, made:
        case HeadSubscription(), Block():
            yield answers.format_block(made, full=False)
        case LogSubscription(), Block() if subscription.includes(made):
            for inclusion, position in subscription.matcher.find(made):
                yield answers.format_log(made, inclusion, position)
        case LogSubscription(), _Replaced(block) if subscription.includes(block):
            for inclusion, position in subscription.matcher.find(block):
                yield {**answers.format_log(block, inclusion, position), "removed": True}
        case PendingSubscription(is_full), SentTransaction():
            yield answers.format_pending(made, base_fee) if is_full else answers.format_data(made.hash)
