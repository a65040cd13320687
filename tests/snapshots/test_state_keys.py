"""Types of the keys that are state of chains, compared with a Redis that has a record of each kind."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from tests.contract.sample import ACCOUNT, CHAIN, NOW, ORGANIZATION, a_marked_event
from tests.contract.sample_store import fill_organization, fill_shared
from tests.support.clocks import FixedClock
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_state_keys import TYPES, find_state_key
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.relayer_budget import DailyWei, Expense
from wallet_rpc.adapters.sponsorship.redis_budgets import Ledger, Reservation
from wallet_rpc.adapters.state_rows import parse_section
from wallet_rpc.domain.policy import PolicyLimits
from wallet_rpc.domain.policy_limits import Parties
from wallet_rpc.primitives import Hash32

INDEX_ENTRY = "x" * 68
REJECTED = "a wallet section whose keys are complete and state of this chain, got "


async def sponsor(store: RedisStore) -> None:
    """Reserve for a sponsored operation and settle it, then reserve for another."""
    ledger = Ledger(UUID(int=7), 60)
    for number in (1, 2):
        reservation = Reservation(
            chain_id=CHAIN,
            sender=ACCOUNT,
            nonce=number,
            operation_hash=Hash32(number.to_bytes(32)),
            cost=5,
            valid_until=NOW,
            parties=Parties(owners=(ACCOUNT,), key="key"),
        )
        assert await store.budgets.reserve(ledger, reservation, PolicyLimits(), now=NOW) is None
        if number == 1:
            (pending,) = await store.budgets.lease_pending(ledger, now=NOW, lease_seconds=9, most=9)
            await store.budgets.settle(ledger, pending, cost=4, now=NOW)


async def read_types(store: RedisStore, redis_server: RedisServer) -> dict[str, str]:
    """Return the type of each key of the store, by its name without the prefix."""
    prefix = store.outbox.schedule_key(0).partition("{")[0]
    redis: Any
    async with Redis.from_url(redis_server.url) as redis:
        keys = [key.decode() async for key in redis.scan_iter(f"{prefix}*")]
        return {key.removeprefix(prefix): (await redis.type(key)).decode() for key in keys}


async def test_each_kind_of_state_has_the_type_that_the_store_writes(
    store: RedisStore, redis_server: RedisServer
) -> None:
    for storage in (store, store.for_organization(ORGANIZATION)):
        await fill_organization(storage)
        await storage.events.append(a_marked_event(f"{CHAIN}:mark"))
    await fill_shared(store)
    expense = Expense(chain_id=CHAIN, account=ACCOUNT, transaction=Hash32(bytes(32)), cost=3)
    await store.relayer_budget(DailyWei(total=10, account=5), FixedClock(NOW)).take(expense)
    await sponsor(store)
    found = await read_types(store, redis_server)

    state = {name: place for name in found if (place := find_state_key(name)) is not None}
    assert len(state) > 60
    assert {name: place.type for name, place in state.items()} == {name: found[name] for name in state}
    for word, rests in TYPES.items():
        for rest in rests:
            form = rf"(org_\w+:)?\{{{word}:[^}}]*\}}{':' * bool(rest)}{rest.replace('*', '[^:]+')}"
            assert any(re.fullmatch(form, name) for name in state), f"no record has the key {word} {rest}"


@pytest.mark.parametrize(
    ("name", "kind", "values"),
    [
        (f"{{account:{ACCOUNT.hex()}:{CHAIN}}}:session:a", "string", ["x"]),
        (f"{{account:{ACCOUNT.hex()}:{CHAIN}}}:unknown", "hash", ["a", "b"]),
        (f"{{account:{ACCOUNT.hex()}:{CHAIN}}}:created", "string", ["a"]),
        (f"{{account:{ACCOUNT.hex()}:{CHAIN}}}:created:1", "zset", ["a", "1"]),
        (f"{{call:{CHAIN}:aa}}", "set", ["a"]),
        ("{signer:aa}:accounts", "hash", ["a", "b"]),
        ("{stops:org_open}", "zset", ["a", "1"]),
        *(("{stops:org_open}:open", "zset", ["a", score]) for score in ("1_0", " 1", "1e999", "nan", "0x1", "")),
        *(("{sessions:org_open}:entries", "hash", ["a", entry]) for entry in ("", INDEX_ENTRY[1:])),
        *(("{sessions:org_open}:tags", "hash", ["a", tags]) for tags in ("[", "5", "[1]", '["\\ud800"]', '{"a":1}')),
    ],
)
def test_values_that_no_script_could_read_are_rejected_with_their_key(name: str, kind: str, values: list[str]) -> None:
    with pytest.raises(ValueError, match=re.escape(f'{REJECTED}"{name[:10]}')):
        parse_section({"format": 1, "chainId": CHAIN, "keys": [[name, kind, "", values]]}, CHAIN)


def test_values_that_the_scripts_read_are_accepted() -> None:
    keys = [
        ["{sessions:org_open}:entries", "hash", "", ["a", INDEX_ENTRY]],
        ["{sessions:org_open}:tags", "hash", "", ["a", '["tag"]']],
        ["{stops:org_open}:open", "zset", "1", ["a", "1800000000.5", "b", "-inf", "c", "1.7000000000000001e+20"]],
    ]
    assert len(parse_section({"format": 1, "chainId": CHAIN, "keys": keys}, CHAIN)) == 3
