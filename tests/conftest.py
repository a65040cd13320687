"""What many tests share: the event loop, a private Redis with a store of their own in it, and a whole server."""

from __future__ import annotations

import asyncio
import gc
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.e2e.server import run_dev_server
from tests.e2e.stacks import CHAINS, DOLLAR, DOLLAR_RATE
from tests.pauses.watch import Watch
from tests.workers import ByParts, long_first
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.dev_server import DevOptions

settings.register_profile(
    "unhurried",  # properties are about truth, not speed: a busy machine must not fail them
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],  # a server holds many examples
)
settings.load_profile("unhurried")

# Tests speak plain HTTP to this machine: to read its certificates for each client took a sixth of their time.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = os.path.dirname(__file__)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByParts:
    """Spread tests over workers in the order in which they were collected."""
    config.option.loadscopereorder = False
    return ByParts(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let long modules begin."""
    long_first(items)


def pytest_collection_finish() -> None:
    """Collect garbage rarely, and nothing of what was imported: a tenth of the time went into that."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


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
def watch() -> Watch:
    """Sees the loop of the server at `url` pause."""
    return Watch()


@pytest.fixture(scope="session")
def url(watch: Watch) -> Iterator[str]:
    """One server a test process, with two chains; every test makes accounts of its own on it."""
    with run_dev_server(
        DevOptions(chains=CHAINS, ephemeral=True, token_rates={DOLLAR: DOLLAR_RATE}), watch=watch
    ) as found:
        yield found
