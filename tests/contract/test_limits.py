"""Contract of `ports.limits.Limiter`, tested against a real Redis, with concurrent requests and several replicas."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import cycle, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.sample import a_key, some_claims
from tests.support.api_keys import caller_of
from wallet_rpc.adapters import redis_limits
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import Caller
from wallet_rpc.ports.limits import RateLimitResult

NOVEMBER = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp())
TOO_FAST, TOO_MUCH = "Rate limit exceeded", "Monthly quota exceeded"
LATEST = settings(max_examples=20)


@pytest.fixture
async def replica(store: RedisStore, redis_url: str) -> AsyncIterator[RedisStore]:
    """Open another store on the same data, as a second server has it."""
    prefix = store.directory._link.prefix.removesuffix(":1")
    async with RedisStore.open(redis_url, prefix=prefix) as opened:
        yield opened


async def _take(store: RedisStore, caller: Caller, cost: int = 1, *, now: int = NOVEMBER) -> RateLimitResult:
    return await store.limiter.take(caller, cost, now=now)


async def _forget(store: RedisStore, caller: Caller) -> None:
    """End the key's current minute."""
    assert caller.key is not None
    assert await store.directory._link.command("DEL", store.directory._link.key(f"limit:{caller.key.id}", "minute"))


async def test_a_result_has_the_remaining_requests_until_a_rejection(store: RedisStore) -> None:
    caller = caller_of(a_key(requests_per_minute=3))

    results = [await _take(store, caller) for _ in range(5)]

    assert [each.remaining for each in results] == [2, 1, 0, 0, 0]
    assert [each.limit for each in results] == [3] * 5
    assert [each.retry_after_seconds is None for each in results] == [True, True, True, False, False]
    assert results[3].rejection == TOO_FAST
    assert results[3].retry_after_seconds in {59, 60}


async def test_a_batch_passes_whole_or_is_rejected_without_being_counted(store: RedisStore) -> None:
    caller = caller_of(a_key(requests_per_minute=10))

    assert (await _take(store, caller, 7)).remaining == 3
    refused = await _take(store, caller, 4)
    assert (refused.remaining, refused.retry_after_seconds is None) == (3, False)
    assert (await _take(store, caller, 3)).remaining == 0


async def test_a_batch_above_a_windows_limit_is_rejected_without_a_retry_time(store: RedisStore) -> None:
    """Waiting would not help, so this window is reported even if another one is full."""
    caller = caller_of(a_key(requests_per_minute=10, requests_per_month=12))
    assert await _take(store, caller, 3) == RateLimitResult(limit=10, remaining=7)

    assert await _take(store, caller, 11) == RateLimitResult(limit=10, remaining=7, rejection=TOO_FAST)
    small = caller_of(a_key("wrk_small", requests_per_minute=10, requests_per_month=4))
    assert await _take(store, small, 5) == RateLimitResult(limit=4, remaining=4, rejection=TOO_MUCH)


async def test_a_window_ends_automatically(store: RedisStore) -> None:
    caller = caller_of(a_key(requests_per_minute=1))
    await _take(store, caller)
    link = store.directory._link
    await link.command("PEXPIRE", link.key(f"limit:{a_key().id}", "minute"), 900)

    refused = await _take(store, caller)
    assert refused.retry_after_seconds == 1
    await asyncio.sleep(refused.retry_after_seconds)

    assert (await _take(store, caller)).retry_after_seconds is None


async def test_each_key_has_its_own_counter(store: RedisStore) -> None:
    for text in ("wrk_one", "wrk_two"):
        assert (await _take(store, caller_of(a_key(text, requests_per_minute=1)))).retry_after_seconds is None


@LATEST
@given(
    limits=st.tuples(st.integers(1, 40), st.none() | st.integers(1, 40)),
    costs=st.lists(st.integers(1, 25), min_size=1, max_size=40),
    has_token=st.booleans(),
)
async def test_concurrent_requests_on_two_servers_never_exceed_a_window_and_lose_no_count(
    redis_url: str, limits: tuple[int, int | None], costs: list[int], has_token: bool
) -> None:
    minute, month = limits
    key = a_key(requests_per_minute=minute, requests_per_month=month)
    caller = caller_of(key, token=some_claims() if has_token else None)
    prefix = f"limits-{time.monotonic_ns()}"
    async with (
        RedisStore.open(redis_url, prefix=prefix) as one,
        RedisStore.open(redis_url, prefix=prefix) as other,
    ):
        servers = islice(cycle((one, other)), len(costs))
        results = await asyncio.gather(
            *(_take(server, caller, cost) for server, cost in zip(servers, costs, strict=True))
        )
        limit = minute if month is None else min(minute, month)
        passed = sum(cost for cost, each in zip(costs, results, strict=True) if each.rejection is None)
        left = limit - passed
        rest = [await _take(other, caller, left)] if left > 0 else []

        assert passed <= limit
        assert sum(costs) > limit or passed == sum(costs)
        assert rest == [RateLimitResult(limit=limit, remaining=0)] * len(rest)
        assert (await _take(one, caller)).rejection is not None


