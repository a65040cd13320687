"""The sums that a policy keeps within bounds: of everything, of each owner, and of what is still open.

A reservation is open from its signature until its outcome is known. Owners that have not landed an operation under the
policy hold at most a quarter of it open together, since fresh keys cost nothing; one owner, one session token and one
API key hold at most half. So nobody can hold a whole policy by operations that are prepared and never sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from wallet_rpc.domain.policy import Policy, PolicyDenial, PolicyDenialReason, PolicyLimits
from wallet_rpc.primitives import Address

FIRST_TIME_SHARE = 4
"""Owners without a landed operation hold at most one part in so many of a policy open, all together."""
HOLDER_SHARE = 2
"""One owner, token or key holds at most one part in so many open. A lone reservation of any group may be as large."""
TOTAL_FIELD = "all"
FIRST_TIME_FIELD = "first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """Those that a reservation counts against."""

    owners: tuple[Address, ...]
    """The account's owner, and the wallet of the session token that asks, each once; each has the sender limits."""
    key: str
    """Id of the API key, or the address that connects to an open server."""
    token: str | None = None
    """Id of the session token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLimit:
    """The most that one sum may reach; None: no limit."""

    field: str
    """Its name in the ledger."""
    wei: int | None
    operations: int | None
    wei_reason: PolicyDenialReason
    operations_reason: PolicyDenialReason
    subject: str
    """The sum in words, for a refusal."""
    is_open: bool = False
    """Of open reservations only."""


@dataclass(frozen=True, slots=True)
class ExceededLimit:
    """A bound that a reservation would break, by its cost or by its number."""

    limit: BudgetLimit
    by_wei: bool

    @property
    def reason(self) -> PolicyDenialReason:
        """The stable word for it."""
        return self.limit.wei_reason if self.by_wei else self.limit.operations_reason


def build_budget_limits(limits: PolicyLimits, parties: Parties) -> tuple[BudgetLimit, ...]:
    """The bounds of a reservation, in the order in which they are checked."""
    total = BudgetLimit(
        field=TOTAL_FIELD,
        wei=limits.total_wei,
        operations=limits.total_operations,
        wei_reason=PolicyDenialReason.TOTAL_WEI,
        operations_reason=PolicyDenialReason.TOTAL_OPERATIONS,
        subject="in all",
    )
    return (total, *(_owner_limit(limits, owner) for owner in parties.owners), *_open_limits(limits, parties))


def _owner_limit(limits: PolicyLimits, owner: Address) -> BudgetLimit:
    return BudgetLimit(
        field=owner.hex(),
        wei=limits.sender_wei,
        operations=limits.sender_operations,
        wei_reason=PolicyDenialReason.SENDER_WEI,
        operations_reason=PolicyDenialReason.SENDER_OPERATIONS,
        subject=f"for this sender's owner {owner}",
    )


def _open_limits(limits: PolicyLimits, parties: Parties) -> Iterator[BudgetLimit]:
    """The ledger passes over the first where every owner has landed an operation."""
    first, half = _Share(FIRST_TIME_SHARE, limits), _Share(HOLDER_SHARE, limits)
    yield first.build_limit(
        FIRST_TIME_FIELD, PolicyDenialReason.FIRST_TIME, None, "by owners that have not landed an operation under it"
    )
    for owner in parties.owners:
        yield half.build_limit(
            f"o:{owner.hex()}", PolicyDenialReason.OWNER_OPEN, limits.owner_open, f"by one owner, {owner}"
        )
    if parties.token is not None:
        yield half.build_limit(
            f"t:{parties.token}", PolicyDenialReason.TOKEN_OPEN, limits.token_open, "by one session token"
        )
    key = hashlib.sha256(parties.key.encode()).hexdigest()[:20]
    yield half.build_limit(f"k:{key}", PolicyDenialReason.KEY_OPEN, limits.key_open, "by one API key")


@dataclass(frozen=True, slots=True)
class _Share:
    """One part in `part` of what a policy has."""

    part: int
    limits: PolicyLimits

    def build_limit(self, field: str, reason: PolicyDenialReason, count: int | None, subject: str) -> BudgetLimit:
        """The bound of a group's open reservations, which are at most `count` as well."""
        wei, operations = self.limits.total_wei, self.limits.total_operations
        counts = [] if count is None else [count]
        counts += [] if operations is None else [max(1, operations // self.part)]
        return BudgetLimit(
            field=field,
            wei=None if wei is None else wei // self.part,
            operations=min(counts, default=None),
            wei_reason=reason,
            operations_reason=reason,
            subject=f"open {subject}",
            is_open=True,
        )


def max_single_reservation_wei(limits: PolicyLimits) -> int | None:
    """The most that a reservation may cost which is the only open one of its group, in wei."""
    return None if limits.total_wei is None else limits.total_wei // HOLDER_SHARE


def build_limit_denial(policy: Policy, exceeded: ExceededLimit, *, cost: int) -> PolicyDenial:
    """The denial of a reservation of `cost` wei that would break a bound."""
    bound, limits = exceeded.limit, policy.limits
    amount = f"{bound.wei} wei" if exceeded.by_wei else f"{bound.operations} operations"
    span = "" if limits.window_seconds is None or bound.is_open else f" in {limits.window_seconds} seconds"
    whole = limits.total_wei if exceeded.by_wei else limits.total_operations
    share = f", of {whole} in all" if bound.is_open and whole is not None else ""
    hint = "; send or let expire what is prepared, then prepare again" if bound.is_open else ""
    return PolicyDenial(
        reason=exceeded.reason,
        message=f"policy {policy.id} has a limit of {amount} {bound.subject}{share}{span}; this operation, which may "
        f"cost {cost} wei, would exceed it{hint}",
    )
