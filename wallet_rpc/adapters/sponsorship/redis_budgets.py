"""Budget ledgers of sponsorship policies in Redis: one slot per policy, one script per decision.

A reservation counts with the operation's maximum cost before its signature is returned to the client. It counts until
the chain shows that the signature can no longer be used (released) or the actual cost (settled). One nonce of one
account is one reservation, since only one of its operations can be included. Preparing it again raises the reservation
and never counts it twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.sponsorship import budget_scripts
from wallet_rpc.adapters.sponsorship.budget_scripts import BOUND_SIZE, BOUNDS_AT, LIMB_BASE, split_wei
from wallet_rpc.domain.policy import PolicyLimits
from wallet_rpc.domain.policy_limits import (
    TOTAL_FIELD,
    BudgetLimit,
    ExceededLimit,
    Parties,
    build_budget_limits,
    max_single_reservation_wei,
)
from wallet_rpc.primitives import Address, ChainId, Hash32

_HINT_SECONDS = 7 * 24 * 3600
"""Time for which an operation's policy is stored for `find_policy`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Signed sponsorship: `cost` is its maximum cost in wei; `valid_until` in seconds since 1970."""

    chain_id: ChainId
    sender: Address
    nonce: int
    operation_hash: Hash32
    cost: int
    valid_until: int
    parties: Parties
    """Parties that it counts against."""
    is_open_ended: bool = False
    """True if the validity has no known end: only use of the nonce ends it, and `valid_until` is the first lookup."""

    @property
    def identity(self) -> str:
        """Id of the reservation, the same for all operations of a nonce: at most one of them is included."""
        return reservation_id(self.chain_id, self.sender, self.nonce)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingReservation:
    """Reservation whose outcome may be known by now."""

    chain_id: ChainId
    sender: Address
    nonce: int
    valid_until: int
    is_open_ended: bool
    operation_hashes: tuple[Hash32, ...]
    """Hashes of the newest operations for which the reservation was made."""
    identity: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """Ledger of a policy: the policy's id and its rolling window in seconds (0: none)."""

    policy_id: UUID
    window_seconds: int = 0


