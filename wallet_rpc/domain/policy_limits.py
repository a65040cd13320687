"""Limits on the sums of a policy: in total, per owner, and of open reservations.

A reservation is open from its signature until its outcome is known. Owners without an included operation under the
policy share a quarter of the policy's limits for their open reservations, because fresh keys cost nothing. The open
reservations of one owner, session token or API key use at most half of the limits. So operations that are never sent
cannot block a whole policy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from wallet_rpc.domain.policy import Policy, PolicyDenial, PolicyDenialReason, PolicyLimits
from wallet_rpc.primitives import Address

FIRST_TIME_SHARE = 4
"""Divisor of a policy's limits for the open reservations of all owners without an included operation together."""
HOLDER_SHARE = 2
"""Divisor of a policy's limits for the open reservations of one owner, token or key, and a group's only reservation."""
TOTAL_FIELD = "all"
FIRST_TIME_FIELD = "first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """The owners, API key and session token that a reservation counts against."""

    owners: tuple[Address, ...]
    """The account's owner and the wallet of the session token, without duplicates; sender limits apply to each."""
    key: str
    """Id of the API key, or the client address on a server without API keys."""
    token: str | None = None
    """Id of the session token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLimit:
    """Limit of one sum; None: no limit."""

    field: str
    """Field of the sum in the ledger."""
    wei: int | None
    operations: int | None
    wei_reason: PolicyDenialReason
    operations_reason: PolicyDenialReason
    subject: str
    """Description of the sum in a denial's message."""
    is_open: bool = False
    """True: the sum counts open reservations only."""


@dataclass(frozen=True, slots=True)
class ExceededLimit:
    """A limit that a reservation would exceed, by its cost in wei or by the number of operations."""

    limit: BudgetLimit
    by_wei: bool

    @property
    def reason(self) -> PolicyDenialReason:
        """The stable reason of the denial."""
        return self.limit.wei_reason if self.by_wei else self.limit.operations_reason


def build_budget_limits(limits: PolicyLimits, parties: Parties) -> tuple[BudgetLimit, ...]:
    """Build the limits that apply to a reservation, in the order in which they are checked."""
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
    """Yield the limits of open reservations; the ledger skips the first if every owner has an included operation."""
    first, half = _Share(FIRST_TIME_SHARE, limits), _Share(HOLDER_SHARE, limits)
    yield first.build_limit(
        FIRST_TIME_FIELD, PolicyDenialReason.FIRST_TIME, None, "by owners without an included operation under it"
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
    """The share 1/`part` of a policy's total limits."""

    part: int
    limits: PolicyLimits

    def build_limit(self, field: str, reason: PolicyDenialReason, count: int | None, subject: str) -> BudgetLimit:
        """Build the limit of a group's open reservations; `count` limits their number too."""
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
    """Return the maximum cost, in wei, of a reservation that is the only open one of its group."""
    return None if limits.total_wei is None else limits.total_wei // HOLDER_SHARE


def build_limit_denial(policy: Policy, exceeded: ExceededLimit, *, cost: int) -> PolicyDenial:
    """Build the denial of a reservation of `cost` wei that would exceed a limit."""
    limit = exceeded.limit
    limits = policy.limits
    amount = f"{limit.wei} wei" if exceeded.by_wei else f"{limit.operations} operations"
    span = "" if limits.window_seconds is None or limit.is_open else f" in {limits.window_seconds} seconds"
    total = limits.total_wei if exceeded.by_wei else limits.total_operations
    share = f", of {total} in all" if limit.is_open and total is not None else ""
    hint = "; send the prepared operations or let them expire, then prepare again" if limit.is_open else ""
    return PolicyDenial(
        reason=exceeded.reason,
        message=f"policy {policy.id} has a limit of {amount} {limit.subject}{share}{span}; this operation, which may "
        f"cost {cost} wei, would exceed it{hint}",
    )
