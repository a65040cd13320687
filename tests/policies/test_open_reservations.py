"""Open reservations on a real Redis: no owner, token, key or group of new owners blocks a policy without sending."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policies.sample import NOW, VALID_UNTIL, a_ledger, a_reservation, settle_once
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.sponsorship.redis_budgets import Ledger, RedisBudgets, Reservation
from wallet_rpc.domain.policy import PolicyDenialReason as Denial
from wallet_rpc.domain.policy import PolicyLimits
from wallet_rpc.domain.policy_limits import Parties
from wallet_rpc.primitives import Address

OWNERS = [Address(bytes([0xC0 + n]) * 20) for n in range(4)]
LATER = VALID_UNTIL + 10_000


@pytest.fixture
def budgets(store: RedisStore) -> RedisBudgets:
    return store.budgets


def build_reservation(
    number: int, *, cost: int = 100, owner: Address = OWNERS[0], key: str = "k", token: str | None = None
) -> Reservation:
    return replace(a_reservation(number, cost=cost), parties=Parties(owners=(owner,), key=key, token=token))


def new_owner(number: int) -> Address:
    return Address(number.to_bytes(20))


async def reserve(
    budgets: RedisBudgets, ledger: Ledger, reservation: Reservation, limits: PolicyLimits
) -> Denial | None:
    exceeded = await budgets.reserve(ledger, reservation, limits, now=NOW)
    return None if exceeded is None else exceeded.reason


async def reserve_all(
    budgets: RedisBudgets, ledger: Ledger, reservations: Iterable[Reservation], limits: PolicyLimits
) -> list[Denial | None]:
    return list(await asyncio.gather(*(reserve(budgets, ledger, one, limits) for one in reservations)))


async def settle(budgets: RedisBudgets, ledger: Ledger, *, cost: int | None = 1) -> None:
    for pending in await budgets.lease_pending(ledger, now=LATER, lease_seconds=1, most=1000):
        await budgets.settle(ledger, pending, cost=cost, now=NOW)


async def test_new_owners_together_reserve_at_most_a_quarter(budgets: RedisBudgets) -> None:
    ledger, limits = a_ledger(), PolicyLimits(total_wei=3200, total_operations=1000)
    crowd = [build_reservation(number, owner=new_owner(number), key=f"key {number}") for number in range(1, 33)]
    answers = await reserve_all(budgets, ledger, crowd, limits)
    assert answers.count(None) == 8
    assert set(answers) == {None, Denial.FIRST_TIME}
    assert await budgets.read_totals(ledger) == (800, 8)


async def test_new_owners_together_reserve_at_most_a_quarter_of_the_operations(budgets: RedisBudgets) -> None:
    ledger = a_ledger()
    crowd = [build_reservation(number, owner=new_owner(number)) for number in range(1, 33)]
    answers = await reserve_all(budgets, ledger, crowd, PolicyLimits(total_operations=40))
    assert answers.count(None) == 10


async def test_an_owner_with_a_settled_operation_is_not_blocked_by_new_owners(budgets: RedisBudgets) -> None:
    ledger, limits = a_ledger(), PolicyLimits(total_wei=3200)
    assert await reserve(budgets, ledger, build_reservation(1), limits) is None
    await settle(budgets, ledger)
    crowd = [build_reservation(number, owner=new_owner(number)) for number in range(2, 34)]
    await reserve_all(budgets, ledger, crowd, limits)
    assert await reserve(budgets, ledger, build_reservation(50, owner=OWNERS[1]), limits) is Denial.FIRST_TIME
    assert await reserve(budgets, ledger, build_reservation(51), limits) is None


async def test_a_small_policy_sponsors_new_owners_one_at_a_time(budgets: RedisBudgets) -> None:
    ledger, limits = a_ledger(), PolicyLimits(total_wei=200, total_operations=2)
    assert await reserve(budgets, ledger, build_reservation(1, cost=101), limits) is Denial.FIRST_TIME
    assert await reserve(budgets, ledger, build_reservation(1, cost=100), limits) is None
    assert await reserve(budgets, ledger, build_reservation(1, cost=100), limits) is None, "it is the same reservation"
    assert await reserve(budgets, ledger, build_reservation(2, cost=1, owner=OWNERS[1]), limits) is Denial.FIRST_TIME
    await settle(budgets, ledger)
    assert await reserve(budgets, ledger, build_reservation(2, cost=100, owner=OWNERS[1]), limits) is None


async def test_a_released_operation_leaves_its_owner_a_new_owner(budgets: RedisBudgets) -> None:
    ledger, limits = a_ledger(), PolicyLimits(total_wei=800)
    await reserve(budgets, ledger, build_reservation(1, cost=200), limits)
    for pending in await budgets.lease_pending(ledger, now=LATER, lease_seconds=1, most=9):
        await budgets.release(ledger, pending, now=NOW)
    assert await reserve(budgets, ledger, build_reservation(2, cost=200), limits) is None
    assert await reserve(budgets, ledger, build_reservation(3, cost=1), limits) is Denial.FIRST_TIME


async def test_a_used_up_nonce_frees_nothing_for_new_owners(budgets: RedisBudgets) -> None:
    """Otherwise a new owner could use up nonces and so reserve the whole budget, a quarter at a time."""
    ledger, limits = a_ledger(), PolicyLimits(total_wei=800)
    await reserve(budgets, ledger, build_reservation(1, cost=200), limits)
    await settle(budgets, ledger, cost=None)
    assert await budgets.read_totals(ledger) == (200, 1)
    for owner in OWNERS:
        assert await reserve(budgets, ledger, build_reservation(2, cost=1, owner=owner), limits) is Denial.FIRST_TIME


ReservationBuilder = Callable[[int], Reservation]
HOLDERS: dict[Denial, ReservationBuilder] = {
    Denial.OWNER_OPEN: lambda number: build_reservation(number, key=f"key {number}"),
    Denial.TOKEN_OPEN: lambda number: build_reservation(
        number, owner=OWNERS[number % 2], key=f"key {number}", token="one"
    ),
    Denial.KEY_OPEN: lambda number: build_reservation(number, owner=OWNERS[number % 2], token=f"token{number}"),
}


@pytest.mark.parametrize("expected", HOLDERS)
async def test_no_single_party_reserves_more_than_half(budgets: RedisBudgets, expected: Denial) -> None:
    for limits in (PolicyLimits(total_wei=1000), PolicyLimits(total_operations=14)):
        ledger = a_ledger()
        for owner in OWNERS[:2]:
            await reserve(budgets, ledger, build_reservation(1000, owner=owner), PolicyLimits())
            await settle(budgets, ledger, cost=0)
        answers = [await reserve(budgets, ledger, HOLDERS[expected](number), limits) for number in range(1, 12)]
        expected_count = 5 if limits.total_wei is not None else 7
        assert answers == [None] * expected_count + [expected] * (11 - expected_count)
        await settle(budgets, ledger, cost=0)
        assert await reserve(budgets, ledger, HOLDERS[expected](20), replace(limits, total_operations=None)) is None


@pytest.mark.parametrize("expected", HOLDERS)
async def test_no_single_party_exceeds_its_limit_of_open_reservations(budgets: RedisBudgets, expected: Denial) -> None:
    ledger = a_ledger()
    limits = replace(PolicyLimits(owner_open=9, token_open=9, key_open=9), **{expected.name.lower(): 3})
    answers = [await reserve(budgets, ledger, HOLDERS[expected](number), limits) for number in range(1, 6)]
    assert answers == [None] * 3 + [expected] * 2


async def test_a_renewal_with_another_key_moves_the_reservation(budgets: RedisBudgets) -> None:
    """The reservation counts once, against the key of the last request."""
    ledger, limits = a_ledger(), PolicyLimits(key_open=1)
    assert await reserve(budgets, ledger, build_reservation(1, key="a"), limits) is None
    assert await reserve(budgets, ledger, build_reservation(2, key="a"), limits) is Denial.KEY_OPEN
    assert await reserve(budgets, ledger, build_reservation(1, key="b"), limits) is None
    assert await reserve(budgets, ledger, build_reservation(2, key="a"), limits) is None
    assert await reserve(budgets, ledger, build_reservation(3, key="b"), limits) is Denial.KEY_OPEN


async def test_a_tokens_wallet_is_limited_like_a_sender(budgets: RedisBudgets) -> None:
    ledger, wallet = a_ledger(), Address(b"\x77" * 20)
    limits = PolicyLimits(sender_operations=1)
    both = [
        replace(build_reservation(n, owner=OWNERS[n]), parties=Parties(owners=(OWNERS[n], wallet), key="k"))
        for n in (0, 1)
    ]
    assert [await reserve(budgets, ledger, one, limits) for one in both] == [None, Denial.SENDER_OPERATIONS]


async def test_records_of_an_older_server_are_read(budgets: RedisBudgets) -> None:
    """Their records have one sender and no list of open sums."""
    ledger, link = a_ledger(), budgets._link
    sums, reservations, pending, _ = budgets._keys(ledger)
    old = a_reservation(7)
    await link.command("HSET", sums, "all", "0 100 1", old.sender.hex(), "0 100 1")
    record = f"0 100 {VALID_UNTIL}+ {old.sender.hex()} {old.operation_hash.hex()}"
    await link.command("HSET", reservations, old.identity, record)
    await link.command("ZADD", pending, VALID_UNTIL, old.identity)
    (found,) = await budgets.lease_pending(ledger, now=VALID_UNTIL, lease_seconds=1, most=9)
    assert (found.is_open_ended, found.operation_hashes) == (True, (old.operation_hash,))
    await budgets.settle(ledger, found, cost=30, now=NOW)
    assert await budgets.read_totals(ledger) == await budgets.read_totals(ledger, old.sender) == (30, 1)


@dataclass
class ModelReservation:
    """Reservation in the model ledger."""

    parties: Parties
    cost: int
    is_first: bool

    @property
    def holders(self) -> set[str]:
        owners = {f"o:{owner}" for owner in self.parties.owners}
        return owners | {f"k:{self.parties.key}"} | ({f"t:{self.parties.token}"} if self.parties.token else set())


@dataclass
class ModelLedger:
    """Model of the ledger's rules over lists, without Redis."""

    limits: PolicyLimits
    window: int
    open: dict[int, ModelReservation] = field(default_factory=dict)
    ended: list[tuple[int, ModelReservation, bool]] = field(default_factory=list)
    """Time, reservation, and True if its operation was certainly included."""

    def forget(self, now: int) -> None:
        self.ended = [one for one in self.ended if not self.window or one[0] > now - self.window]

    def is_first(self, parties: Parties) -> bool:
        settled = {owner for _, one, is_proven in self.ended if is_proven for owner in one.parties.owners}
        return not set(parties.owners) <= settled

    def denial(self, number: int, parties: Parties, cost: int) -> Denial | None:
        was = self.open.get(number)
        new = ModelReservation(parties, cost if was is None else max(cost, was.cost), self.is_first(parties))
        others = [one for key, one in self.open.items() if key != number]
        counted = [*others, *(one for _, one, _ in self.ended)]
        if sum(one.cost for one in counted) + new.cost > (self.limits.total_wei or 0):
            return Denial.TOTAL_WEI
        if len(counted) + 1 > (self.limits.total_operations or 0):
            return Denial.TOTAL_OPERATIONS
        for owner in parties.owners:
            own = [one for one in counted if owner in one.parties.owners]
            if sum(one.cost for one in own) + new.cost > (self.limits.sender_wei or 0):
                return Denial.SENDER_WEI
        first = [one for one in others if one.is_first]
        first += [one for _, one, is_proven in self.ended if one.is_first and not is_proven]
        if new.is_first and self.exceeds(first, new.cost, share=4):
            return Denial.FIRST_TIME
        kinds = {"o": Denial.OWNER_OPEN, "t": Denial.TOKEN_OPEN, "k": Denial.KEY_OPEN}
        for holder in sorted(new.holders, key=lambda name: "otk".index(name[0])):
            if self.exceeds([one for one in others if holder in one.holders], new.cost, share=2):
                return kinds[holder[0]]
        self.open[number] = new
        return None

    def exceeds(self, group: list[ModelReservation], cost: int, *, share: int) -> bool:
        max_wei = (self.limits.total_wei or 0) // (share if group else 2)
        count = max(1, (self.limits.total_operations or 0) // share)
        return sum(one.cost for one in group) + cost > max_wei or len(group) + 1 > count


@given(st.integers(0, 2**32), st.sampled_from([0, 100]))
@settings(max_examples=30)
async def test_the_scripts_agree_with_a_model_over_random_sequences(
    budgets: RedisBudgets, seed: int, window: int
) -> None:
    """Reserve, renew, settle with and without a cost, release and wait at random; compare decisions and sums."""
    rng = random.Random(seed)  # noqa: S311  # no secret
    ledger = a_ledger(window)
    now = NOW
    limits = PolicyLimits(total_wei=2000, total_operations=16, sender_wei=900)
    model = ModelLedger(limits, window)
    for _ in range(40):
        now += rng.randrange(40)
        model.forget(now)
        if rng.random() < 0.65 or not model.open:
            owners = tuple(rng.sample(OWNERS, rng.choice([1, 1, 1, 2])))
            token = rng.choice([None, None, "a", "b"])
            parties = Parties(owners=owners, key=rng.choice(["x", "y", "z"]), token=token)
            number = rng.choice([*model.open, rng.randrange(10**6)])
            cost = rng.randrange(1, 300)
            reservation = replace(a_reservation(number, cost=cost, valid_until=now), parties=parties)
            exceeded = await budgets.reserve(ledger, reservation, limits, now=now)
            assert (None if exceeded is None else exceeded.reason) is model.denial(number, parties, cost)
        else:
            for pending in await budgets.lease_pending(ledger, now=now, lease_seconds=1, most=1):
                removed = model.open.pop(pending.nonce)
                outcome = rng.choice(["settled", "settled", "unknown", "void"])
                if outcome == "void":
                    await budgets.release(ledger, pending, now=now)
                    continue
                spent = rng.randrange(removed.cost + 1) if outcome == "settled" else None
                await budgets.settle(ledger, pending, cost=spent, now=now)
                cost = removed.cost if spent is None else spent
                model.ended.append((now, replace(removed, cost=cost), outcome == "settled"))
        counted = [*model.open.values(), *(one for _, one, _ in model.ended)]
        if not window:
            assert await budgets.read_totals(ledger) == (sum(one.cost for one in counted), len(counted))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 400)), min_size=8, max_size=30), st.integers(400, 4000))
@settings(max_examples=30)
async def test_concurrent_owners_of_one_key_leave_half_to_others(
    budgets: RedisBudgets, requests: list[tuple[int, int]], total: int
) -> None:
    """Two known and four new owners with one key reserve at most half; new owners at most a quarter, or one."""
    ledger, limits = a_ledger(), PolicyLimits(total_wei=total)
    await settle_once(budgets, ledger, 0, 1)
    senders = [a_reservation(sender=n).sender for n in (0, 1)] + [new_owner(n) for n in range(1, 5)]
    reservations = [
        build_reservation(n, cost=cost, owner=senders[index]) for n, (index, cost) in enumerate(requests, 1)
    ]
    answers = await reserve_all(budgets, ledger, reservations, limits)
    accepted = [(index, cost) for (index, cost), answer in zip(requests, answers, strict=True) if answer is None]
    of_new_owners = [cost for index, cost in accepted if index >= 2]
    assert (await budgets.read_totals(ledger))[0] == sum(cost for _, cost in accepted) <= total // 2
    assert sum(of_new_owners) <= total // 4 or len(of_new_owners) == 1
