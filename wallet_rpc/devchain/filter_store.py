"""Filters that clients poll, each with the position up to which it was read.

They are in memory only: after a restart of the chain, clients make them again, as with any node.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from wallet_rpc.devchain.log_search import LogFilter
from wallet_rpc.devchain.node_errors import NodeRejection
from wallet_rpc.errors import LimitExceeded

MAX_FILTERS = 1_000
"""The maximum number of filters of a chain."""
FILTER_SECONDS = 300.0
"""The time after which a filter that is not polled is removed. Source: geth, anvil."""


class FilterNotFound(NodeRejection):
    """The filter does not exist, was not polled for too long, or has no logs."""

    default_reason = "filter_not_found"

    def __init__(self) -> None:
        super().__init__("filter not found")


@dataclass(slots=True)
class BlockFilter:
    """A filter of new blocks."""

    next_number: int


@dataclass(slots=True)
class PendingFilter:
    """A filter of new transactions; `seen` is how many the mempool had recorded at the last poll."""

    seen: int


@dataclass(slots=True)
class LogsFilter:
    """A filter of new logs."""

    conditions: LogFilter
    next_number: int


Filter: TypeAlias = BlockFilter | PendingFilter | LogsFilter


class FilterStore:
    """The filters of one chain by their ids, the least recently polled first."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, draw_bytes: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        self._clock = clock
        self._draw_bytes = draw_bytes
        self._filters: dict[int, tuple[float, Filter]] = {}

    def __len__(self) -> int:
        return len(self._filters)

    def add(self, added: Filter) -> int:
        """Add a filter and return its id. Raises: LimitExceeded."""
        self._remove_expired()
        if len(self._filters) >= MAX_FILTERS:
            text = f"expected at most {MAX_FILTERS} filters; uninstall some, or wait {FILTER_SECONDS:g} seconds"
            raise LimitExceeded(text, reason="too_many_filters")
        identity = int.from_bytes(self._draw_bytes(16))
        self._filters[identity] = (self._clock(), added)
        return identity

    def get(self, identity: int) -> Filter:
        """Return a filter, which is not removed for a while again. Raises: FilterNotFound."""
        self._remove_expired()
        found = self._filters.pop(identity, None)
        if found is None:
            raise FilterNotFound
        self._filters[identity] = (self._clock(), found[1])
        return found[1]

    def remove(self, identity: int) -> bool:
        """Remove a filter; False when it does not exist."""
        self._remove_expired()
        return self._filters.pop(identity, None) is not None

    def rewind(self, height: int) -> None:
        """Continue after block `height`, to which the chain was reverted: the next blocks are new ones."""
        for _, each in self._filters.values():
            if not isinstance(each, PendingFilter):
                each.next_number = min(each.next_number, height + 1)

    def _remove_expired(self) -> None:
        oldest = self._clock() - FILTER_SECONDS
        for identity, (polled, _) in list(self._filters.items()):
            if polled > oldest:
                return
            del self._filters[identity]