class RedisBudgets:
    """Ledgers of all policies; every change is one script."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._reserve = link.script(budget_scripts.RESERVE)
        self._lease = link.script(budget_scripts.LEASE)
        self._settle = link.script(budget_scripts.SETTLE)
        self._used = link.script(budget_scripts.USED)
        self._expedite = link.script(budget_scripts.EXPEDITE)

    async def reserve(
        self, ledger: Ledger, reservation: Reservation, limits: PolicyLimits, *, now: int
    ) -> ExceededLimit | None:
        """Count a reservation, or return the limit that it would exceed and write nothing. Atomic."""
        bounds = build_budget_limits(limits, reservation.parties)
        answer = await self._link.run(
            self._reserve,
            self._keys(ledger),
            now,
            ledger.window_seconds,
            reservation.identity,
            reservation.operation_hash.hex(),
            *split_wei(reservation.cost),
            reservation.valid_until,
            "+" if reservation.is_open_ended else "",
            ",".join(owner.hex() for owner in reservation.parties.owners),
            ",".join(bound.field for bound in bounds if bound.is_open),
            *_encode_limit(max_single_reservation_wei(limits)),
            *(argument for bound in bounds for argument in _encode_bound(bound)),
        )
        if answer:
            return ExceededLimit(bounds[(abs(answer) - BOUNDS_AT) // BOUND_SIZE], by_wei=answer > 0)
        await self._link.command(
            "SET",
            self._hint_key(reservation.chain_id, reservation.operation_hash),
            str(ledger.policy_id),
            "EX",
            _HINT_SECONDS,
        )
        return None

    async def lease_pending(
        self, ledger: Ledger, *, now: int, lease_seconds: int, most: int
    ) -> tuple[PendingReservation, ...]:
        """Lease at most `most` reservations to look up; each is returned again after its lease, until it is settled."""
        leased = await self._link.run(self._lease, self._keys(ledger), now, lease_seconds, most)
        return tuple(_parse_pending(*(part.decode() for part in one)) for one in leased)

    async def settle(self, ledger: Ledger, pending: PendingReservation, *, cost: int | None, now: int) -> None:
        """Settle an included operation and free the rest of its reservation; with an unknown `cost` all is spent."""
        outcome = ("most", 0, 0) if cost is None else ("cost", *split_wei(cost))
        await self._run_settle(ledger, pending, outcome, now)

    async def release(self, ledger: Ledger, pending: PendingReservation, *, now: int) -> None:
        """Free the whole reservation of an operation that can no longer be included."""
        await self._run_settle(ledger, pending, ("never", 0, 0), now)

    async def expedite(self, ledger: Ledger, identity: str, *, now: int) -> None:
        """Make a reservation due for lookup now, before its expiry."""
        await self._link.run(self._expedite, self._keys(ledger), identity, now)

    async def find_policy(self, chain_id: ChainId, operation_hash: Hash32) -> UUID | None:
        """Return the policy that sponsored an operation of the last seven days."""
        text = await self._link.command("GET", self._hint_key(chain_id, operation_hash))
        return None if text is None else UUID(text.decode())

    async def read_totals(self, ledger: Ledger, owner: Address | None = None) -> tuple[int, int]:
        """Return the used wei and number of operations of one owner, or of all owners (None).

        Open reservations and settled operations both count as used.
        """
        field = TOTAL_FIELD if owner is None else owner.hex()
        text = await self._link.command("HGET", self._keys(ledger)[0], field)
        high, low, count = (0, 0, 0) if text is None else map(int, text.split())
        return high * LIMB_BASE + low, count

    async def read_used(self, ledger: Ledger, *, now: int) -> tuple[int, int]:
        """Return the wei and the number of operations that count against the policy's total limits at `now`."""
        high, low, count = map(int, await self._link.run(self._used, self._keys(ledger), now, ledger.window_seconds))
        return high * LIMB_BASE + low, count

    async def _run_settle(
        self, ledger: Ledger, pending: PendingReservation, outcome: tuple[str, int, int], now: int
    ) -> None:
        arguments = pending.identity, pending.valid_until, now, ledger.window_seconds, *outcome
        await self._link.run(self._settle, self._keys(ledger), *arguments)

    def _keys(self, ledger: Ledger) -> list[str]:
        tag = f"policy:{ledger.policy_id}:{ledger.window_seconds}"
        return [self._link.key(tag, name) for name in ("sums", "promises", "due", "ended")]

    def _hint_key(self, chain_id: ChainId, operation_hash: Hash32) -> str:
        return self._link.key(f"sponsored:{chain_id}:{operation_hash.hex()}")


def reservation_id(chain_id: ChainId, sender: Address, nonce: int) -> str:
    """Return the id of a nonce's reservation."""
    return f"{chain_id}:{sender.hex()}:{nonce:x}"


def _encode_limit(wei: int | None) -> tuple[int | str, int | str]:
    """Encode a limit for the scripts; empty texts mean no limit."""
    return ("", "") if wei is None else split_wei(wei)


def _encode_bound(bound: BudgetLimit) -> tuple[int | str, ...]:
    return bound.field, *_encode_limit(bound.wei), "" if bound.operations is None else bound.operations


def _parse_pending(identity: str, valid_until: str, open_ended: str, hashes: str) -> PendingReservation:
    chain_id, sender, nonce = identity.split(":")
    return PendingReservation(
        chain_id=int(chain_id),
        sender=Address.parse("0x" + sender),
        nonce=int(nonce, 16),
        valid_until=int(valid_until),
        is_open_ended=open_ended != "",
        operation_hashes=tuple(Hash32.parse("0x" + one) for one in hashes.split(",")),
        identity=identity,
    )