async def test_servers_share_their_counters(store: RedisStore, replica: RedisStore) -> None:
    caller = caller_of(a_key(requests_per_minute=2))

    assert (await _take(store, caller)).remaining == 1
    assert (await _take(replica, caller)).remaining == 0
    assert (await _take(store, caller)).retry_after_seconds is not None


async def test_the_monthly_quota_is_counted_separately(store: RedisStore) -> None:
    caller = caller_of(a_key(requests_per_minute=2, requests_per_month=3))
    assert [(await _take(store, caller)).limit for _ in range(2)] == [2, 2]
    await _forget(store, caller)

    last = await _take(store, caller)
    refused = await _take(store, caller)

    assert (last.limit, last.remaining, last.retry_after_seconds) == (3, 0, None)
    assert (refused.limit, refused.remaining, refused.rejection) == (3, 0, TOO_MUCH)
    left = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp()) - NOVEMBER
    assert refused.retry_after_seconds in {left, left - 1}


async def test_the_monthly_quota_is_reported_when_both_windows_are_full(store: RedisStore) -> None:
    caller = caller_of(a_key(requests_per_minute=1, requests_per_month=1))
    await _take(store, caller)

    assert (await _take(store, caller)).rejection == TOO_MUCH


async def test_a_rate_limited_request_does_not_count_in_the_month(store: RedisStore) -> None:
    caller = caller_of(a_key(requests_per_minute=5, requests_per_month=10))
    await asyncio.gather(*(_take(store, caller) for _ in range(40)))
    await _forget(store, caller)

    results = [await _take(store, caller) for _ in range(5)]

    assert [each.retry_after_seconds for each in results] == [None] * 5


@pytest.mark.parametrize(
    ("last", "first"),
    [
        (datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        (datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC)),
    ],
)
async def test_a_new_month_in_utc_is_a_new_quota(store: RedisStore, last: datetime, first: datetime) -> None:
    caller = caller_of(a_key(requests_per_minute=10, requests_per_month=1))
    assert (await _take(store, caller, now=int(last.timestamp()))).retry_after_seconds is None
    refused = await _take(store, caller, now=int(last.timestamp()))

    assert refused.retry_after_seconds == 1
    assert (await _take(store, caller, now=int(first.timestamp()))).retry_after_seconds is None


@given(now=st.integers(0, 1 << 34))
def test_a_month_lasts_to_the_first_second_of_the_next(now: int) -> None:
    name, left = redis_limits._month(now)

    assert 0 < left <= 31 * 86_400
    after = datetime.fromtimestamp(now + left, UTC)
    assert (after.day, after.hour, after.minute, after.second) == (1, 0, 0, 0)
    assert f"{datetime.fromtimestamp(now + left - 1, UTC):%Y-%m}" == name == f"{datetime.fromtimestamp(now, UTC):%Y-%m}"


async def test_a_request_that_its_key_rejects_does_not_count_against_the_token(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_limits, "TOKEN_REQUESTS_PER_MINUTE", 4)
    caller = caller_of(a_key(requests_per_minute=2), token=some_claims())
    results = [await _take(store, caller) for _ in range(7)]
    assert [each.rejection for each in results] == [None] * 2 + [TOO_FAST] * 5
    await _forget(store, caller)

    results = [await _take(store, caller) for _ in range(2)]

    assert [each.rejection for each in results] == [None] * 2


async def test_a_request_with_a_token_counts_against_the_token_and_its_api_key(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_limits, "TOKEN_REQUESTS_PER_MINUTE", 2)
    key = a_key(requests_per_minute=5)
    first, second = (caller_of(key, token=some_claims(number=number)) for number in (1, 2))

    results = [await _take(store, first) for _ in range(3)]
    assert [(each.limit, each.remaining) for each in results] == [(2, 1), (2, 0), (2, 0)]
    assert results[2].rejection == TOO_FAST
    assert [(await _take(store, second)).retry_after_seconds for _ in range(2)] == [None, None]

    assert await _take(store, caller_of(key)) == RateLimitResult(limit=5, remaining=0)
    assert (await _take(store, caller_of(key, token=some_claims(number=3)))).limit == 5


async def test_a_caller_without_an_api_key_has_no_limits(store: RedisStore) -> None:
    with pytest.raises(ValueError, match="no rate limits"):
        await _take(store, Caller(name="127.0.0.1"))
