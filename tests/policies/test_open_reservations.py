"""What is open, in a real Redis: no owner, token, key or crowd of fresh owners holds a policy without sending."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policies.sample import ENDS, NOW, a_ledger, a_reservation, settle_once
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.sponsorship.redis_budgets import Ledger, RedisBudgets, Reservation
from wallet_rpc.domain.policy import PolicyDenialReason, PolicyLimits
from wallet_rpc.domain.policy_limits import Parties
from wallet_rpc.primitives import Address

OWNERS = [Address(bytes([0xC0 + n]) * 20) for n in range(4)]
LATER = ENDS + 10_000


@pytest.fixture
def budgets(store: RedisStore) -> RedisBudgets:
    return store.budgets


def build_reservation(
    number: int, *, cost: int = 100, owner: Address = OWNERS[0], key: str = "k", token: str | None = None
) -> Reservation:
    return replace(a_reservation(number, cost=cost), parties=Parties(owners=(owner,), key=key, token=token))


def new_owner(number: int) -> Address:
    return Address(number.to_bytes(20))


async def refusal(
    budgets: RedisBudgets, ledger: Ledger, reservation: Reservation, limits: PolicyLimits
) -> PolicyDenialReason | None:
    exceeded = await budgets.reserve(ledger, reservation, limits, now=NOW)
    return None if exceeded is None else exceeded.reason


async def refusals(
    budgets: RedisBudgets, ledger: Ledger, reservations: Iterable[Reservation], limits: PolicyLimits
) -> list[PolicyDenialReason | None]:
    return list(await asyncio.gather(*(refusal(budgets, ledger, one, limits) for one in reservations)))


async def settle(budgets: RedisBudgets, ledger: Ledger, *, cost: int | None = 1) -> None:
    for due in await budgets.lease_pending(ledger, now=LATER, lease_seconds=1, most=1000):
        await budgets.settle(ledger, due, cost=cost, now=NOW)


async def test_fresh_owners_hold_a_quarter_together(budgets: RedisBudgets) -> None:
    book, limits = a_ledger(), PolicyLimits(total_wei=3200, total_operations=1000)
    crowd = [build_reservation(number, owner=new_owner(number), key=f"key {number}") for number in range(1, 33)]
    answers = await refusals(budgets, book, crowd, limits)
    assert answers.count(None) == 8
    assert set(answers) == {None, PolicyDenialReason.FIRST_TIME}
    assert await budgets.read_totals(book) == (800, 8)


async def test_fresh_owners_of_a_policy_of_operations_hold_a_quarter_of_them(budgets: RedisBudgets) -> None:
    book = a_ledger()
    crowd = [build_reservation(number, owner=new_owner(number)) for number in range(1, 33)]
    answers = await refusals(budgets, book, crowd, PolicyLimits(total_operations=40))
    assert answers.count(None) == 10


async def test_an_owner_that_landed_an_operation_is_not_held_up_by_fresh_ones(budgets: RedisBudgets) -> None:
    book, limits = a_ledger(), PolicyLimits(total_wei=3200)
    assert await refusal(budgets, book, build_reservation(1), limits) is None
    await settle(budgets, book)
    crowd = [build_reservation(number, owner=new_owner(number)) for number in range(2, 34)]
    await refusals(budgets, book, crowd, limits)
    assert await refusal(budgets, book, build_reservation(50, owner=OWNERS[1]), limits) is PolicyDenialReason.FIRST_TIME
    assert await refusal(budgets, book, build_reservation(51), limits) is None


async def test_a_small_policy_serves_fresh_owners_one_at_a_time(budgets: RedisBudgets) -> None:
    book, limits = a_ledger(), PolicyLimits(total_wei=200, total_operations=2)
    assert await refusal(budgets, book, build_reservation(1, cost=101), limits) is PolicyDenialReason.FIRST_TIME
    assert await refusal(budgets, book, build_reservation(1, cost=100), limits) is None
    assert await refusal(budgets, book, build_reservation(1, cost=100), limits) is None, "it is the same one"
    assert (
        await refusal(budgets, book, build_reservation(2, cost=1, owner=OWNERS[1]), limits)
        is PolicyDenialReason.FIRST_TIME
    )
    await settle(budgets, book)
    assert await refusal(budgets, book, build_reservation(2, cost=100, owner=OWNERS[1]), limits) is None


async def test_what_never_landed_makes_nobody_known(budgets: RedisBudgets) -> None:
    book, limits = a_ledger(), PolicyLimits(total_wei=800)
    await refusal(budgets, book, build_reservation(1, cost=200), limits)
    for due in await budgets.lease_pending(book, now=LATER, lease_seconds=1, most=9):
        await budgets.release(book, due, now=NOW)
    assert await refusal(budgets, book, build_reservation(2, cost=200), limits) is None
    assert await refusal(budgets, book, build_reservation(3, cost=1), limits) is PolicyDenialReason.FIRST_TIME


async def test_a_burnt_nonce_frees_nothing_for_fresh_owners(budgets: RedisBudgets) -> None:
    """Otherwise who burns a nonce each time takes a policy quarter by quarter."""
    book, limits = a_ledger(), PolicyLimits(total_wei=800)
    await refusal(budgets, book, build_reservation(1, cost=200), limits)
    await settle(budgets, book, cost=None)
    assert await budgets.read_totals(book) == (200, 1)
    for owner in OWNERS:
        assert (
            await refusal(budgets, book, build_reservation(2, cost=1, owner=owner), limits)
            is PolicyDenialReason.FIRST_TIME
        )


ReservationBuilder = Callable[[int], Reservation]
HOLDERS: dict[PolicyDenialReason, ReservationBuilder] = {
    PolicyDenialReason.OWNER_OPEN: lambda number: build_reservation(number, key=f"key {number}"),
    PolicyDenialReason.TOKEN_OPEN: lambda number: build_reservation(
        number, owner=OWNERS[number % 2], key=f"key {number}", token="one"
    ),
    PolicyDenialReason.KEY_OPEN: lambda number: build_reservation(
        number, owner=OWNERS[number % 2], token=f"token{number}"
    ),
}


@pytest.mark.parametrize("expected", HOLDERS)
async def test_no_single_holder_has_more_than_half_open(budgets: RedisBudgets, expected: PolicyDenialReason) -> None:
    for limits in (PolicyLimits(total_wei=1000), PolicyLimits(total_operations=14)):
        book = a_ledger()
        for owner in OWNERS[:2]:
            await refusal(budgets, book, build_reservation(1000, owner=owner), PolicyLimits())
            await settle(budgets, book, cost=0)
        answers = [await refusal(budgets, book, HOLDERS[expected](number), limits) for number in range(1, 12)]
        some = 5 if limits.total_wei is not None else 7
        assert answers == [None] * some + [expected] * (11 - some)
        await settle(budgets, book, cost=0)
        assert await refusal(budgets, book, HOLDERS[expected](20), replace(limits, total_operations=None)) is None


@pytest.mark.parametrize("expected", HOLDERS)
async def test_no_single_holder_has_many_open(budgets: RedisBudgets, expected: PolicyDenialReason) -> None:
    book, limits = a_ledger(), PolicyLimits(owner_open=9, token_open=9, key_open=9)
    name = {
        PolicyDenialReason.OWNER_OPEN: "owner_open",
        PolicyDenialReason.TOKEN_OPEN: "token_open",
        PolicyDenialReason.KEY_OPEN: "key_open",
    }[expected]
    limits = replace(limits, **{name: 3})
    answers = [await refusal(budgets, book, HOLDERS[expected](number), limits) for number in range(1, 6)]
    assert answers == [None] * 3 + [expected] * 2


async def test_another_key_takes_a_reservation_over(budgets: RedisBudgets) -> None:
    """It counts against who asked last, once."""
    book, limits = a_ledger(), PolicyLimits(key_open=1)
    assert await refusal(budgets, book, build_reservation(1, key="a"), limits) is None
    assert await refusal(budgets, book, build_reservation(2, key="a"), limits) is PolicyDenialReason.KEY_OPEN
    assert await refusal(budgets, book, build_reservation(1, key="b"), limits) is None
    assert await refusal(budgets, book, build_reservation(2, key="a"), limits) is None
    assert await refusal(budgets, book, build_reservation(3, key="b"), limits) is PolicyDenialReason.KEY_OPEN


async def test_a_tokens_wallet_has_the_limits_of_a_sender_too(budgets: RedisBudgets) -> None:
    book, wallet = a_ledger(), Address(b"\x77" * 20)
    limits = PolicyLimits(sender_operations=1)
    both = [
        replace(build_reservation(n, owner=OWNERS[n]), parties=Parties(owners=(OWNERS[n], wallet), key="k"))
        for n in (0, 1)
    ]
    assert [await refusal(budgets, book, one, limits) for one in both] == [None, PolicyDenialReason.SENDER_OPERATIONS]


async def test_records_of_an_older_server_are_read(budgets: RedisBudgets) -> None:
    """They have one sender and no sums of what is open."""
    book, link = a_ledger(), budgets._link
    sums, promises, due, _ = budgets._keys(book)
    old = a_reservation(7)
    await link.command("HSET", sums, "all", "0 100 1", old.sender.hex(), "0 100 1")
    await link.command("HSET", promises, old.identity, f"0 100 {ENDS}+ {old.sender.hex()} {old.operation_hash.hex()}")
    await link.command("ZADD", due, ENDS, old.identity)
    (found,) = await budgets.lease_pending(book, now=ENDS, lease_seconds=1, most=9)
    assert (found.is_open_ended, found.operation_hashes) == (True, (old.operation_hash,))
    await budgets.settle(book, found, cost=30, now=NOW)
    assert await budgets.read_totals(book) == await budgets.read_totals(book, old.sender) == (30, 1)


@dataclass
class ModelReservation:
    """As a plain ledger has it."""

    parties: Parties
    cost: int
    is_first: bool

    @property
    def holders(self) -> set[str]:
        owners = {f"o:{owner}" for owner in self.parties.owners}
        return owners | {f"k:{self.parties.key}"} | ({f"t:{self.parties.token}"} if self.parties.token else set())


@dataclass
class ModelLedger:
    """The rules once more, over lists, without Redis."""

    limits: PolicyLimits
    window: int
    open: dict[int, ModelReservation] = field(default_factory=dict)
    ended: list[tuple[int, ModelReservation, bool]] = field(default_factory=list)
    """When, what, and whether it landed for certain."""

    def forget(self, now: int) -> None:
        self.ended = [one for one in self.ended if not self.window or one[0] > now - self.window]

    def is_first(self, parties: Parties) -> bool:
        landed = {owner for _, one, is_certain in self.ended if is_certain for owner in one.parties.owners}
        return not set(parties.owners) <= landed

    def refusal(self, number: int, parties: Parties, cost: int) -> PolicyDenialReason | None:
        was = self.open.get(number)
        made = ModelReservation(parties, cost if was is None else max(cost, was.cost), self.is_first(parties))
        others = [one for key, one in self.open.items() if key != number]
        counted = [*others, *(one for _, one, _ in self.ended)]
        if sum(one.cost for one in counted) + made.cost > (self.limits.total_wei or 0):
            return PolicyDenialReason.TOTAL_WEI
        if len(counted) + 1 > (self.limits.total_operations or 0):
            return PolicyDenialReason.TOTAL_OPERATIONS
        for owner in parties.owners:
            own = [one for one in counted if owner in one.parties.owners]
            if sum(one.cost for one in own) + made.cost > (self.limits.sender_wei or 0):
                return PolicyDenialReason.SENDER_WEI
        first = [one for one in others if one.is_first]
        first += [one for _, one, is_certain in self.ended if one.is_first and not is_certain]
        if made.is_first and self.is_over(first, made.cost, share=4):
            return PolicyDenialReason.FIRST_TIME
        kinds = {
            "o": PolicyDenialReason.OWNER_OPEN,
            "t": PolicyDenialReason.TOKEN_OPEN,
            "k": PolicyDenialReason.KEY_OPEN,
        }
        for holder in sorted(made.holders, key=lambda name: "otk".index(name[0])):
            if self.is_over([one for one in others if holder in one.holders], made.cost, share=2):
                return kinds[holder[0]]
        self.open[number] = made
        return None

    def is_over(self, group: list[ModelReservation], cost: int, *, share: int) -> bool:
        most = (self.limits.total_wei or 0) // (share if group else 2)
        count = max(1, (self.limits.total_operations or 0) // share)
        return sum(one.cost for one in group) + cost > most or len(group) + 1 > count


@given(st.integers(0, 2**32), st.sampled_from([0, 100]))
@settings(max_examples=30)
async def test_the_books_agree_with_a_plain_ledger_through_any_life(
    budgets: RedisBudgets, seed: int, window: int
) -> None:
    """Reserve, renew, land, burn, release and wait at random: each decision and each sum is the ledger's."""
    chance, book, now = random.Random(seed), a_ledger(window), NOW  # noqa: S311  # no secret
    limits = PolicyLimits(total_wei=2000, total_operations=16, sender_wei=900)
    ledger = ModelLedger(limits, window)
    for _ in range(40):
        now += chance.randrange(40)
        ledger.forget(now)
        if chance.random() < 0.65 or not ledger.open:
            owners = tuple(chance.sample(OWNERS, chance.choice([1, 1, 1, 2])))
            token = chance.choice([None, None, "a", "b"])
            parties = Parties(owners=owners, key=chance.choice(["x", "y", "z"]), token=token)
            number, cost = chance.choice([*ledger.open, chance.randrange(10**6)]), chance.randrange(1, 300)
            promise = replace(a_reservation(number, cost=cost, ends=now), parties=parties)
            exceeded = await budgets.reserve(book, promise, limits, now=now)
            assert (None if exceeded is None else exceeded.reason) is ledger.refusal(number, parties, cost)
        else:
            for due in await budgets.lease_pending(book, now=now, lease_seconds=1, most=1):
                gone, outcome = ledger.open.pop(due.nonce), chance.choice(["landed", "landed", "burnt", "void"])
                if outcome == "void":
                    await budgets.release(book, due, now=now)
                    continue
                spent = chance.randrange(gone.cost + 1) if outcome == "landed" else None
                await budgets.settle(book, due, cost=spent, now=now)
                cost = gone.cost if spent is None else spent
                ledger.ended.append((now, replace(gone, cost=cost), outcome == "landed"))
        counted = [*ledger.open.values(), *(one for _, one, _ in ledger.ended)]
        if not window:
            assert await budgets.read_totals(book) == (sum(one.cost for one in counted), len(counted))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 400)), min_size=8, max_size=30), st.integers(400, 4000))
@settings(max_examples=30)
async def test_a_crowd_of_any_kind_leaves_half_to_others(
    budgets: RedisBudgets, wishes: list[tuple[int, int]], total: int
) -> None:
    """Two known owners and four fresh ones by one key: half at most, of which a quarter, or one, is fresh."""
    book, limits = a_ledger(), PolicyLimits(total_wei=total)
    await settle_once(budgets, book, 0, 1)
    senders = [a_reservation(sender=n).sender for n in (0, 1)] + [new_owner(n) for n in range(1, 5)]
    promises = [build_reservation(n, cost=cost, owner=senders[who]) for n, (who, cost) in enumerate(wishes, 1)]
    answers = await refusals(budgets, book, promises, limits)
    held = [(who, cost) for (who, cost), answer in zip(wishes, answers, strict=True) if answer is None]
    fresh_ones = [cost for who, cost in held if who >= 2]
    assert (await budgets.read_totals(book))[0] == sum(cost for _, cost in held) <= total // 2
    assert sum(fresh_ones) <= total // 4 or len(fresh_ones) == 1
