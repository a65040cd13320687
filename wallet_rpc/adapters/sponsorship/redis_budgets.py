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
from wallet_rpc.adapters.sponsorship.budget_scripts import BOUND_SIZE, BOUNDS_AT, HALF, halves
from wallet_rpc.domain.policy import Limits
from wallet_rpc.domain.policy_limits import ALL, Bound, Exceeded, Parties, bounds_of, lone_wei
from wallet_rpc.primitives import Address, ChainId, Hash32

_HINT_SECONDS = 7 * 24 * 3600
"""How long an operation's policy is remembered for `of_operation`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A sponsorship that was signed: `cost` is the most it can cost, in wei; good until `ends` (seconds since 1970)."""

    chain_id: ChainId
    sender: Address
    nonce: int
    operation_hash: Hash32
    cost: int
    ends: int
    parties: Parties
    """Those it counts against."""
    lasts: bool = False
    """Nobody knows how long it is good; `ends` is when it is first looked up, and only its nonce's use ends it."""

    @property
    def identity(self) -> str:
        """What it is counted under: at most one operation of a nonce lands."""
        return identity_of(self.chain_id, self.sender, self.nonce)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A promise whose outcome may be known by now."""

    chain_id: ChainId
    sender: Address
    nonce: int
    ends: int
    lasts: bool
    operation_hashes: tuple[Hash32, ...]
    """The newest operations it was signed for."""
    identity: str


@dataclass(frozen=True, slots=True)
class Book:
    """Where a policy is accounted: its id, and the length of its rolling window in seconds (0: none)."""

    policy_id: UUID
    window_seconds: int = 0


class RedisBudgets:
    """The books of all policies; every change is one script."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._reserve = link.script(budget_scripts.RESERVE)
        self._take = link.script(budget_scripts.TAKE)
        self._settle = link.script(budget_scripts.SETTLE)
        self._hurry = link.script(budget_scripts.HURRY)

    async def reserve(self, book: Book, promise: Promise, limits: Limits, *, now: int) -> Exceeded | None:
        """Count a promise before it is given; else (nothing written) the bound that it would exceed. Atomic."""
        bounds = bounds_of(limits, promise.parties)
        answer = await self._link.run(
            self._reserve,
            self._keys(book),
            now,
            book.window_seconds,
            promise.identity,
            promise.operation_hash.hex(),
            *halves(promise.cost),
            promise.ends,
            "+" if promise.lasts else "",
            ",".join(owner.hex() for owner in promise.parties.owners),
            ",".join(bound.field for bound in bounds if bound.is_open),
            *_limit(lone_wei(limits)),
            *(argument for bound in bounds for argument in _written(bound)),
        )
        if answer:
            return Exceeded(bounds[(abs(answer) - BOUNDS_AT) // BOUND_SIZE], by_wei=answer > 0)
        await self._link.command(
            "SET", self._hint_key(promise.chain_id, promise.operation_hash), str(book.policy_id), "EX", _HINT_SECONDS
        )
        return None

    async def due(self, book: Book, *, now: int, lease_seconds: int, most: int) -> tuple[Due, ...]:
        """Promises to look up; the same ones are not given again before the lease is over, and then until settled."""
        taken = await self._link.run(self._take, self._keys(book), now, lease_seconds, most)
        return tuple(_due(*(part.decode() for part in one)) for one in taken)

    async def spent(self, book: Book, due: Due, *, cost: int | None, now: int) -> None:
        """It landed: the rest of the promise is free again. Without a known `cost` all of it was spent."""
        how = ("most", 0, 0) if cost is None else ("cost", *halves(cost))
        await self._settled(book, due, how, now)

    async def released(self, book: Book, due: Due, *, now: int) -> None:
        """It can never land: the promise is free again."""
        await self._settled(book, due, ("never", 0, 0), now)

    async def hurry(self, book: Book, identity: str, *, now: int) -> None:
        """Look this promise up from now on, not only when it has ended."""
        await self._link.run(self._hurry, self._keys(book), identity, now)

    async def of_operation(self, chain_id: ChainId, operation_hash: Hash32) -> UUID | None:
        """The policy that sponsored an operation of the last days."""
        text = await self._link.command("GET", self._hint_key(chain_id, operation_hash))
        return None if text is None else UUID(text.decode())

    async def counted(self, book: Book, owner: Address | None = None) -> tuple[int, int]:
        """Wei and operations, spent and promised: of an owner, or (None) of all."""
        field = ALL if owner is None else owner.hex()
        text = await self._link.command("HGET", self._keys(book)[0], field)
        high, low, count = (0, 0, 0) if text is None else map(int, text.split())
        return high * HALF + low, count

    async def _settled(self, book: Book, due: Due, how: tuple[str, int, int], now: int) -> None:
        await self._link.run(self._settle, self._keys(book), due.identity, due.ends, now, book.window_seconds, *how)

    def _keys(self, book: Book) -> list[str]:
        tag = f"policy:{book.policy_id}:{book.window_seconds}"
        return [self._link.key(tag, name) for name in ("sums", "promises", "due", "ended")]

    def _hint_key(self, chain_id: ChainId, operation_hash: Hash32) -> str:
        return self._link.key(f"sponsored:{chain_id}:{operation_hash.hex()}")


def identity_of(chain_id: ChainId, sender: Address, nonce: int) -> str:
    """The name of the promise of a nonce."""
    return f"{chain_id}:{sender.hex()}:{nonce:x}"


def _limit(wei: int | None) -> tuple[int | str, int | str]:
    """Empty for no limit."""
    return ("", "") if wei is None else halves(wei)


def _written(bound: Bound) -> tuple[int | str, ...]:
    return bound.field, *_limit(bound.wei), "" if bound.operations is None else bound.operations


def _due(identity: str, ends: str, lasts: str, hashes: str) -> Due:
    chain_id, sender, nonce = identity.split(":")
    return Due(
        chain_id=int(chain_id),
        sender=Address.parse("0x" + sender),
        nonce=int(nonce, 16),
        ends=int(ends),
        lasts=lasts != "",
        operation_hashes=tuple(Hash32.parse("0x" + one) for one in hashes.split(",")),
        identity=identity,
    )
