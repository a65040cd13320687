"""Fixtures: a server and its Redis, in which the tests create organisations and keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from tests.e2e.server import run_dev_server
from tests.support.constants import CHAINS
from tests.tenants.tenant import Tenant, new_tenant
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.config.settings import Settings
from wallet_rpc.config.values import Secret
from wallet_rpc.dev_server import DevOptions

SECRET = Secret(b"a secret of the tests, 32 bytes or more")


@pytest.fixture(scope="session")
def tenants_url(redis_server: RedisServer) -> Iterator[str]:
    """Run one server per test process and yield its URL."""
    settings = Settings(redis_url=redis_server.url, token_secrets=(SECRET,))
    with run_dev_server(DevOptions(chains=CHAINS, ephemeral=True), settings=settings) as url:
        yield url


@pytest.fixture
async def directory(redis_server: RedisServer, tenants_url: str) -> AsyncIterator[RedisStore]:
    """Open that server's store."""
    async with RedisStore.open(redis_server.url) as store:
        yield store


@pytest.fixture(scope="session")
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=30) as client:
        yield client


@pytest.fixture
def tenant(redis_server: RedisServer, tenants_url: str, http: httpx2.Client) -> Tenant:
    return asyncio.run(_create_tenant(redis_server, tenants_url, http))


@pytest.fixture
def other(redis_server: RedisServer, tenants_url: str, http: httpx2.Client) -> Tenant:
    return asyncio.run(_create_tenant(redis_server, tenants_url, http))


async def _create_tenant(redis_server: RedisServer, url: str, http: httpx2.Client) -> Tenant:
    async with RedisStore.open(redis_server.url) as store:
        return await new_tenant(store, url, http)
