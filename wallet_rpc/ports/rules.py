"""Port of the rules of sessions and of what counts against them, which all organisations share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.rules.decision import Demand
from wallet_rpc.domain.rules.stored_rules import ExceededRate, ExceededSum, Outcome, RuleSet, StoredRules, Usage
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.primitives import Hash32, UnixSeconds


class ReserveMode(StrEnum):
    """Ways to reserve."""

    CHECK = "check"
    """Write nothing."""
    RESERVE = "reserve"
    """Reserve if every limit holds."""
    COUNT = "count"
    """Reserve whatever the limits: the operation can no longer be stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuledOperation:
    """An operation of a session with rules."""

    session: SessionReference
    nonce: int
    """Nonce of the operation. Of all operations with a nonce, at most one is included."""
    hash: Hash32


class RulesChanged(Exception):
    """The rules changed since they were read: read and decide again."""


class RuleStore(Protocol):
    """Rules of sessions, and the amounts that operations use or have reserved."""

    @property
    def organization(self) -> OrganizationId:
        """The organisation of the caller."""

    async def read(self, session: SessionReference) -> StoredRules | None:
        """Return the rules of a session; None without any."""

    async def write(
        self,
        session: SessionReference,
        name: str,
        rule_set: RuleSet,
        *,
        replaces_all: bool = False,
        forget_at: UnixSeconds | None = None,
        unsigned_until: UnixSeconds | None = None,
    ) -> None:
        """Replace the set with a name, or all sets; an empty set is removed. Delete the rules at `forget_at`, if given.

        What counts against limits of the same amount and period stays. New rules of an unsigned session are deleted at
        `unsigned_until` already, unless `keep` is called before; reserved operations lengthen it for
        their outcome, and an outcome on the chain has the effect of `keep`. A life is never shortened.
        """

    async def keep(self, session: SessionReference) -> None:
        """Store the rules of an unsigned session as long as those of a signed one; a repeat changes nothing."""

    async def is_forgotten(self, session: SessionReference) -> bool:
        """Return True for a session without rules whose rules were deleted before its owner's signature came."""

    async def reserve(
        self,
        operation: RuledOperation,
        rules: StoredRules,
        demand: Demand,
        *,
        mode: ReserveMode,
        now: UnixSeconds,
        until: UnixSeconds | None,
    ) -> ExceededSum | ExceededRate | None:
        """Reserve the amounts of an operation under `rules`, or return the limit that it would exceed. Atomic.

        A repeat for the same operation reserves once. Of several operations with one nonce, the largest amount counts.
        The reservation ends at `until` unless it is renewed; None: it ends with the outcome of the operation.

        Raises: RulesChanged if `rules` are not the stored ones; LimitExceeded for too many open reservations.
        """

    async def renew(self, operation: RuledOperation, rules: StoredRules, *, now: UnixSeconds) -> bool:
        """Keep the reservation of an operation until its outcome; return False without one under these rules."""

    async def settle(
        self,
        operation: RuledOperation,
        outcome: Outcome,
        rules: StoredRules,
        *,
        now: UnixSeconds,
        unreserved: Demand | None = None,
    ) -> bool:
        """Replace the reservation of an operation by its outcome; a repeat changes nothing.

        Return False if the operation used its nonce without a reservation while there are rules: then repeat it with
        its amounts as `unreserved`. Raises: RulesChanged if `rules` are not the stored ones.
        """

    async def usage(self, session: SessionReference, *, now: UnixSeconds, nonce: int | None = None) -> Usage | None:
        """Return what counts against the rules of a session, and what a nonce has of it; None without rules."""
