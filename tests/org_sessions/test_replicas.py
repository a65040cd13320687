"""A revocation on several servers with one Redis, and after a restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.org_sessions.org_client import GET, REVOKE, OrgClient, open_funded_wallet
from tests.support.constants import CHAINS
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.errors import WalletError

CHAIN = CHAINS[0]


def replicate(client: OrgClient, store: RedisStore) -> OrgClient:
    """Return a server with its own connections to the same Redis and chains."""
    return replace(client, ports=replace(client.ports, store=store.for_organization(client.organization)), store=store)


def prefix(client: OrgClient) -> str:
    return client.store._link.prefix.rpartition(":")[0]


@pytest.fixture
async def replica(client: OrgClient, redis_server: RedisServer) -> AsyncIterator[OrgClient]:
    async with RedisStore.open(redis_server.url, prefix=prefix(client)) as store:
        yield replicate(client, store)


async def test_a_revocation_applies_at_once_on_every_replica(client: OrgClient, replica: OrgClient) -> None:
    wallet = await open_funded_wallet(client, CHAIN)
    await wallet.register()
    grant = wallet.grants[0]
    request = wallet.calls(CHAIN, grant.permissions)
    to_send = wallet.sign(await replica.ask("wallet_prepareCalls", **request), wallet.key, grant.permissions)

    await client.ask(REVOKE, id=grant.session_id)

    assert (await replica.refusal("wallet_sendPreparedCalls", **to_send)).reason == "session_revoked"
    assert (await replica.refusal("wallet_prepareCalls", **request)).reason == "session_revoked"


async def test_no_replica_accepts_a_request_that_starts_after_the_revocation(
    client: OrgClient, replica: OrgClient
) -> None:
    wallet = await open_funded_wallet(client, CHAIN)
    await wallet.register()
    request = wallet.calls(CHAIN, wallet.grants[0].permissions)
    passed: list[float] = []
    some_passed = asyncio.Event()

    async def prepare_until_rejected() -> WalletError:
        while True:
            started = time.monotonic()
            try:
                await replica.ask("wallet_prepareCalls", **request)
            except WalletError as error:
                return error
            passed.append(started)
            if len(passed) == 3:
                some_passed.set()

    async def revoke() -> float:
        await some_passed.wait()
        await client.ask(REVOKE, id=wallet.grants[0].session_id)
        return time.monotonic()

    error, revoked_at = await asyncio.gather(prepare_until_rejected(), revoke())

    assert error.reason == "session_revoked"
    assert max(passed) <= revoked_at


async def test_a_revocation_survives_a_restart(client: OrgClient, redis_server: RedisServer) -> None:
    wallet = await open_funded_wallet(client, CHAIN)
    await wallet.register()
    grant = wallet.grants[0]
    prepared = await client.ask("wallet_prepareCalls", **wallet.calls(CHAIN, grant.permissions))
    to_send = wallet.sign(prepared, wallet.key, grant.permissions)
    await client.ask(REVOKE, id=grant.session_id)
    await client.store.close()

    async with RedisStore.open(redis_server.url, prefix=prefix(client)) as opened:
        restarted = replicate(client, opened)
        assert (await restarted.refusal("wallet_sendPreparedCalls", **to_send)).reason == "session_revoked"
        assert (await restarted.ask(GET, id=grant.session_id))["status"] == "revoked"
