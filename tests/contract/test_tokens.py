"""Contract of `ports.storage.IssuedTokens`, tested against a real Redis."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.contract.sample import FAR_FUTURE, some_claims
from wallet_rpc.adapters.jwt_tokens import SKEW_SECONDS
from wallet_rpc.adapters.redis_records import encode_record
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.redis_tokens import IssuedToken, RedisTokens
from wallet_rpc.errors import Unavailable


@pytest.fixture
def tokens(store: RedisStore) -> RedisTokens:
    return store.tokens


async def test_a_token_reads_back(tokens: RedisTokens) -> None:
    await tokens.add(some_claims())

    assert await tokens.get(some_claims().id) == some_claims()
    assert await tokens.get(some_claims(number=2).id) is None
    assert not await tokens.is_revoked(some_claims().id)


async def test_a_revoked_token_is_marked_and_still_stored(tokens: RedisTokens) -> None:
    await tokens.add(some_claims())

    assert await tokens.revoke(some_claims().id, until=FAR_FUTURE)
    assert not await tokens.revoke(some_claims().id, until=FAR_FUTURE)

    assert await tokens.is_revoked(some_claims().id)
    assert await tokens.get(some_claims().id) == some_claims()
    assert not await tokens.is_revoked(some_claims(number=2).id)


async def test_of_concurrent_revocations_of_a_token_one_succeeds(tokens: RedisTokens) -> None:
    results = await asyncio.gather(*(tokens.revoke(some_claims().id, until=FAR_FUTURE) for _ in range(16)))

    assert results.count(True) == 1


async def test_all_keys_of_a_token_are_deleted_after_its_expiry(tokens: RedisTokens) -> None:
    """They are stored longer by the clock skew, since a server whose clock is behind accepts the token for longer."""
    soon = int(time.time()) + 2
    brief = some_claims(expires_at=soon - SKEW_SECONDS)
    await tokens.add(brief)
    await tokens.revoke(brief.id, until=brief.expires_at)
    assert await tokens.get(brief.id) == brief
    assert await tokens.is_revoked(brief.id)

    await asyncio.sleep(soon + 0.1 - time.time())

    assert await tokens.get(brief.id) is None
    assert not await tokens.is_revoked(brief.id)


async def test_a_token_of_a_newer_server_is_not_read(tokens: RedisTokens) -> None:
    future = encode_record(IssuedToken, IssuedToken(version=2, claims=some_claims()))
    await tokens._link.command("SET", tokens.token_key(some_claims().id), future)

    with pytest.raises(Unavailable, match="version 2, expected at most 1"):
        await tokens.get(some_claims().id)
