"""Plain model of reservations under rules: what counts against each sum and rate, without Redis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from wallet_rpc.adapters.rules_scripts import LONGEST_SPAN_SECONDS
from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.call_state import CallState
from wallet_rpc.domain.rules.decision import Demand, RateLimit, SumLimit, find_rate_limits, find_sum_limits
from wallet_rpc.domain.rules.effects import CALL_COUNT
from wallet_rpc.domain.rules.periods import find_window_end
from wallet_rpc.domain.rules.rule import SessionRule

Key = tuple[str, str, int]
"""Name, period and end of the window of a sum."""


@dataclass
class Candidate:
    """An accepted operation of a nonce."""

    demand: Demand
    until: int | None
    """End of a reservation that was not renewed; None for a renewed one."""


@dataclass
class Model:
    """Use of the rules of one session."""

    rules: tuple[SessionRule, ...] = ()
    open: dict[int, dict[bytes, Candidate]] = field(default_factory=dict)
    used: dict[Key, int] = field(default_factory=dict)
    settled: set[bytes] = field(default_factory=set)
    times: dict[int, int] = field(default_factory=dict)
    """Time of each nonce that counts against rates."""

    @property
    def sums(self) -> tuple[SumLimit, ...]:
        return find_sum_limits(self.rules)

    @property
    def rates(self) -> tuple[RateLimit, ...]:
        return find_rate_limits(self.rules)

    def change_rules(self, rules: tuple[SessionRule, ...]) -> None:
        """Replace the rules; without any, nothing counts any more."""
        self.rules = rules
        if not rules:
            self.open, self.used, self.times = {}, {}, {}

    def expire(self, now: int) -> None:
        """End the reservations that were not renewed in time."""
        for nonce, found in list(self.open.items()):
            kept = {name: each for name, each in found.items() if each.until is None or each.until > now}
            self.open[nonce] = kept
            self._forget_empty(nonce)

    def _forget_empty(self, nonce: int) -> None:
        if not self.open.get(nonce):
            self.open.pop(nonce, None)
            self.times.pop(nonce, None)

    def accept(self, call: CallRecord, demand: Demand, *, until: int | None, now: int) -> None:
        """Add an accepted operation; a repeat keeps its windows, and the end of a renewed one."""
        if bytes(call.hash) in self.settled:
            return
        found = self.open.setdefault(call.nonce, {})
        known = found.get(bytes(call.hash))
        if known is not None:
            until = None if known.until is None else until
            demand = known.demand
        found[bytes(call.hash)] = Candidate(demand, until)
        if self.rates and self.times.get(call.nonce, 0) <= now - LONGEST_SPAN_SECONDS:
            self.times[call.nonce] = now

    def settle(self, call: CallRecord) -> None:
        """Replace an operation by its outcome."""
        found = self.open.get(call.nonce, {})
        if call.state not in {CallState.CONFIRMED, CallState.REVERTED}:
            if found.pop(bytes(call.hash), None) is not None:
                self._forget_empty(call.nonce)
            return
        if bytes(call.hash) in self.settled:
            return
        if not self.rules:
            return
        demand = found[bytes(call.hash)].demand
        for name, period in {(each.name, each.period) for each in self.sums}:
            if call.state is CallState.CONFIRMED or name == CALL_COUNT:
                key = name, period, demand.window_ends[period]
                self.used[key] = self.used.get(key, 0) + demand.amounts.get(name, 0)
        self.open.pop(call.nonce, None)
        self.settled.add(bytes(call.hash))

    def reserved(self, key: Key) -> int:
        """Return what is reserved of a sum: the largest amount of each nonce."""
        return sum(max(_amounts(found, key), default=0) for found in self.open.values())

    def total(self, key: Key) -> int:
        """Return what counts against a sum."""
        return self.used.get(key, 0) + self.reserved(key)

    def rate_count(self, limit: RateLimit, now: int) -> int:
        """Return the number of operations in the span that ends now."""
        return sum(time > now - limit.seconds for time in self.times.values())

    def keys(self, now: int) -> Iterator[tuple[SumLimit, Key]]:
        """Yield each limit with the key of its current window."""
        for limit in self.sums:
            yield limit, (limit.name, limit.period, find_window_end(limit.period, now))


def _amounts(found: dict[bytes, Candidate], key: Key) -> Iterator[int]:
    name, period, end = key
    for each in found.values():
        if each.demand.window_ends[period] == end:  # type: ignore[index]  # a Period is its text
            yield each.demand.amounts.get(name, 0)
