"""What sponsorship policies have spent and promised, in Redis: one slot for a policy, one script for a decision.

The rule: a promise counts with the operation's maximum cost from before its signature is given away, until the chain
has shown that it cannot be redeemed any more (released) or what it cost (spent). One nonce of one account is one
promise, since only one of its operations can land: preparing it again raises the promise, and never counts it twice.
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
"""How long an operation's policy is remembered for `find_policy`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A sponsorship that was signed: `cost` is the most it can cost, in wei; good until `ends` (seconds since 1970)."""

    chain_id: ChainId
    sender: Address
    nonce: int
    operation_hash: Hash32
    cost: int
    valid_until: int
    parties: Parties
    """Those it counts against."""
    is_open_ended: bool = False
    """Nobody knows how long it is good; `ends` is when it is first looked up, and only its nonce's use ends it."""

    @property
    def identity(self) -> str:
        """What it is counted under: at most one operation of a nonce lands."""
        return reservation_id(self.chain_id, self.sender, self.nonce)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingReservation:
    """A promise whose outcome may be known by now."""

    chain_id: ChainId
    sender: Address
    nonce: int
    valid_until: int
    is_open_ended: bool
    operation_hashes: tuple[Hash32, ...]
    """The newest operations it was signed for."""
    identity: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where a policy is accounted: its id, and the length of its rolling window in seconds (0: none)."""

    policy_id: UUID
    window_seconds: int = 0


class RedisBudgets:
    """The books of all policies; every change is one script."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._reserve = link.script(budget_scripts.RESERVE)
        self._lease = link.script(budget_scripts.LEASE)
        self._settle = link.script(budget_scripts.SETTLE)
        self._expedite = link.script(budget_scripts.EXPEDITE)

    async def reserve(
        self, ledger: Ledger, reservation: Reservation, limits: PolicyLimits, *, now: int
    ) -> ExceededLimit | None:
        """Count a promise before it is given; else (nothing written) the bound that it would exceed. Atomic."""
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
        """Promises to look up; the same ones are not given again before the lease is over, and then until settled."""
        taken = await self._link.run(self._lease, self._keys(ledger), now, lease_seconds, most)
        return tuple(_parse_pending(*(part.decode() for part in one)) for one in taken)

    async def settle(self, ledger: Ledger, pending: PendingReservation, *, cost: int | None, now: int) -> None:
        """It landed: the rest of the promise is free again. Without a known `cost` all of it was spent."""
        how = ("most", 0, 0) if cost is None else ("cost", *split_wei(cost))
        await self._run_settle(ledger, pending, how, now)

    async def release(self, ledger: Ledger, pending: PendingReservation, *, now: int) -> None:
        """It can never land: the promise is free again."""
        await self._run_settle(ledger, pending, ("never", 0, 0), now)

    async def expedite(self, ledger: Ledger, identity: str, *, now: int) -> None:
        """Look this promise up from now on, not only when it has ended."""
        await self._link.run(self._expedite, self._keys(ledger), identity, now)

    async def find_policy(self, chain_id: ChainId, operation_hash: Hash32) -> UUID | None:
        """The policy that sponsored an operation of the last days."""
        text = await self._link.command("GET", self._hint_key(chain_id, operation_hash))
        return None if text is None else UUID(text.decode())

    async def read_totals(self, ledger: Ledger, owner: Address | None = None) -> tuple[int, int]:
        """Wei and operations, spent and promised: of an owner, or (None) of all."""
        field = TOTAL_FIELD if owner is None else owner.hex()
        text = await self._link.command("HGET", self._keys(ledger)[0], field)
        high, low, count = (0, 0, 0) if text is None else map(int, text.split())
        return high * LIMB_BASE + low, count

    async def _run_settle(
        self, ledger: Ledger, pending: PendingReservation, how: tuple[str, int, int], now: int
    ) -> None:
        await self._link.run(
            self._settle, self._keys(ledger), pending.identity, pending.valid_until, now, ledger.window_seconds, *how
        )

    def _keys(self, ledger: Ledger) -> list[str]:
        tag = f"policy:{ledger.policy_id}:{ledger.window_seconds}"
        return [self._link.key(tag, name) for name in ("sums", "promises", "due", "ended")]

    def _hint_key(self, chain_id: ChainId, operation_hash: Hash32) -> str:
        return self._link.key(f"sponsored:{chain_id}:{operation_hash.hex()}")


def reservation_id(chain_id: ChainId, sender: Address, nonce: int) -> str:
    """The name of the promise of a nonce."""
    return f"{chain_id}:{sender.hex()}:{nonce:x}"


def _encode_limit(wei: int | None) -> tuple[int | str, int | str]:
    """Empty for no limit."""
    return ("", "") if wei is None else split_wei(wei)


def _encode_bound(bound: BudgetLimit) -> tuple[int | str, ...]:
    return bound.field, *_encode_limit(bound.wei), "" if bound.operations is None else bound.operations


def _parse_pending(identity: str, valid_until: str, lasts: str, hashes: str) -> PendingReservation:
    chain_id, sender, nonce = identity.split(":")
    return PendingReservation(
        chain_id=int(chain_id),
        sender=Address.parse("0x" + sender),
        nonce=int(nonce, 16),
        valid_until=int(valid_until),
        is_open_ended=lasts != "",
        operation_hashes=tuple(Hash32.parse("0x" + one) for one in hashes.split(",")),
        identity=identity,
    )
