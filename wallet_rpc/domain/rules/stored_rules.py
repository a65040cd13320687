"""Rules of a session as they are stored: the set of each organisation that controls it, and the owner's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.audit import canonical_json
from wallet_rpc.domain.rules.decision import RateLimit, SumLimit, find_rate_limits, find_sum_limits
from wallet_rpc.domain.rules.rule import RuleList, SessionRule
from wallet_rpc.primitives import UnixSeconds
from wallet_rpc.wire import encode, shape


def format_rules(rules: tuple[SessionRule, ...]) -> str:
    """Return rules as the text that an account's owner signs: JSON with sorted keys and without spaces."""
    return canonical_json(encode(RuleList, rules))


OWNER_SET = "owner"
"""Name of the set that the account's owner signed; the set of an organisation has the organisation's id."""


@shape
class RuleSet:
    """Rules that one party set."""

    version: int = 1
    rules: RuleList
    organization: str
    """Organisation whose caller set the rules, or presented the owner's signature of them."""
    changed_at: UnixSeconds
    by: str
    """Digest of the API key that set them, `owner`, or the creation of the session."""


@dataclass(frozen=True)
class StoredRules:
    """All rules of a session. Every one has to pass."""

    version: str
    """Random text that each change replaces."""
    sets: Mapping[str, RuleSet]
    """The sets by their name."""

    @cached_property
    def rules(self) -> tuple[SessionRule, ...]:
        """The rules of all sets, in the order of the sets' names."""
        return tuple(rule for name in sorted(self.sets) for rule in self.sets[name].rules)

    @cached_property
    def set_names(self) -> tuple[str, ...]:
        """The name of the set of each rule."""
        return tuple(name for name in sorted(self.sets) for _ in self.sets[name].rules)

    @property
    def changed_at(self) -> UnixSeconds:
        """The time of the newest set."""
        return max(each.changed_at for each in self.sets.values())

    @property
    def sums(self) -> tuple[SumLimit, ...]:
        """The limits of sums of all rules."""
        return find_sum_limits(self.rules)

    @property
    def rates(self) -> tuple[RateLimit, ...]:
        """The limits of rates of all rules."""
        return find_rate_limits(self.rules)

    def is_visible(self, rule: int, organization: OrganizationId) -> bool:
        """Return True if an organisation may see a rule: its own, or the owner's."""
        return self.set_names[rule] in {OWNER_SET, organization}


class Outcome(StrEnum):
    """Outcome of an operation whose amounts are reserved."""

    SUCCEEDED = "succeeded"
    """The calls took effect."""
    REVERTED = "reverted"
    """The operation is in a block, and its calls reverted: only their number counts."""
    NEVER = "never"
    """The operation can no longer be included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceededSum:
    """A sum that an operation would exceed; `others` is what counts already, reserved amounts included."""

    limit: SumLimit
    others: int
    window_end: UnixSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceededRate:
    """A rate that an operation would exceed; `others` is the number of operations in the span."""

    limit: RateLimit
    others: int
    free_at: UnixSeconds
    """Time at which an operation fits again, if no other comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SumUsage:
    """Amounts of a sum in its current window."""

    used: int
    """Amount of operations that succeeded."""
    reserved: int
    """Amount of operations that are accepted and not final."""
    replaced: int = 0
    """Part of `reserved` that another operation with the given nonce replaces, as far as it has as much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Use of the rules of a session now."""

    rules: StoredRules
    sums: tuple[SumUsage, ...]
    """For each of `StoredRules.sums`."""
    rates: tuple[int, ...]
    """Number of operations in the span of each of `StoredRules.rates`."""
    replaced_rates: tuple[int, ...]
    """For each of `rates` 1 if the given nonce counts in it, else 0; another operation of it does not count again."""
