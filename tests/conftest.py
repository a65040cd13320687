"""What many tests share: the event loop, a private Redis with a store of their own in it, and a whole server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.e2e.server import running
from tests.e2e.stacks import CHAINS
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.dev import DevOptions

settings.register_profile(
    "unhurried",  # properties are about truth, not speed: a busy machine must not fail them
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],  # a server holds many examples
)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One Redis a test process, gone without a trace afterwards."""
    server = RedisServer(None)
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture
async def store(redis_server: RedisServer) -> AsyncIterator[RedisStore]:
    """An empty store; the others in the same Redis have other prefixes."""
    async with RedisStore.open(redis_server.url, prefix=f"test-{uuid.uuid4().hex}") as opened:
        yield opened


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """One server a test process, with two chains; every test makes accounts of its own on it."""
    with running(DevOptions(chains=CHAINS, ephemeral=True)) as found:
        yield found
